"""`credenza debug`: says step by step why a call is refused. The server tells of a call that it refused; a captured
request is checked here, with the public key. It never asks for a private key.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from credenza.cli import captured, diagnosis, files, habits, output, refusals
from credenza.cli.diagnosis import ReadingOutcome, SigningKey, Verdict
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.protocol import certificate

app = typer.Typer()


@app.callback()
def debug() -> None:
    """Explain step by step why a call is refused."""


@app.command("oauth1")
def debug_oauth1(
    context: typer.Context,
    refusal_id: Annotated[
        str | None, typer.Argument(metavar="REFUSAL_ID", help="A refusal that the server has kept, for an hour.")
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="The last refusal that credenza call met.")] = False,
    request: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Check here: an HTTP message as text or a curl command; - reads standard input."
        ),
    ] = None,
    certificate_file: Annotated[
        Path | None, typer.Option("--certificate", metavar="FILE", help="Certificate of the key that signed.")
    ] = None,
    public_key_file: Annotated[
        Path | None, typer.Option("--public-key", metavar="FILE", help="The public key that signed, PEM.")
    ] = None,
    base_string: Annotated[
        Path | None, typer.Option("--base-string", metavar="FILE", help="The base string that your program signed.")
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Scheme and host as the client saw them, where a proxy changed them."),
    ] = None,
    now: Annotated[
        str | None, typer.Option(metavar="TIME", help="Check as of this time: ISO 8601 with zone, or seconds.")
    ] = None,
    max_skew: Annotated[
        int, typer.Option(metavar="SECONDS", help="How far the clock of the client may be off.", min=0)
    ] = 300,
) -> None:
    """Ask the server why it refused a call, or check a captured request here as a gate does.

    The check here needs no server, and exits with 1 when the request would be refused.
    """
    if [refusal_id is not None, last, request is not None].count(True) != 1:
        raise CommandFailed("Which call? Give the id of a refusal, --last, or --request FILE.", ExitCode.USAGE)
    if request is None:
        refusals.explain(context, refusal_id or refusals.last())
        return
    moment = _parse_time(now) if now else datetime.now(UTC)
    key = _read_key(certificate_file, public_key_file)
    own = files.read_text(base_string).strip() if base_string else None
    message = captured.parse(files.read(request), origin=origin, read_file=files.read)
    verdict = diagnosis.explain(message, key, now=moment, max_skew=timedelta(seconds=max_skew), own_base_string=own)
    _print(context, verdict)
    if not verdict.ok:
        raise typer.Exit(ExitCode.ERROR)


def _read_key(certificate_file: Path | None, public_key_file: Path | None) -> SigningKey | None:
    if certificate_file is not None and public_key_file is not None:
        raise CommandFailed("Give --certificate or --public-key, not both.", ExitCode.USAGE)
    if certificate_file is not None:
        parsed = certificate.parse(files.read(certificate_file))
        return SigningKey(_rsa(parsed.public_key()), parsed.not_valid_before_utc, parsed.not_valid_after_utc)
    return SigningKey(_rsa(_load_public_key(files.read(public_key_file)))) if public_key_file is not None else None


def _rsa(key: PublicKeyTypes) -> RSAPublicKey:
    if not isinstance(key, RSAPublicKey):
        raise CommandFailed("The key is not RSA; OAuth 1.0a calls are signed with RSA keys.")
    return key


def _load_public_key(pem: bytes) -> PublicKeyTypes:
    try:
        return load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise CommandFailed(
            "That is no public key. Write it with: openssl x509 -in certificate.pem -pubkey -noout"
        ) from None


def _parse_time(text: str) -> datetime:
    try:
        moment = datetime.fromtimestamp(int(text), UTC) if text.isdecimal() else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise CommandFailed(f"{text} is no time; 2025-01-31T12:00:00Z is one.", ExitCode.USAGE) from None
    if moment.tzinfo is None:
        raise CommandFailed(f"{text} has no zone; add Z for UTC.", ExitCode.USAGE)
    return moment.astimezone(UTC)


def _print(context: typer.Context, verdict: Verdict) -> None:
    if habits.of(context).output is not Output.TABLE:
        output.show(context, verdict)
        return
    output.show_checks(context, verdict.steps)
    fitting = [reading for reading in verdict.readings if reading.verifies]
    if verdict.readings:
        print("\nBase string that was signed" if fitting else "\nBase strings that a gate tries")
    for names, text in _distinct(fitting or verdict.readings):
        print(output.printable(f"\n{', '.join(names)}\n{text}"))


def _distinct(readings: Iterable[ReadingOutcome]) -> Iterable[tuple[list[str], str]]:
    """Join the readings that build the same text."""
    names: dict[str, list[str]] = {}
    for reading in readings:
        names.setdefault(reading.base_string, []).append(reading.name)
    return [(joined, text) for text, joined in names.items()]

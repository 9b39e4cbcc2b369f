"""`credenza debug`: says step by step why a call is refused. The server tells of a call that it refused; a captured
request is checked here, with the public key. It never asks for a private key.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from credenza.cli import captured, debugging, diagnosis, files, habits, output, refusals
from credenza.cli.debugging import ReadKey
from credenza.cli.diagnosis import ReadingOutcome, SigningKey, Verdict
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output

app = typer.Typer()


@app.callback()
def debug() -> None:
    """Explain step by step why a call is refused."""


@app.command("oauth1")
def debug_oauth1(
    context: typer.Context,
    refusal_id: debugging.RefusalId = None,
    last: debugging.Last = False,
    request: debugging.RequestFile = None,
    certificate_file: debugging.CertificateFile = None,
    public_key_file: debugging.PublicKeyFile = None,
    base_string: Annotated[
        Path | None, typer.Option("--base-string", metavar="FILE", help="The base string that your program signed.")
    ] = None,
    origin: debugging.Origin = None,
    now: debugging.Now = None,
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
        offline = "credenza debug oauth1 --request FILE --certificate FILE"
        refusals.explain(context, refusal_id or refusals.last(), offline=offline)
        return
    moment = debugging.parse_time(now)
    key = _rsa(debugging.read_key(certificate_file, public_key_file))
    own = files.read_text(base_string).strip() if base_string else None
    message = captured.parse(files.read(request), origin=origin, read_file=files.read)
    verdict = diagnosis.explain(message, key, now=moment, max_skew=timedelta(seconds=max_skew), own_base_string=own)
    _print(context, verdict)
    if not verdict.ok:
        raise typer.Exit(ExitCode.ERROR)


def _rsa(found: ReadKey | None) -> SigningKey | None:
    if found is None:
        return None
    if not isinstance(found.public_key, RSAPublicKey):
        raise CommandFailed("The key is not RSA; OAuth 1.0a calls are signed with RSA keys.")
    return SigningKey(found.public_key, found.not_before, found.not_after)


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

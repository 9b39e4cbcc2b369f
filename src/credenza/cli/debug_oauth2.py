"""`credenza debug oauth2`: says step by step why a token is not given, or a call with one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from credenza.cli import captured, debugging, files, habits, oauth2_diagnosis, output, profiles, refusals
from credenza.cli.assertion_diagnosis import ClientKey
from credenza.cli.captured import Captured
from credenza.cli.debugging import ReadKey
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.cli.oauth2_diagnosis import Known, Verdict
from credenza.protocol import access_token, certificate, jose
from credenza.protocol.public_key import PublicKey

app = typer.Typer()


@app.command("oauth2")
def debug_oauth2(
    context: typer.Context,
    refusal_id: debugging.RefusalId = None,
    last: debugging.Last = False,
    request: debugging.RequestFile = None,
    jwt: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Check here: a client assertion, a DPoP proof or an access token; - is stdin."
        ),
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Origin of the environment. Or in the profile, or where the request went."),
    ] = None,
    consumer_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Client id, !, key id: who the client should be.")
    ] = None,
    certificate_file: debugging.CertificateFile = None,
    public_key_file: debugging.PublicKeyFile = None,
    jwks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The issuer's keys, as ISSUER/oauth/jwks answers them.")
    ] = None,
    nonce: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The server's last DPoP-Nonce, if it has sent one.")
    ] = None,
    origin: debugging.Origin = None,
    now: debugging.Now = None,
) -> None:
    """Ask the server why it refused a request for a token or a call with one, or check what was sent here.

    The check here needs no server, and exits with 1 when the request would be refused.
    """
    if [refusal_id is not None, last, request is not None, jwt is not None].count(True) != 1:
        raise CommandFailed(
            "Which one? Give the id of a refusal, --last, --request FILE or --jwt FILE.", ExitCode.USAGE
        )
    if request is None and jwt is None:
        refusals.explain(context, refusal_id or refusals.last(), offline="credenza debug oauth2 --request FILE")
        return
    message = None if request is None else captured.parse(files.read(request), origin=origin, read_file=files.read)
    known = Known(
        now=debugging.parse_time(now),
        issuer=_issuer(context, issuer, message),
        consumer_key=consumer_key,
        client_key=_client_key(debugging.read_key(certificate_file, public_key_file)),
        issuer_keys=None if jwks is None else _read_key_set(jwks),
        nonce=nonce,
        x5t_s256=None if certificate_file is None else _x5t_s256(certificate_file),
    )
    if message is not None:
        verdict = oauth2_diagnosis.explain_request(message, known)
    else:
        verdict = oauth2_diagnosis.explain_jwt(files.read_text(jwt or files.STANDARD), known)
    _print(context, verdict)
    if not verdict.ok:
        raise typer.Exit(ExitCode.ERROR)


def _x5t_s256(path: Path) -> str:
    der = certificate.parse(files.read(path)).public_bytes(Encoding.DER)
    return access_token.bound_to_certificate(der).x5t_s256


def _issuer(context: typer.Context, given: str | None, message: Captured | None) -> str | None:
    """Who gives tokens there: the option, else the profile, else the place that the request went to (settled 1)."""
    found = given or profiles.current(habits.of(context).profile).issuer
    if found is None and message is not None:
        parts = urlsplit(message.url)
        found = f"{parts.scheme}://{parts.netloc}"
    return None if found is None else found.rstrip("/")


def _client_key(found: ReadKey | None) -> ClientKey | None:
    if found is None:
        return None
    if not isinstance(found.public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise CommandFailed("The key is neither RSA nor EC; clients of OAuth 2.0 sign with one of these.")
    return ClientKey(found.public_key, found.not_before, found.not_after)


class _KeySet(msgspec.Struct):
    """RFC 7517 5."""

    keys: tuple[msgspec.Raw, ...]


class _Named(msgspec.Struct):
    kid: str


def _read_key_set(path: Path) -> Mapping[str, PublicKey]:
    keys = jose.read(files.read(path), _KeySet, "key set").keys
    return {jose.read(bytes(each), _Named, "key").kid: jose.parse_jwk(bytes(each)) for each in keys}


def _print(context: typer.Context, verdict: Verdict) -> None:
    if habits.of(context).output is not Output.TABLE:
        output.show(context, verdict)
        return
    output.note(context, f"This is a {verdict.subject}.")
    output.show_checks(context, verdict.steps)

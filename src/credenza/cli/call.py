"""`credenza call`: makes one call with OAuth, a client secret or a certificate, the way a partner's program would."""

from __future__ import annotations

import json
import shlex
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import httpx
import typer

from credenza.cli import api_client, client_certificate, habits, output, passwords, profiles, refusals, remote, signing
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.cli.signing import OAuth2Client, Signer
from credenza.cli.token_get import refused_token
from credenza.client.auth import OAuth1Auth, PrivateKeyJwtAuth, TlsClientAuth
from credenza.client.errors import InsecureUrl, IssuerUnavailable, TokenRefused
from credenza.client.keys import GivenKey
from credenza.protocol.oauth1 import SignatureMethod

app = typer.Typer()

_REFUSAL_ID = "Credenza-Refusal-Id"


class Scheme(StrEnum):
    OAUTH1 = "oauth1"
    OAUTH2 = "oauth2"
    SECRET = "secret"
    MTLS = "mtls"


@app.command()
def call(
    context: typer.Context,
    method: signing.MethodArgument,
    url: signing.UrlArgument,
    consumer_key: signing.ConsumerKey = None,
    key: signing.KeyFile = None,
    password_file: passwords.PasswordFile = None,
    body: signing.Body = None,
    body_text: signing.BodyText = None,
    header: Annotated[
        list[str] | None, typer.Option("-H", "--header", metavar="HEADER", help="Name: value. May be given again.")
    ] = None,
    scheme: Annotated[
        Scheme | None,
        typer.Option(
            "--auth",
            metavar="SCHEME",
            help="oauth1, oauth2, secret or mtls; else mtls with --cert, else as the profile says, else oauth1.",
        ),
    ] = None,
    signature_method: signing.SignatureMethodOption = SignatureMethod.RSA_SHA256,
    issuer: signing.Issuer = None,
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="With oauth2: what the token is narrowed to.")
    ] = None,
    client_id: api_client.ClientId = None,
    client_secret_file: api_client.ClientSecretFile = None,
    audience: api_client.Audience = "",
    cert: client_certificate.Certificate = None,
    ca: signing.CaFile = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the request as a curl command.")] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait for the server.", min=0.1)] = 30,
) -> None:
    """Make a call and print the answer's body; with -o the whole answer. Exits with 1 when the answer is 400 or more.

    With OAuth 1.0a the call is signed; with 2.0 a token is fetched with the key first, and shown with a DPoP proof.
    With --auth secret it is fetched with the client secret of an API credential, and shown as it is.

    With --cert the certificate alone says who calls; with --auth oauth2 as well it fetches a token that is bound to it.
    """
    signing.check_url(url)
    octets = signing.read_body(body, body_text)
    used, trusted = _scheme(context, scheme, cert), remote.trusting(context, ca)
    if cert is not None:
        client_certificate.present(trusted, cert, key, password_file)
    with _never_in_the_clear():
        if used is Scheme.OAUTH1:
            auth: httpx.Auth = _auth(signing.open_signer(context, consumer_key, key, password_file, signature_method))
        elif used is Scheme.SECRET:
            api_client.refuse_scope(scope)
            place = signing.issuer_of(context, issuer, of_url=url)
            auth = api_client.open_auth(context, place, client_id, client_secret_file, audience)
        elif used is Scheme.MTLS:
            auth = httpx.Auth()
        elif cert is not None:
            client_id = signing.client_id_of(context, consumer_key)
            auth = TlsClientAuth(signing.issuer_of(context, issuer, of_url=url), client_id, scopes=scope or ())
        else:
            client_of = signing.open_client(context, consumer_key, key, password_file)
            auth = _oauth2(client_of, signing.issuer_of(context, issuer, of_url=url), scope or ())
    headers = [_parse_header(line) for line in header or ()]
    request = _request(method, url, _completed(headers, octets), octets)
    with httpx.Client(verify=trusted, timeout=timeout) as client:
        response = _send(client, request, auth, cert, verbose=verbose)
    _print(context, response)
    if response.status_code >= 400:
        _explain(response, used)
        raise typer.Exit(ExitCode.ERROR)


def _scheme(context: typer.Context, given: Scheme | None, cert: Path | None) -> Scheme:
    if given is None and cert is not None:
        return Scheme.MTLS
    used = given or Scheme(profiles.current(habits.of(context).profile).auth or Scheme.OAUTH1)
    if used is Scheme.MTLS and cert is None:
        raise CommandFailed("Which certificate says who calls? Give --cert FILE.", ExitCode.USAGE)
    if cert is not None and used in (Scheme.OAUTH1, Scheme.SECRET):
        raise CommandFailed("--cert goes with --auth mtls or oauth2.", ExitCode.USAGE)
    return used


def _request(method: str, url: str, headers: list[tuple[str, str]], body: bytes) -> httpx.Request:
    try:
        return httpx.Request(method.upper(), url, headers=headers, content=body)
    except httpx.InvalidURL as error:
        raise CommandFailed(f"{url} is not a URL: {error}.", ExitCode.USAGE) from None


def _auth(signer: Signer) -> OAuth1Auth:
    return OAuth1Auth(signer.consumer_key, signer.private_key, signature_method=signer.signature_method)


def _oauth2(client: OAuth2Client, issuer: str, scopes: Iterable[str]) -> PrivateKeyJwtAuth:
    return PrivateKeyJwtAuth(issuer, client.client_id, GivenKey(client.key), scopes=scopes)


@contextmanager
def _never_in_the_clear() -> Iterator[None]:
    """Say what is wrong with an issuer that is not called over TLS."""
    try:
        yield
    except InsecureUrl as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from None


def _send(
    client: httpx.Client, request: httpx.Request, auth: httpx.Auth, cert: Path | None, *, verbose: bool
) -> httpx.Response:
    if verbose:
        # Called when a request is signed, and before it is sent.
        client.event_hooks = {"request": [lambda sent: _show(sent, cert) if sent is request else None]}
    try:
        return client.send(request, auth=auth)
    except InsecureUrl as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from None
    except TokenRefused as refused:
        raise refused_token(refused) from None
    except IssuerUnavailable as error:
        raise CommandFailed(str(error)) from None
    except httpx.TimeoutException:
        raise CommandFailed(f"{request.url.host} did not answer in time. Wait longer with --timeout SECONDS.") from None
    except httpx.TransportError as error:
        raise _unreached(request, error, cert) from None


def _unreached(request: httpx.Request, error: httpx.TransportError, cert: Path | None) -> CommandFailed:
    """RFC 8446 6.2: a server that refuses a certificate says so in an alert, in TLS 1.3 after our own Finished."""
    if cert is not None and "ALERT" in str(error).upper().replace(" ", "_"):
        why = f"Why: credenza debug mtls --certificate {cert}"
        return CommandFailed(f"{request.url.host} does not take the certificate: {error}.\n{why}", ExitCode.AUTH)
    cure = " If its authority is your own, give --ca FILE." if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
    return CommandFailed(f"{request.url.host} cannot be reached: {error}.{cure}")


def _show(request: httpx.Request, cert: Path | None) -> None:
    """Only the call: what was sent for a token proves who the client is."""
    print(curl_command(request, cert), file=sys.stderr)


def curl_command(request: httpx.Request, cert: Path | None = None) -> str:
    """Spell a request as a command that sends the same bytes."""
    words = ["curl", "-X", request.method, str(request.url)]
    if cert is not None:
        words += [*(["--cert-type", "P12"] if cert.suffix in (".p12", ".pfx") else []), "--cert", str(cert)]
    for name, value in request.headers.items():
        if name not in {"host", "content-length", "connection", "accept-encoding"}:
            words += ["-H", f"{name}: {value}"]
    if request.content:
        words += ["--data-binary", _shown(request.content)]
    return shlex.join(words)


def _shown(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return "@BODY"
    return text if text.isprintable() and not text.startswith("@") else "@BODY"


def _parse_header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not (colon and name.strip() and line.isascii() and line.isprintable()):
        raise CommandFailed(f"--header {line!r} is not Name: value in ASCII.", ExitCode.USAGE)
    if name.strip().lower() == "authorization":
        raise CommandFailed("Authorization is what this command makes; do not give it.", ExitCode.USAGE)
    return name.strip(), value.strip()


def _completed(headers: list[tuple[str, str]], body: bytes) -> list[tuple[str, str]]:
    given = {name.lower() for name, _ in headers}
    usual = [("User-Agent", f"credenza/{version('credenza')}"), ("Accept", "*/*")]
    if body:
        usual.append(("Content-Type", "application/json" if _is_json(body) else "application/octet-stream"))
    return [*headers, *((name, value) for name, value in usual if name.lower() not in given)]


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _print(context: typer.Context, response: httpx.Response) -> None:
    if habits.of(context).output is not Output.TABLE:
        output.show(context, _answer(response))
        return
    output.note(context, f"{response.status_code} {response.reason_phrase}".strip())
    if sys.stdout.isatty():
        print(output.printable(response.text))
        return
    sys.stdout.buffer.write(response.content)
    sys.stdout.buffer.flush()


def _answer(response: httpx.Response) -> dict[str, object]:
    """Put the whole answer into one document, its body as text, or in base64 where it is none."""
    try:
        body = {"body": response.content.decode()}
    except UnicodeDecodeError:
        body = {"bodyBase64": b64encode(response.content).decode("ascii")}
    headers = {name.lower(): value for name, value in response.headers.items()}
    return {"status": response.status_code, "headers": headers, **body}


def _explain(response: httpx.Response, scheme: Scheme) -> None:
    reason = _reason_code(response)
    print(f"Refused: {output.printable(reason or str(response.status_code))}", file=sys.stderr)
    refusal_id = response.headers.get(_REFUSAL_ID, "")
    if refusals.is_id(refusal_id):
        refusals.remember(refusal_id)
        explaining = Scheme.OAUTH2 if scheme is Scheme.SECRET else scheme
        print(f"Why: credenza debug {explaining} {refusal_id}", file=sys.stderr)


def _reason_code(response: httpx.Response) -> str | None:
    """Read the first ReasonCode of the `Errors` envelope; other servers answer what they like."""
    match _document(response):
        case {"Errors": {"Error": [{"ReasonCode": str(reason)}, *_]}}:
            return reason
    return None


def _document(response: httpx.Response) -> object:
    try:
        return json.loads(response.content)
    except ValueError:
        return None

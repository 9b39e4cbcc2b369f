"""`credenza sign`: the header that proves a request, for other tools to send."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer

from credenza.cli import habits, output, passwords, signing
from credenza.cli.habits import Output
from credenza.protocol import oauth1
from credenza.protocol.oauth1 import Request, SignatureMethod

app = typer.Typer()


@app.command("oauth1")
def sign_oauth1(
    context: typer.Context,
    method: signing.MethodArgument,
    url: signing.UrlArgument,
    consumer_key: signing.ConsumerKey = None,
    key: signing.KeyFile = None,
    password_file: passwords.PasswordFile = None,
    body: signing.Body = None,
    body_text: signing.BodyText = None,
    signature_method: signing.SignatureMethodOption = SignatureMethod.RSA_SHA256,
    base_string: Annotated[bool, typer.Option("--base-string", help="Show the signature base string as well.")] = False,
    timestamp: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="Instead of now, to repeat a signature.")
    ] = None,
    nonce: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Instead of a new one, to repeat a signature.")
    ] = None,
) -> None:
    """Sign a request with OAuth 1.0a and print its Authorization header.

    curl -H "$(credenza sign oauth1 GET URL)" URL
    """
    signing.check_url(url)
    octets = signing.read_body(body, body_text)
    signer = signing.open_signer(context, consumer_key, key, password_file, signature_method)
    authorization = signer.authorization(
        method,
        url,
        octets,
        timestamp=signing.current_timestamp() if timestamp is None else timestamp,
        nonce=nonce or signing.new_nonce(),
    )
    signed = {"authorization": authorization, "baseString": _base_string(method, url, authorization)}
    if habits.of(context).output is not Output.TABLE:
        output.show(context, signed)
        return
    print(f"Authorization: {authorization}")
    if base_string:
        print(signed["baseString"])


def _base_string(method: str, url: str, authorization: str) -> str:
    target = urlsplit(url)
    request = Request(method, target.scheme, target.netloc.rpartition("@")[2], target.path, target.query)
    return oauth1.acceptable_base_string(request, oauth1.parse(authorization))

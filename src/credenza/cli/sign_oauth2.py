"""`credenza sign assertion` and `sign dpop`: what an OAuth 2.0 client proves itself with, for other tools to send."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from credenza.cli import files, habits, output, passwords, signing
from credenza.cli.habits import Output
from credenza.protocol import client_assertion, dpop

app = typer.Typer()

_ID_BYTES = 16


@app.command("assertion")
def sign_assertion(
    context: typer.Context,
    issuer: signing.Issuer = None,
    consumer_key: signing.ConsumerKey = None,
    key: signing.KeyFile = None,
    password_file: passwords.PasswordFile = None,
) -> None:
    """Sign a client assertion (private_key_jwt) for one token request, and print it. It is good for 90 seconds.

    curl -d client_assertion="$(credenza sign assertion)" ...
    """
    client = signing.open_client(context, consumer_key, key, password_file)
    signed = client_assertion.write(
        client_id=client.client_id,
        kid=client.key.kid,
        issuer=signing.issuer_of(context, issuer),
        key=client.key.private_key,
        jti=_new_id(),
        now=datetime.now(UTC),
    )
    _print(context, {"clientAssertion": signed, "clientAssertionType": client_assertion.ASSERTION_TYPE}, signed)


@app.command("dpop")
def sign_dpop(
    context: typer.Context,
    method: signing.MethodArgument,
    url: signing.UrlArgument,
    access_token_file: Annotated[
        Path | None,
        typer.Option("--access-token-file", metavar="FILE", help="The token that goes with it; - is stdin."),
    ] = None,
    nonce: Annotated[str, typer.Option(metavar="TEXT", help="The server's DPoP-Nonce, if it has sent one.")] = "",
    consumer_key: signing.ConsumerKey = None,
    key: signing.KeyFile = None,
    password_file: passwords.PasswordFile = None,
) -> None:
    """Sign a DPoP proof for one request with the client's key, and print it. It is good for two minutes.

    curl -H "DPoP: $(credenza sign dpop GET URL --access-token-file token)" URL
    """
    signing.check_url(url)
    client = signing.open_client(context, consumer_key, key, password_file)
    signed = dpop.write(
        key=client.key.private_key,
        method=method.upper(),
        uri=url,
        jti=_new_id(),
        now=datetime.now(UTC),
        access_token="" if access_token_file is None else files.read_text(access_token_file).strip(),
        nonce=nonce,
    )
    _print(context, {"dpop": signed}, signed)


def _new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)


def _print(context: typer.Context, signed: dict[str, str], bare: str) -> None:
    if habits.of(context).output is Output.TABLE:
        print(bare)
    else:
        output.show(context, signed)

"""`credenza token get`: an OAuth 2.0 token, the way a partner's program gets one."""

from __future__ import annotations

from typing import Annotated

import httpx
import typer

from credenza.cli import habits, output, passwords, refusals, remote, signing
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.client.auth import PrivateKeyJwtAuth
from credenza.client.errors import InsecureUrl, IssuerUnavailable, TokenRefused
from credenza.client.keys import GivenKey
from credenza.client.oauth2 import Token

app = typer.Typer()


@app.command()
def get(
    context: typer.Context,
    issuer: signing.Issuer = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="What it is narrowed to; all that the client may without this."),
    ] = None,
    consumer_key: signing.ConsumerKey = None,
    key: signing.KeyFile = None,
    password_file: passwords.PasswordFile = None,
    ca: signing.CaFile = None,
) -> None:
    """Get an OAuth 2.0 token with the client's key and print it. It is bound to that key: credenza sign dpop."""
    client = signing.open_client(context, consumer_key, key, password_file)
    place = signing.issuer_of(context, issuer)
    try:
        auth = PrivateKeyJwtAuth(
            place, client.client_id, GivenKey(client.key), scopes=scope or (), dpop_key=client.key.private_key
        )
        with httpx.Client(verify=remote.trusting(context, ca)) as http:
            token = auth.get_token(http)
    except InsecureUrl as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from None
    except TokenRefused as refused:
        raise refused_token(refused) from None
    except IssuerUnavailable as error:
        raise CommandFailed(str(error)) from None
    except httpx.TransportError as error:
        raise CommandFailed(f"{place} cannot be reached: {error}.") from None
    _print(context, token)


def refused_token(refused: TokenRefused) -> CommandFailed:
    """Say why there is no token, and where more is said."""
    more = ""
    if refusals.is_id(refused.refusal_id):
        refusals.remember(refused.refusal_id)
        more = f"\nWhy: credenza debug oauth2 {refused.refusal_id}"
    said = str(refused).rstrip(".")
    return CommandFailed(f"The token endpoint says {said}{'' if said.endswith('?') else '.'}{more}", ExitCode.AUTH)


def _print(context: typer.Context, token: Token) -> None:
    if habits.of(context).output is Output.TABLE:
        print(token.access_token)
        output.note(context, f"Good until {token.expires_at:%Y-%m-%d %H:%M:%S} UTC, scope: {token.scope or 'all'}.")
        return
    output.show(
        context,
        {
            "accessToken": token.access_token,
            "tokenType": "DPoP",
            "expiresAt": token.expires_at,
            "scope": token.scope,
        },
    )

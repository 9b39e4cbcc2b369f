"""`credenza token get`: an OAuth 2.0 token, the way a partner's program gets one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import httpx
import typer

from credenza.cli import api_client, client_certificate, habits, output, passwords, profiles, refusals, remote, signing
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.client.auth import ClientSecretAuth, PrivateKeyJwtAuth, TlsClientAuth
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
    cert: client_certificate.Certificate = None,
    client_id: api_client.ClientId = None,
    client_secret_file: api_client.ClientSecretFile = None,
    audience: api_client.Audience = "",
    ca: signing.CaFile = None,
) -> None:
    """Get an OAuth 2.0 token and print it. It is bound to the client's key: credenza sign dpop.

    With --cert the client authenticates by that certificate (tls_client_auth), and the token is bound to it: curl
    --cert FILE -H "Authorization: Bearer TOKEN" URL

    With --client-id it is a token of that API credential, by its client secret, and bound to nothing.
    """
    place = signing.issuer_of(context, issuer)
    trusted = remote.trusting(context, ca)
    by_key = consumer_key is not None or key is not None or cert is not None
    auth: ClientSecretAuth | PrivateKeyJwtAuth | TlsClientAuth
    try:
        if client_id is not None or client_secret_file is not None or (not by_key and _by_secret(context)):
            _check_unmixed(cert, scope)
            auth = api_client.open_auth(context, place, client_id, client_secret_file, audience)
        elif cert is None:
            client = signing.open_client(context, consumer_key, key, password_file)
            auth = PrivateKeyJwtAuth(
                place, client.client_id, GivenKey(client.key), scopes=scope or (), dpop_key=client.key.private_key
            )
        else:
            client_certificate.present(trusted, cert, key, password_file)
            auth = TlsClientAuth(place, signing.client_id_of(context, consumer_key), scopes=scope or ())
        with httpx.Client(verify=trusted) as http:
            token = auth.get_token(http)
    except InsecureUrl as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from None
    except TokenRefused as refused:
        raise refused_token(refused) from None
    except IssuerUnavailable as error:
        raise CommandFailed(str(error)) from None
    except httpx.TransportError as error:
        raise CommandFailed(f"{place} cannot be reached: {error}.") from None
    _print(context, token, "DPoP" if isinstance(auth, PrivateKeyJwtAuth) else "Bearer")


def _by_secret(context: typer.Context) -> bool:
    return profiles.current(habits.of(context).profile).auth == "secret"


def _check_unmixed(cert: Path | None, scope: list[str] | None) -> None:
    if cert is not None:
        raise CommandFailed("Give --cert or a client id with its secret, not both.", ExitCode.USAGE)
    api_client.refuse_scope(scope)


def refused_token(refused: TokenRefused) -> CommandFailed:
    """Say why there is no token, and where more is said."""
    more = ""
    if refusals.is_id(refused.refusal_id):
        refusals.remember(refused.refusal_id)
        more = f"\nWhy: credenza debug oauth2 {refused.refusal_id}"
    said = str(refused).rstrip(".")
    return CommandFailed(f"The token endpoint says {said}{'' if said.endswith('?') else '.'}{more}", ExitCode.AUTH)


def _print(context: typer.Context, token: Token, token_type: str) -> None:
    if habits.of(context).output is Output.TABLE:
        print(token.access_token)
        output.note(context, f"Good until {token.expires_at:%Y-%m-%d %H:%M:%S} UTC, scope: {token.scope or 'all'}.")
        return
    output.show(
        context,
        {
            "accessToken": token.access_token,
            "tokenType": token_type,
            "expiresAt": token.expires_at,
            "scope": token.scope,
        },
    )

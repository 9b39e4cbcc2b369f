"""Who calls with an API credential: a client id and its secret, which never comes from the command line, where `ps` and
the shell's history show it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from credenza.cli import habits, profiles
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.passwords import PasswordSource
from credenza.client.auth import ClientSecretAuth
from credenza.domain import secret_text
from credenza.domain.tokens import SECRET_PREFIXES

_VARIABLE = "CREDENZA_CLIENT_SECRET"
_ISSUER_PATH = "/sso"

ClientId: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--client-id",
        metavar="ID",
        envvar="CREDENZA_CLIENT_ID",
        help="Client id of an API credential. Or in the profile.",
    ),
]
ClientSecretFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--client-secret-file",
        metavar="FILE",
        help=f"Its first line is the client secret. Or set {_VARIABLE}. Or in the profile.",
    ),
]
Audience: TypeAlias = Annotated[
    str, typer.Option(metavar="URL", help="With a client secret: what the token is for, else the environment's origin.")
]


def open_auth(
    context: typer.Context, origin: str, client_id: str | None, secret_file: Path | None, audience: str
) -> ClientSecretAuth:
    """Take client id and secret from the options, their variables or the profile. Raises CommandFailed, saying what is
    missing."""
    issuer = origin if origin.endswith(_ISSUER_PATH) else origin + _ISSUER_PATH
    found = client_id or profiles.current(habits.of(context).profile).client_id
    if found is None:
        raise CommandFailed(
            "Which API credential calls? Give --client-id, or set client_id in the profile.", ExitCode.USAGE
        )
    return ClientSecretAuth(issuer, found, _secret(context, secret_file), audience=audience)


def refuse_scope(scope: list[str] | None) -> None:
    if scope:
        raise CommandFailed(
            "What an API credential may do was chosen when it was made; --scope narrows tokens of keys alone.",
            ExitCode.USAGE,
        )


def _secret(context: typer.Context, given: Path | None) -> str:
    stored = None if _VARIABLE in os.environ else profiles.current(habits.of(context).profile).client_secret_file
    file = given or stored
    if file is None and _VARIABLE not in os.environ:
        raise CommandFailed(
            f"Which secret? Give --client-secret-file FILE, or set {_VARIABLE}, or client_secret_file in the profile.",
            ExitCode.USAGE,
        )
    secret = PasswordSource(file, "--client-secret-file", _VARIABLE).ask("Client secret")
    if not any(secret_text.is_well_formed(prefix, secret) for prefix in SECRET_PREFIXES.values()):
        # Nothing of it is told: it may be another secret.
        place = f"The first line of {file}" if file else _VARIABLE
        raise CommandFailed(f"{place} is no client secret, or a mistyped one.", ExitCode.AUTH)
    return secret

"""`credenza token`: personal access tokens, made by operators on the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credenza.actions import access_tokens, people
from credenza.cli import files, local, output
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.domain.access import Scope

app = typer.Typer()

_COLUMNS = ("name", "prefix", "scopes", "expiresAt", "revokedAt", "id")

Organization = Annotated[str, typer.Option("--org", metavar="NAME", help="The organization it is for.")]


@app.command()
def create(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="Mail address of its owner, a member.")],
    org: Organization,
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="Where to write it; - for standard output.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may be used for; all without this.")] = None,
    days: Annotated[int, typer.Option(help="How long it lives.")] = 30,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Make an access token and write it to a file, mode 0600. It is not shown again."""
    files.check_writable(file, overwrite=force)
    with local.organization(org) as (platform, found):
        members = local.attempt(lambda: people.list_members(platform, local.OPERATOR, found.id, now=local.now()))
        owner = next((each.user.id for each in members if each.user.email == email.strip().lower()), None)
        if owner is None:
            raise CommandFailed(f"{org} has no member {email}. Add one: credenza member add", ExitCode.NOT_FOUND)
        issued = local.attempt(
            lambda: access_tokens.create(
                platform,
                local.OPERATOR,
                found.id,
                name=name,
                scopes=frozenset(scope or Scope),
                days=days,
                now=local.now(),
                owner=owner,
            )
        )
    files.write_secret(file, issued.secret.encode() + b"\n", overwrite=force)
    output.note(context, f"Wrote the token {issued.token.prefix}… to {file}; valid until {issued.token.expires_at:%F}.")


@app.command("list")
def list_tokens(context: typer.Context, org: Organization) -> None:
    """List the access tokens of an organization."""
    with local.organization(org) as (platform, found):
        tokens = local.attempt(lambda: access_tokens.list_own(platform, local.OPERATOR, found.id, now=local.now()))
    output.show_list(context, tokens, columns=_COLUMNS)


@app.command()
def revoke(context: typer.Context, token_id: Annotated[str, typer.Argument(help="Its id.")], org: Organization) -> None:
    """Revoke an access token."""
    with local.organization(org) as (platform, found):
        local.attempt(lambda: access_tokens.revoke(platform, local.OPERATOR, found.id, token_id, now=local.now()))
    output.note(context, "Revoked.")

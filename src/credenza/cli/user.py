"""`credenza user`: for operators, on the server."""

from __future__ import annotations

from typing import Annotated

import typer

from credenza.actions import people
from credenza.cli import local, output

app = typer.Typer()

_COLUMNS = ("email", "name", "createdAt", "disabledAt", "id")


@app.command()
def create(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="Mail address.")],
    name: Annotated[str, typer.Option(help="The person's name.")] = "",
) -> None:
    """Make a user. `credenza member add` then puts the user into an organization."""
    with local.platform(local.load_settings()) as platform:
        made = local.attempt(
            lambda: people.create_user(platform, local.OPERATOR, email=email, name=name or email, now=local.now())
        )
    output.show(context, made)


@app.command("list")
def list_users(context: typer.Context) -> None:
    """List all users."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: people.list_users(platform, local.OPERATOR, now=local.now()))
    output.show_list(context, found, columns=_COLUMNS)


@app.command()
def disable(context: typer.Context, email: Annotated[str, typer.Argument(help="Mail address.")]) -> None:
    """Disable a user: access tokens and API keys stop at once."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: people.disable_user(platform, local.OPERATOR, email, now=local.now()))
    output.show(context, found)

"""`credenza org`: for operators, on the server."""

from __future__ import annotations

from typing import Annotated

import typer

from credenza.actions import organizations
from credenza.cli import local, output
from credenza.domain.access import PROJECT_LIMIT_DEFAULT

app = typer.Typer()

_COLUMNS = ("name", "projectLimit", "createdAt", "id")


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name no other organization has.")],
    project_limit: Annotated[int, typer.Option(help="How many projects it may have.")] = PROJECT_LIMIT_DEFAULT,
) -> None:
    """Make an organization."""
    with local.platform(local.load_settings()) as platform:
        made = local.attempt(
            lambda: organizations.create(
                platform, local.OPERATOR, name=name, project_limit=project_limit, now=local.now()
            )
        )
    output.show(context, made)


@app.command("list")
def list_organizations(context: typer.Context) -> None:
    """List all organizations."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: organizations.list_all(platform, local.OPERATOR, now=local.now()))
    output.show_list(context, found, columns=_COLUMNS)


@app.command()
def limit(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The organization.")],
    projects: Annotated[int, typer.Argument(help="How many projects it may have.")],
) -> None:
    """Set how many projects an organization may have."""
    with local.organization(name) as (platform, found):
        changed = local.attempt(
            lambda: organizations.set_project_limit(platform, local.OPERATOR, found.id, projects, now=local.now())
        )
    output.show(context, changed)

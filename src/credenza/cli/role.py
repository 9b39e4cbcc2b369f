"""`credenza role`: roles that the organization makes of single actions, through the management API."""

from __future__ import annotations

from typing import Annotated

import typer

from credenza.cli import habits, output, remote, tree
from credenza.client import operations
from credenza.domain.access import CARRIED, PERMISSIONS, granted
from credenza.domain.model import OrganizationRole
from credenza.wire.roles import RoleContent

app = typer.Typer()

_COLUMNS = ("name", "actions", "id")
_ACTION_COLUMNS = ("action", "doneTo", "roles")

Actions = Annotated[
    list[str] | None,
    typer.Option("--action", metavar="ACTION", help="What it allows, once for each: credenza role actions"),
]
Role = Annotated[str, typer.Argument(metavar="ROLE", help="Its name or id.")]


@app.command("list")
def list_roles(context: typer.Context) -> None:
    """List the roles that the organization has made. Admin, Compliance Admin, User and Read Only are everywhere."""
    with remote.client(context) as client:
        found = client.send(operations.list_roles(remote.organization(client)))
    output.show_list(context, found, columns=_COLUMNS)


@app.command("actions")
def list_actions(context: typer.Context) -> None:
    """List what a role can be made of, and which roles have it that are everywhere."""
    rows = [
        {
            "action": str(action),
            "doneTo": str(PERMISSIONS[action].on),
            "roles": [str(role) for role in OrganizationRole if action in granted(role)],
        }
        for action in sorted(CARRIED)
    ]
    output.show_list(context, rows, columns=_ACTION_COLUMNS)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name no other role of the organization has.")],
    actions: Actions = None,
) -> None:
    """Make a role. Give it to people with: credenza member, or in the portal."""
    with remote.client(context) as client:
        new = RoleContent(name=name, actions=tuple(actions or ()))
        made = client.send(operations.create_role(remote.organization(client), new))
    output.show(context, made)


@app.command()
def edit(
    context: typer.Context,
    role: Role,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    actions: Actions = None,
) -> None:
    """Change what a role is called, or what it allows. Actions that are given replace all that it had."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = tree.role(client, organization, role)
        content = RoleContent(name=name or found.name, actions=tuple(actions or found.actions))
        edited = client.send(operations.edit_role(organization, found.id, content))
    output.show(context, edited)


@app.command()
def remove(context: typer.Context, role: Role) -> None:
    """Remove a role that nobody holds."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = tree.role(client, organization, role)
        if not habits.of(context).yes:
            typer.confirm(f"Remove the role {found.name}?", abort=True, err=True)
        client.send(operations.remove_role(organization, found.id))
    output.note(context, f"{found.name} is removed.")

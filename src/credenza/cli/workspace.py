"""`credenza workspace`: workspaces of the organization's accounts, through the management API."""

from __future__ import annotations

from typing import Annotated

import typer

from credenza.cli import habits, output, remote, tree
from credenza.client import operations
from credenza.wire.tree import NewWorkspace, WorkspaceEdit, WorkspaceMove

app = typer.Typer()

_COLUMNS = ("name", "account", "createdAt", "id")

Workspace = Annotated[str, typer.Argument(metavar="WORKSPACE", help="Its name or id.")]


@app.command("list")
def list_workspaces(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(metavar="ACCOUNT", help="Only those of this account.")] = None,
) -> None:
    """List the workspaces of the organization, and which account each is in."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        accounts = client.send(operations.list_accounts(organization))
        found = client.send(operations.list_workspaces(organization))
    names = {each.id: each.name for each in accounts}
    wanted = None if account is None else tree.the_one(accounts, account, "account").id
    rows = [
        {**each.model_dump(by_alias=True), "account": names.get(each.account_id, "")}
        for each in found
        if wanted in (None, each.account_id)
    ]
    output.show_list(context, rows, columns=_COLUMNS)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name no other workspace of the account has.")],
    account: Annotated[str, typer.Option(metavar="ACCOUNT", help="The account to make it in: name or id.")],
) -> None:
    """Make a workspace in an account."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        place = tree.account(client, organization, account)
        made = client.send(operations.create_workspace(organization, NewWorkspace(accountId=place.id, name=name)))
    output.show(context, made)


@app.command()
def rename(
    context: typer.Context, workspace: Workspace, name: Annotated[str, typer.Argument(help="The new name.")]
) -> None:
    """Give a workspace another name."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = tree.workspace(client, organization, workspace)
        renamed = client.send(operations.rename_workspace(organization, found.id, WorkspaceEdit(name=name)))
    output.show(context, renamed)


@app.command()
def move(
    context: typer.Context,
    workspace: Workspace,
    to: Annotated[str, typer.Option(metavar="ACCOUNT", help="The account to put it into: name or id.")],
) -> None:
    """Put a workspace into another account."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found, place = tree.workspace(client, organization, workspace), tree.account(client, organization, to)
        moved = client.send(operations.move_workspace(organization, found.id, WorkspaceMove(accountId=place.id)))
    output.show(context, moved)


@app.command()
def archive(context: typer.Context, workspace: Workspace) -> None:
    """Archive a workspace. There is no way back."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = tree.workspace(client, organization, workspace)
        if not habits.of(context).yes:
            typer.confirm(f"Archive {found.name}? No credential reaches it any more.", abort=True, err=True)
        client.send(operations.archive_workspace(organization, found.id))
    output.note(context, f"{found.name} is archived.")

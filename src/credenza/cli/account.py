"""`credenza account`: accounts of the organization, through the management API."""

from __future__ import annotations

from typing import Annotated

import typer

from credenza.cli import habits, output, remote, tree
from credenza.client import operations
from credenza.wire.tree import AccountEdit, NewAccount

app = typer.Typer()

_COLUMNS = ("name", "createdAt", "id")

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its name or id.")]


@app.command("list")
def list_accounts(context: typer.Context) -> None:
    """List the accounts of the organization."""
    with remote.client(context) as client:
        found = client.send(operations.list_accounts(remote.organization(client)))
    output.show_list(context, found, columns=_COLUMNS)


@app.command()
def create(
    context: typer.Context, name: Annotated[str, typer.Argument(help="A name no other account of it has.")]
) -> None:
    """Make an account."""
    with remote.client(context) as client:
        made = client.send(operations.create_account(remote.organization(client), NewAccount(name=name)))
    output.show(context, made)


@app.command()
def rename(
    context: typer.Context, account: Account, name: Annotated[str, typer.Argument(help="The new name.")]
) -> None:
    """Give an account another name."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = tree.account(client, organization, account)
        renamed = client.send(operations.rename_account(organization, found.id, AccountEdit(name=name)))
    output.show(context, renamed)


@app.command()
def archive(context: typer.Context, account: Account) -> None:
    """Archive an account with its workspaces. There is no way back."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = tree.account(client, organization, account)
        if not habits.of(context).yes:
            typer.confirm(
                f"Archive {found.name} and its workspaces? No credential reaches them any more.", abort=True, err=True
            )
        client.send(operations.archive_account(organization, found.id))
    output.note(context, f"{found.name} is archived.")

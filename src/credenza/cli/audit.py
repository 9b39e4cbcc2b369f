"""`credenza audit list|export`: through the management API. `audit verify` is in `audit_verify.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credenza.cli import files, habits, output, remote
from credenza.client import operations

app = typer.Typer()

_COLUMNS = ("at", "action", "outcome", "code", "actorKind", "subject", "detail")


@app.command("list")
def list_entries(
    context: typer.Context,
    action: Annotated[str | None, typer.Option(metavar="ACTION", help="Only these, such as key.revoke.")] = None,
    outcome: Annotated[str | None, typer.Option(metavar="OUTCOME", help="done, refused or failed.")] = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=1000)] = 50,
) -> None:
    """List the newest entries of the audit log, of one project with --project."""
    with remote.client(context) as client:
        operation = operations.list_audit_entries(
            remote.organization(client),
            project_id=habits.of(context).project,
            action=action,
            outcome=outcome,
            limit=limit,
        )
        found = client.send(operation)
    output.show_list(context, found.items, columns=_COLUMNS)


@app.command()
def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where it goes; - is standard output.")] = files.STANDARD,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
) -> None:
    """Export the whole audit log as JSON lines; the last line is a signed checkpoint. Check it with: audit verify"""
    files.check_writable(out, overwrite=force)
    with remote.client(context) as client:
        lines = client.send(operations.export_audit_log(remote.organization(client)))
    files.write_secret(out, lines, overwrite=force)

"""`credenza enrolment`: secrets with which devices enrol by themselves (EST), through the management API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credenza.cli import files, output, remote
from credenza.client import operations
from credenza.wire.enrolment import NewEnrolmentSecret

app = typer.Typer()

_COLUMNS = ("alias", "environment", "expiresAt", "usedAt", "revokedAt", "id")


@app.command()
def create(
    context: typer.Context,
    alias: Annotated[str, typer.Option(help="A name to know the device's certificate by.")],
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="Where to write the secret; - is stdout.")],
    hours: Annotated[int, typer.Option(help="How long it may be used.", min=1, max=168)] = 24,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Make a secret that lets one device enrol once, and write it to a file, mode 0600. It is not shown again."""
    files.check_writable(file, overwrite=force)
    with remote.client(context) as client:
        new = NewEnrolmentSecret(alias=alias, environment=remote.environment(context), hours=hours)
        made = client.send(operations.create_enrolment_secret(remote.project(context), new))
    files.write_secret(file, made.secret.encode() + b"\n", overwrite=force)
    until = f"{made.expires_at:%F %H:%M} UTC"
    output.note(context, f"Wrote the secret {made.id} to {file}; good once, in {made.environment}, until {until}.")


@app.command("list")
def list_secrets(context: typer.Context) -> None:
    """List the newest secrets of the project: open, used and ended."""
    with remote.client(context) as client:
        found = client.send(operations.list_enrolment_secrets(remote.project(context)))
    output.show_list(context, found, columns=_COLUMNS)


@app.command()
def revoke(
    context: typer.Context,
    secret_id: Annotated[str, typer.Argument(metavar="ID", help="Its id: credenza enrolment list")],
) -> None:
    """Let nobody enrol with a secret any more."""
    with remote.client(context) as client:
        client.send(operations.revoke_enrolment_secret(remote.project(context), secret_id))
    output.note(context, "Revoked.")

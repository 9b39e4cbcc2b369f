"""`credenza resource-server`: APIs that may ask about tokens, kept by operators on the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credenza.actions import resource_servers
from credenza.cli import files, habits, local, output
from credenza.domain.model import EnvironmentName

app = typer.Typer()

_COLUMNS = ("id", "environment", "name", "prefix", "createdAt")


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is; a name that no other has in its environment.")],
    file: Annotated[
        Path, typer.Option("--file", metavar="FILE", help="Where to write its secret; - for standard output.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Let an API introspect the tokens of one environment (--env, else sandbox); its secret is not shown again."""
    files.check_writable(file, overwrite=force)
    environment = habits.of(context).environment or habits.Environment.SANDBOX
    with local.platform(local.load_settings()) as platform:
        added = local.attempt(
            lambda: resource_servers.add(
                platform, local.OPERATOR, environment=EnvironmentName[environment.name], name=name, now=local.now()
            )
        )
    files.write_secret(file, added.secret.encode() + b"\n", overwrite=force)
    output.note(context, f"Wrote the secret {added.server.prefix}… to {file}. It goes with the id, by HTTP Basic.")
    output.show(context, added.server)


@app.command("list")
def list_servers(context: typer.Context) -> None:
    """List the APIs that may introspect tokens."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: resource_servers.list_all(platform, local.OPERATOR, now=local.now()))
    output.show_list(context, found, columns=_COLUMNS)


@app.command()
def remove(context: typer.Context, server_id: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Take the right to ask away, everywhere at once."""
    with local.platform(local.load_settings()) as platform:
        local.attempt(lambda: resource_servers.remove(platform, local.OPERATOR, server_id, now=local.now()))
    output.note(context, "Removed.")

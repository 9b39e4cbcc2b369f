"""`credenza worker`: one process of `credenza serve --workers N`, started with its parent's sockets. Not for people."""

from __future__ import annotations

import os
import socket
from typing import Annotated

import msgspec
import typer

from credenza.cli import installation, logs
from credenza.cli.serve import Role, Started, serve_here

app = typer.Typer()


@app.command()
def worker(
    descriptors: Annotated[str, typer.Argument(help="JSON: listener to file descriptor.")],
    role: Annotated[Role, typer.Option()] = Role.ALL,
) -> None:
    """Serve on sockets that were bound by the parent."""
    os.umask(0o077)
    settings = installation.load_settings()
    logs.configure(settings.log_level)
    numbers = msgspec.json.decode(descriptors, type=dict[str, int])
    serve_here(Started(settings, role, {name: socket.socket(fileno=number) for name, number in numbers.items()}))

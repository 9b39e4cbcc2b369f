"""`credenza serve`: becomes the server, and leaves the command line behind."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from credenza.cli import habits
from credenza.cli.roles import Role

app = typer.Typer()


@app.command()
def serve(
    context: typer.Context,
    role: Annotated[Role, typer.Option(help="Which plane: all, manage or gate.")] = Role.ALL,
    workers: Annotated[int, typer.Option(help="Worker processes on this machine.", min=1, max=64)] = 1,
) -> None:
    """Serve the management API and the gates of both environments."""
    become(context, role, workers)


def become(context: typer.Context, role: Role, workers: int) -> None:
    """Go on as `credenza.cli.start`, in this process and under its number."""
    quiet = ("--quiet",) if habits.of(context).quiet else ()
    # -P: Python's own way would look for modules in the directory that somebody happens to be in.
    program = (sys.executable, "-P", "-m", "credenza.cli.start", role, str(workers), *quiet)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, program)  # noqa: S606 - no shell is wanted

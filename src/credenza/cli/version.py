"""`credenza version`."""

from __future__ import annotations

import platform
from importlib.metadata import version as version_of

import typer

from credenza.cli import output

app = typer.Typer()


@app.command()
def version(context: typer.Context) -> None:
    """Print the version of Credenza and what it runs on."""
    output.show(
        context, {"version": version_of("credenza"), "python": platform.python_version(), "system": platform.system()}
    )

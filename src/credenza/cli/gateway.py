"""`credenza gateway`: the gate alone, as it stands before the platform's APIs."""

from __future__ import annotations

from typing import Annotated

import typer

from credenza.cli import installation
from credenza.cli.serve import Role, run

app = typer.Typer()


@app.command()
def gateway(
    context: typer.Context,
    workers: Annotated[int, typer.Option(help="Worker processes on this machine.", min=1, max=64)] = 1,
) -> None:
    """Serve the gates of both environments: reverse proxy, sub-request endpoint and decisions for the middleware."""
    run(context, installation.load_settings(), Role.GATE, workers)

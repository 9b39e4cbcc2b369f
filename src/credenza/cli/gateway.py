"""`credenza gateway`: the gate alone, as it stands before the platform's APIs."""

from __future__ import annotations

from typing import Annotated

import typer

from credenza.cli import installation
from credenza.cli.failure import CommandFailed
from credenza.cli.roles import Role
from credenza.cli.server import become

app = typer.Typer()


@app.command()
def gateway(
    context: typer.Context,
    workers: Annotated[int, typer.Option(help="Worker processes on this machine.", min=1, max=64)] = 1,
    tls: Annotated[
        bool, typer.Option("--tls", help="Do not start without TLS, in which clients are asked for certificates.")
    ] = False,
) -> None:
    """Serve the gates of both environments: reverse proxy, sub-request endpoint and decisions for the middleware.

    With tls_certificate and tls_private_key set the gates speak TLS, and ask clients for certificates.
    """
    settings = installation.load_settings()
    if tls and settings.tls_certificate is None:
        raise CommandFailed(
            "--tls needs a certificate for the gates: set CREDENZA_TLS_CERTIFICATE and CREDENZA_TLS_PRIVATE_KEY, PEM "
            "files that are read again whenever they change."
        )
    become(context, Role.GATE, workers)

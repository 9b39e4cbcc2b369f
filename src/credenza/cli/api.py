"""`credenza api METHOD PATH`: any request to the management API, signed in as the profile says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from credenza.cli import files, output, remote

app = typer.Typer()


@app.command()
def api(
    context: typer.Context,
    method: Annotated[str, typer.Argument(help="GET, POST, PUT or DELETE.")],
    path: Annotated[str, typer.Argument(help="Such as /developer/projects or /api/me.")],
    body: Annotated[Path | None, typer.Option(metavar="FILE", help="JSON to send; - is standard input.")] = None,
) -> None:
    """Send one request to the management API and print what it answers."""
    content = None if body is None else files.read(body)
    with remote.client(context) as client:
        response = client.raw(method.upper(), path, content=content)
    output.note(context, f"{response.status_code} {response.reason_phrase}")
    sys.stdout.write(output.printable(response.text))
    if response.text and not response.text.endswith("\n"):
        sys.stdout.write("\n")

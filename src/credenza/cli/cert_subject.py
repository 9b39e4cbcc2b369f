"""`credenza cert release-subject`: for operators on the server."""

from __future__ import annotations

from typing import Annotated

import typer

from credenza.actions import certificates
from credenza.cli import local, output
from credenza.domain.model import CredentialId

app = typer.Typer()


@app.command("release-subject")
def release_subject(
    context: typer.Context,
    certificate_id: Annotated[str, typer.Argument(metavar="ID", help="The revoked or expired certificate.")],
) -> None:
    """Let the subject of a certificate that has ended be accepted again, for operators."""
    with local.platform(local.load_settings()) as platform:
        released = local.attempt(
            lambda: certificates.release_subject(
                platform, local.OPERATOR, CredentialId(certificate_id), now=local.now()
            )
        )
    output.note(context, f"Released: {released}. The next certificate may have this subject.")

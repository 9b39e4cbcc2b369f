"""Revoking from the command line: what it is, the typed word, and once more before the last one goes."""

from __future__ import annotations

import typer

from credenza.cli import habits, output
from credenza.cli.failure import CommandFailed
from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.client.management import ManagementClient
from credenza.wire.credentials import Credential, MtlsCertificate, Reach


def revoke(
    context: typer.Context, client: ManagementClient, project: str, held: Credential | MtlsCertificate, *, reason: str
) -> None:
    """Revoke a credential, and say how far that has got."""
    if not habits.of(context).yes:
        ask(f"{held.alias}, {held.environment}, {_named(held)}.")
    reach = _revoke(context, client, project, held, reason)
    output.note(context, f"Revoked. {told(reach)}")


def _revoke(
    context: typer.Context,
    client: ManagementClient,
    project: str,
    held: Credential | MtlsCertificate,
    reason: str,
) -> Reach:
    try:
        return client.send(operations.revoke_credential(project, held.id, keep_last=True, reason=reason))
    except ApiError as error:
        if error.reason_code != "LAST_ACTIVE_CREDENTIAL":
            raise
    if not habits.of(context).yes:
        what = "key" if isinstance(held, Credential) else "certificate"
        ask(f"This is the last active {what} here: every call of the project in this environment will be refused.")
    return client.send(operations.revoke_credential(project, held.id, reason=reason))


def _named(held: Credential | MtlsCertificate) -> str:
    return f"key id {held.id}" if isinstance(held, Credential) else f"{held.subject}, {held.id}"


def ask(what: str) -> None:
    """Have the word typed, or fail."""
    typed = typer.prompt(f"{what}\nType REVOKE", err=True)
    if typed != "REVOKE":
        raise CommandFailed("Not revoked: the word is REVOKE.")


def told(reach: Reach) -> str:
    """Say how far a change has got."""
    if reach.gates == 0:
        return "No gate admits it any more."
    lapsed = f", {reach.lapsed} had no valid lease" if reach.lapsed else ""
    return f"{reach.confirmed} of {reach.gates} gates confirmed{lapsed}, after {reach.milliseconds} ms."

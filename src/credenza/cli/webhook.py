"""`credenza webhook`: webhooks that are told of what expires, through the management API."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from credenza.cli import files, output, remote
from credenza.cli.failure import CommandFailed
from credenza.client import operations
from credenza.wire.webhooks import NewWebhook

app = typer.Typer()

_COLUMNS = ("url", "description", "createdAt", "id")
_POLL_S = 0.5

WebhookId = Annotated[str, typer.Argument(metavar="ID", help="Its id: credenza webhook list")]


@app.command("list")
def list_webhooks(context: typer.Context) -> None:
    """List the webhooks of the organization."""
    with remote.client(context) as client:
        found = client.send(operations.list_webhooks(remote.organization(client)))
    output.show_list(context, found, columns=_COLUMNS)


@app.command()
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where to post to: https://…")],
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="Where to write the secret; - is stdout.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Add a webhook and write the secret that signs its calls to a file, mode 0600. It is not shown again."""
    files.check_writable(file, overwrite=force)
    with remote.client(context) as client:
        new = NewWebhook(url=url, description=description)
        added = client.send(operations.add_webhook(remote.organization(client), new))
    files.write_secret(file, added.secret.encode() + b"\n", overwrite=force)
    output.note(context, f"Added {added.id}. Try it: credenza webhook test {added.id}")


@app.command()
def remove(context: typer.Context, webhook_id: WebhookId) -> None:
    """Remove a webhook."""
    with remote.client(context) as client:
        client.send(operations.remove_webhook(remote.organization(client), webhook_id))
    output.note(context, "Removed.")


@app.command("test")
def send_test(
    context: typer.Context,
    webhook_id: WebhookId,
    wait: Annotated[int, typer.Option(help="Seconds to wait for what comes of it.", min=0, max=600)] = 30,
) -> None:
    """Have a test sent, and say what came of it."""
    deadline = time.monotonic() + wait
    with remote.client(context) as client:
        organization = remote.organization(client)
        sent = client.send(operations.test_webhook(organization, webhook_id))
        while sent.state == "waiting" and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            sent = client.send(operations.get_delivery(organization, sent.id))
    output.show(context, sent)
    if sent.state != "sent":
        raise CommandFailed(f"The test was not taken. {sent.error}".strip())

"""`credenza notices`: one round by hand, or by cron where the server's own rounds are not wanted."""

from __future__ import annotations

import asyncio
from collections import Counter

import typer

from credenza.actions import notices
from credenza.actions.context import Platform
from credenza.actions.delivery import Senders, deliver
from credenza.cli import local, output, sending
from credenza.domain.outbox import Channel, State

app = typer.Typer()


@app.callback()
def group() -> None:
    """Notices of what expires, for operators."""


@app.command()
def send(context: typer.Context) -> None:
    """Look for notices that have become due, and send all mail and webhooks that wait. `serve` does it by itself."""
    settings = local.load_settings()
    with local.platform(settings) as platform:
        planned = notices.plan(platform, now=local.now())
        counted = asyncio.run(_send(platform, sending.senders(settings)))
    output.show(context, {"planned": planned, **{state.value: counted[state] for state in State}})


async def _send(platform: Platform, senders: Senders) -> Counter[State]:
    counted: Counter[State] = Counter()
    for channel in Channel:
        while outcomes := await deliver(platform, channel, senders, now=local.now()):
            counted.update(each.state for each in outcomes)
    return counted

"""One node of the notices, a process under its parent's clock and failpoints.

It is told a moment and the name of a failpoint, or `-`. The node goes one round at that moment, planning and sending,
and says so; when it comes past the failpoint it dies there. A composition root of its own: the wheel has no switch for
this (settled 31). It takes no turns: every node plans, as two that both believe it is theirs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from contextlib import suppress
from datetime import datetime
from ipaddress import ip_network
from multiprocessing.connection import Connection

from tests.actions.stage import new_platform
from tests.servers import HOST

from credenza.actions import notices
from credenza.actions.context import Platform
from credenza.actions.delivery import Senders, deliver
from credenza.adapters.smtp import Security, SmtpMailer
from credenza.adapters.webhook import WebhookPoster
from credenza.domain.outbox import Channel
from credenza.store.engine import open_database

_TIMEOUT_S = 10.0


class Failpoint:
    """Kills the process when it comes past the armed name."""

    def __init__(self) -> None:
        self.armed = "-"

    def __call__(self, name: str) -> None:
        if name == self.armed:
            os.kill(os.getpid(), signal.SIGKILL)


def go_round_when_told(url: str, smtp_port: int, told: Connection) -> None:
    failpoint, platform = Failpoint(), None
    database, context = open_database(url), ssl.create_default_context()
    with suppress(EOFError):
        while True:
            now, failpoint.armed = told.recv()
            platform = platform or new_platform(database, now=now, failpoint=failpoint)
            notices.plan(platform, now=now)
            asyncio.run(_send(platform, _senders(smtp_port, context), now))
            told.send("done")


async def _send(platform: Platform, senders: Senders, now: datetime) -> None:
    for channel in Channel:
        while await deliver(platform, channel, senders, now=now):
            pass


def _senders(smtp_port: int, context: ssl.SSLContext) -> Senders:
    return Senders(
        mailer=SmtpMailer(
            host=HOST,
            port=smtp_port,
            sender="desk@credenza.example",
            security=Security.NONE,
            username="",
            password="",
            timeout_s=_TIMEOUT_S,
            context=context,
        ),
        poster=WebhookPoster(
            schemes=frozenset({"http"}),
            allowed=(ip_network("127.0.0.0/8"),),
            timeout_s=_TIMEOUT_S,
            context=context,
        ),
    )

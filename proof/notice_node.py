"""One node of the notices, under its parent's clock and failpoints: `python -m proof.notice_node DATABASE SMTP_PORT`

Every line of stdin is a moment and the name of a failpoint, or `-`. The node goes one round at that moment, planning
and sending, and says so on stdout; when it comes past the failpoint it dies there. A composition root of its own: the
wheel has no switch for this (settled 31). It takes no turns: every node plans, as two that both believe it is theirs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
from datetime import datetime
from ipaddress import ip_network

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


def main(url: str, smtp_port: int) -> None:
    failpoint, platform = Failpoint(), None
    database = open_database(url)
    for line in sys.stdin:
        moment, failpoint.armed = line.split()
        now = datetime.fromisoformat(moment)
        platform = platform or new_platform(database, now=now, failpoint=failpoint)
        notices.plan(platform, now=now)
        asyncio.run(_send(platform, _senders(smtp_port), now))
        print("done", flush=True)


async def _send(platform: Platform, senders: Senders, now: datetime) -> None:
    for channel in Channel:
        while await deliver(platform, channel, senders, now=now):
            pass


def _senders(smtp_port: int) -> Senders:
    return Senders(
        mailer=SmtpMailer(
            host=HOST,
            port=smtp_port,
            sender="desk@credenza.example",
            security=Security.NONE,
            username="",
            password="",
            timeout_s=_TIMEOUT_S,
            context=ssl.create_default_context(),
        ),
        poster=WebhookPoster(
            schemes=frozenset({"http"}),
            allowed=(ip_network("127.0.0.0/8"),),
            timeout_s=_TIMEOUT_S,
            context=ssl.create_default_context(),
        ),
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""A mail server and webhook receivers in memory, and what went by them. They fail when a test says so."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from credenza.actions import delivery, notices
from credenza.actions.context import Platform
from credenza.actions.delivery import Outcome, Senders
from credenza.adapters.undelivered import Away, Undelivered
from credenza.domain.model import Credential
from credenza.domain.outbox import Channel
from credenza.store.engine import writing
from credenza.store.schema import credentials


@dataclass(frozen=True)
class Sent:
    identity: str
    to: str
    subject: str
    text: str


@dataclass
class PostOffice:
    """`refusal` is what every mail or post meets instead of being taken; `knocks` counts connections and posts."""

    mails: list[Sent] = field(default_factory=list)
    posts: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    away: bool = False
    refusal: Undelivered | None = None
    knocks: int = 0

    @property
    def senders(self) -> Senders:
        return Senders(mailer=self, poster=self)

    @asynccontextmanager
    async def line(self) -> AsyncIterator["PostOffice"]:
        self.knocks += 1
        if self.away:
            raise Away("nobody there")
        yield self

    async def send(self, identity: str, recipient: str, *, subject: str, text: str, html: str, now: datetime) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.mails.append(Sent(identity, recipient, subject, text))

    async def post(self, identity: str, url: str, *, secret: bytes, body: bytes, now: datetime) -> None:
        self.knocks += 1
        if self.away:
            raise Away("nobody there")
        if self.refusal is not None:
            raise self.refusal
        self.posts.append((identity, url, json.loads(body)))

    def to(self, email: str) -> list[str]:
        return [each.subject for each in self.mails if each.to == email]

    def doubled(self) -> list[str]:
        """Ids that went out more than once."""
        sent = Counter([*(each.identity for each in self.mails), *(identity for identity, _, _ in self.posts)])
        return [identity for identity, count in sent.items() if count > 1]


Run = Callable[[Coroutine[Any, Any, list[Outcome]]], list[Outcome]]


def send_all(platform: Platform, senders: Senders, *, now: datetime, run: Run = asyncio.run) -> list[Outcome]:
    """Send whatever is due, as the server's loop does. Who sends often brings the `run` of an event loop of its own: to
    begin and end one, with its threads, takes longer than to find that nothing is due."""
    return run(_send_all(platform, senders, now=now))


async def _send_all(platform: Platform, senders: Senders, *, now: datetime) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for channel in Channel:
        while batch := await delivery.deliver(platform, channel, senders, now=now):
            outcomes += batch
    return outcomes


def turn(platform: Platform, office: PostOffice, *, now: datetime, run: Run = asyncio.run) -> list[Outcome]:
    """What the scheduler does when it is due: plan and send."""
    notices.plan(platform, now=now)
    return send_all(platform, office.senders, now=now, run=run)


def end_at(platform: Platform, credential: Credential, not_after: datetime) -> None:
    """Let a credential end at another time; issued long before."""
    with writing(platform.database.records) as connection:
        statement = update(credentials).where(credentials.c.id == credential.id)
        connection.execute(statement.values(not_after=not_after))


DAY = timedelta(days=1)

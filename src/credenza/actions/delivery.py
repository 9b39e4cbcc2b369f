"""Sending what waits in the outbox: claimed by one node, sent outside any transaction, and then noted.

At least once: who dies between the receiver's yes and the note leaves it to the next one, after the claim has lapsed,
under the same id (settled 30). What fails together is sent one after the other: at the first sign that a receiver is
away all that is left for it goes back untried, and nobody knocks there before a pause is over. So a mail server that is
down for a day costs one attempt a pause, however many mails wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Protocol, TypeAlias

import msgspec

from credenza.actions import letters
from credenza.actions.context import Platform
from credenza.actions.outbox import purpose
from credenza.actions.webhooks import secret_purpose
from credenza.adapters.undelivered import Away, Gone, Undelivered
from credenza.adapters.vault import WrongKey
from credenza.domain.outbox import GIVE_UP_AFTER, KEPT, Channel, Delivery, State, is_given_up, pause_after, wait_after
from credenza.store import endings, notices, outbox, webhooks
from credenza.store.engine import reading, writing
from credenza.store.webhooks import Webhook

BATCH = 10
CLAIM = timedelta(minutes=10)
"""Longer than a batch can take: every attempt has a deadline of at most half a minute."""


class MailLine(Protocol):
    """A connection to the mail server. Raises Undelivered; Away when the connection is lost."""

    async def send(
        self, identity: str, recipient: str, *, subject: str, text: str, html: str, now: datetime
    ) -> None: ...


class Mailer(Protocol):
    """Opens a line, under a deadline of its own. Raises Away."""

    def line(self) -> AbstractAsyncContextManager[MailLine]: ...


class Poster(Protocol):
    """Posts a signed body to a webhook, under a deadline of its own. Raises Undelivered, Away or Gone."""

    async def post(self, identity: str, url: str, *, secret: bytes, body: bytes, now: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class Senders:
    """Without a mail server mail waits, for three days at most, for one to be set."""

    mailer: Mailer | None
    poster: Poster


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one delivery in one attempt; WAITING: it will be tried again."""

    delivery: Delivery
    state: State


Send: TypeAlias = Callable[[Delivery], Awaitable[None]]


async def deliver(platform: Platform, channel: Channel, senders: Senders, *, now: datetime) -> tuple[Outcome, ...]:
    """Send one batch of what is due; nothing is due any more when the answer is empty."""
    claimed = await asyncio.to_thread(_claim, platform, channel, now=now)
    platform.failpoint("delivery_claimed")
    lanes = [tuple(each) for _, each in groupby(sorted(claimed, key=_by_lane), key=lambda each: each.lane)]
    found = await asyncio.gather(*(_send_lane(platform, senders, lane, now=now) for lane in lanes))
    return tuple(outcome for outcomes in found for outcome in outcomes)


def forget_old(platform: Platform, *, now: datetime) -> int:
    """Delete what was settled long ago; `serve` calls it every few minutes."""
    with writing(platform.database.records) as connection:
        return outbox.delete_older(connection, than=now - KEPT)


def _claim(platform: Platform, channel: Channel, *, now: datetime) -> tuple[Delivery, ...]:
    # Mostly nothing is due: a look does not take SQLite's one write lock.
    with reading(platform.database.records) as connection:
        if not outbox.any_due(connection, channel, now=now):
            return ()
    with writing(platform.database.records) as connection:
        return outbox.claim(connection, channel, limit=BATCH, until=now + CLAIM, now=now)


def _by_lane(delivery: Delivery) -> tuple[str, datetime, str]:
    return delivery.lane, delivery.due_at, delivery.id


async def _send_lane(
    platform: Platform, senders: Senders, lane: tuple[Delivery, ...], *, now: datetime
) -> tuple[Outcome, ...]:
    outcomes: list[Outcome] = []
    try:
        async with _opened(platform, senders, lane[0], now=now) as send:
            for delivery in lane:
                state = await _send_one(platform, send, delivery, now=now)
                outcomes.append(Outcome(delivery, state))
    except Away as away:
        left = lane[len(outcomes) :]
        state = await asyncio.to_thread(_note_away, platform, left, away.reason, now=now)
        outcomes.append(Outcome(left[0], state))
    else:
        await asyncio.to_thread(_note_there, platform, lane[0].lane)
    return tuple(outcomes)


async def _send_one(platform: Platform, send: Send, delivery: Delivery, *, now: datetime) -> State:
    if not await asyncio.to_thread(_is_news, platform, delivery):
        await asyncio.to_thread(_drop, platform, delivery)
        return State.DROPPED
    platform.failpoint("delivery_before_send")
    try:
        await send(delivery)
    except Away:
        raise
    except Undelivered as refused:
        return await asyncio.to_thread(_note_refused, platform, delivery, refused, now=now)
    platform.failpoint("delivery_after_send")
    await asyncio.to_thread(_note_sent, platform, delivery, now=now)
    platform.failpoint("delivery_noted")
    return State.SENT


@asynccontextmanager
async def _opened(platform: Platform, senders: Senders, first: Delivery, *, now: datetime) -> AsyncIterator[Send]:
    """Open the way that all deliveries of a lane go."""
    if first.channel is Channel.WEBHOOK:
        webhook = await asyncio.to_thread(_find_webhook, platform, first.recipient)
        yield lambda delivery: _post(platform, senders.poster, webhook, delivery, now=now)
        return
    if senders.mailer is None:
        raise Away("No mail server is set: CREDENZA_SMTP_HOST.")
    async with senders.mailer.line() as line:
        yield lambda delivery: _mail(platform, line, delivery, now=now)


async def _mail(platform: Platform, line: MailLine, delivery: Delivery, *, now: datetime) -> None:
    try:
        letter = msgspec.json.decode(_content(platform, delivery), type=letters.LETTERS[delivery.kind])
    except msgspec.DecodeError as error:
        raise Undelivered("Its content cannot be read.", permanent=True) from error
    mail = letters.compose(letter)
    await line.send(delivery.id, delivery.recipient, subject=mail.subject, text=mail.text, html=mail.html, now=now)


async def _post(
    platform: Platform, poster: Poster, webhook: Webhook | None, delivery: Delivery, *, now: datetime
) -> None:
    if webhook is None:
        raise Undelivered("The webhook was removed.", permanent=True)
    secret = _opened_by(platform, secret_purpose(webhook.id), webhook.wrapped_secret)
    await poster.post(delivery.id, webhook.url, secret=secret, body=_content(platform, delivery), now=now)


def _content(platform: Platform, delivery: Delivery) -> bytes:
    assert delivery.wrapped is not None, "what waits has its content"
    return _opened_by(platform, purpose(delivery.id), delivery.wrapped)


def _opened_by(platform: Platform, purpose_of_it: str, wrapped: bytes) -> bytes:
    """One that does not open must not hold up the others."""
    try:
        return platform.vault.unwrap(purpose_of_it, wrapped)
    except WrongKey as error:
        raise Undelivered(str(error), permanent=True) from error


def _find_webhook(platform: Platform, webhook_id: str) -> Webhook | None:
    with reading(platform.database.records) as connection:
        return webhooks.find(connection, webhook_id)


def _is_news(platform: Platform, delivery: Delivery) -> bool:
    """A notice is none once the credential was revoked or renewed."""
    if delivery.notice_id is None:
        return True
    with reading(platform.database.records) as connection:
        notice = notices.find(connection, delivery.notice_id)
        return notice is not None and endings.stands(connection, notice.credential_id, notice.not_after)


def _drop(platform: Platform, delivery: Delivery) -> None:
    with writing(platform.database.records) as connection:
        outbox.mark_dropped(connection, delivery.id, "The credential was revoked or renewed meanwhile.")


def _note_sent(platform: Platform, delivery: Delivery, *, now: datetime) -> None:
    with writing(platform.database.records) as connection:
        outbox.mark_sent(connection, delivery.id, now=now)


def _note_refused(platform: Platform, delivery: Delivery, refused: Undelivered, *, now: datetime) -> State:
    with writing(platform.database.records) as connection:
        if isinstance(refused, Gone):
            webhooks.mark_removed(connection, delivery.recipient, now=now)
        if refused.permanent or is_given_up(delivery, now=now):
            outbox.mark_failed(connection, delivery.id, refused.reason)
            return State.FAILED
        due_at = now + wait_after(delivery.attempts + 1)
        outbox.mark_tried(connection, delivery.id, refused.reason, due_at=due_at)
        return State.WAITING


def _note_away(platform: Platform, left: tuple[Delivery, ...], reason: str, *, now: datetime) -> State:
    """Note one attempt, give the others back, and let nobody knock for a while."""
    tried, lane = left[0], left[0].lane
    with writing(platform.database.records) as connection:
        since = outbox.away_since(connection, lane) or now
        outbox.pause(connection, lane, now=now, pause=pause_after(now - since))
        outbox.release(connection, left[1:])
        outbox.fail_older(connection, lane, reason, than=now - GIVE_UP_AFTER)
        if is_given_up(tried, now=now):
            outbox.mark_failed(connection, tried.id, reason)
            return State.FAILED
        outbox.mark_tried(connection, tried.id, reason, due_at=tried.due_at)
        return State.WAITING


def _note_there(platform: Platform, lane: str) -> None:
    with reading(platform.database.records) as connection:
        if outbox.away_since(connection, lane) is None:
            return
    with writing(platform.database.records) as connection:
        outbox.resume(connection, lane)

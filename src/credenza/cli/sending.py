"""The rounds of the notices: look for what is due, and send what waits. `serve` goes them, `notices send` goes one.

Every process of the management plane goes its rounds. One of them at a time plans, by a lease row; all of them send,
each what no other has claimed.
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from importlib import import_module
from urllib.parse import urlsplit

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError

from credenza.actions import notice_figures, notices
from credenza.actions.context import Platform
from credenza.actions.delivery import Mailer, Poster, Senders, deliver
from credenza.actions.notice_figures import Figures
from credenza.cli import installation, local
from credenza.cli.failure import CommandFailed
from credenza.domain.outbox import Channel, State
from credenza.gate.flushing import Flusher
from credenza.settings import Settings

log = structlog.get_logger()

_TURNS = 3
"""A planner that was not heard of for so many intervals is taken to be dead."""


def senders(settings: Settings) -> Senders:
    return Senders(mailer=_mailer(settings) if settings.smtp_host else None, poster=_LatePoster(settings))


def start(settings: Settings, platform: Platform, registry: CollectorRegistry, stack: AsyncExitStack) -> None:
    """Go the rounds until the stack is closed."""
    metrics = Metrics(registry)
    every = timedelta(seconds=settings.notices_interval_s)
    flushers = [Flusher(Planning(platform, metrics, every=every).flush, every=every)]
    outside = senders(settings)
    # A receiver that is slow must not keep mail waiting: each channel has rounds of its own.
    for channel in Channel:
        sending = Sending(platform, outside, metrics, channel)
        flushers.append(Flusher(sending.flush, every=timedelta(seconds=settings.outbox_interval_s)))
    for flusher in flushers:
        flusher.start()
        stack.push_async_callback(flusher.stop)


class Metrics:
    """What goes out of this process, and what the whole platform has before it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "credenza_delivery_attempts",
            "Attempts to send mail and webhooks, by what came of them; waiting: it will be tried again.",
            ("channel", "outcome"),
            registry=registry,
        )
        self._deliveries = Gauge(
            "credenza_deliveries", "Mail and webhooks of the last 90 days.", ("channel", "state"), registry=registry
        )
        self._expiring = Gauge(
            "credenza_credentials_expiring", "Credentials that end within so many days.", ("days",), registry=registry
        )

        self._authorities = Gauge(
            "credenza_authority_end_timestamp_seconds",
            "When a certificate authority that signs, stands above one, or is trusted ends, in seconds since 1970.",
            ("environment", "part", "authority"),
            registry=registry,
        )

    def count(self, channel: Channel, state: State) -> None:
        self._attempts.labels(channel, state).inc()

    def show(self, figures: Figures) -> None:
        for days, count in figures.expiring.items():
            self._expiring.labels(days).set(count)
        for channel in Channel:
            for state in State:
                self._deliveries.labels(channel, state).set(figures.deliveries.get((channel, state), 0))
        self._authorities.clear()
        for each in figures.authorities:
            self._authorities.labels(each.environment, each.part, each.authority_id).set(each.not_after.timestamp())


class Planning:
    """Looks for notices that have become due, when it is this process's turn."""

    def __init__(self, platform: Platform, metrics: Metrics, *, every: timedelta) -> None:
        self._platform = platform
        self._metrics = metrics
        self._term = _TURNS * every
        self._holder = str(uuid.uuid4())

    async def flush(self) -> None:
        try:
            await asyncio.to_thread(self._plan)
        except SQLAlchemyError as error:
            log.warning("notices.failed", error=type(error).__name__)
        except Exception:  # the rounds go on: what one of them met may be over in the next
            log.exception("notices.broken")

    def _plan(self) -> None:
        now = local.now()
        if notices.take_turn(self._platform, self._holder, term=self._term, now=now):
            notices.plan(self._platform, now=now)
        self._metrics.show(notice_figures.read(self._platform, now=now))


class Sending:
    """Sends what waits in one channel until nothing is due."""

    def __init__(self, platform: Platform, outside: Senders, metrics: Metrics, channel: Channel) -> None:
        self._platform = platform
        self._senders = outside
        self._metrics = metrics
        self._channel = channel

    async def flush(self) -> None:
        try:
            while outcomes := await deliver(self._platform, self._channel, self._senders, now=installation.now()):
                for each in outcomes:
                    self._metrics.count(self._channel, each.state)
        except SQLAlchemyError as error:
            log.warning("outbox.failed", channel=self._channel, error=type(error).__name__)
        except Exception:  # as above
            log.exception("outbox.broken", channel=self._channel)


def _mailer(settings: Settings) -> Mailer:
    smtp = import_module("credenza.adapters.smtp")
    host = urlsplit(settings.manage_origin).hostname
    mailer: Mailer = smtp.SmtpMailer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        sender=settings.mail_from or f"credenza@{host}",
        security=smtp.Security(settings.smtp_security),
        username=settings.smtp_username,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else "",
        timeout_s=settings.smtp_timeout_s,
        context=_smtp_trust(settings),
    )
    return mailer


def _smtp_trust(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.smtp_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise CommandFailed(f"smtp_ca_file {settings.smtp_ca_file} cannot be used: {error}.") from error


class _LatePoster:
    """Opens the poster with the first webhook: its HTTP library takes 8 MB, and most installations have no webhooks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: Poster | None = None

    async def post(self, identity: str, url: str, *, secret: bytes, body: bytes, now: datetime) -> None:
        opened = self._opened = self._opened or _poster(self._settings)
        await opened.post(identity, url, secret=secret, body=body, now=now)


def _poster(settings: Settings) -> Poster:
    poster: Poster = import_module("credenza.adapters.webhook").WebhookPoster(
        schemes=local.webhook_schemes(settings),
        allowed=settings.webhook_allowed_networks,
        timeout_s=settings.webhook_timeout_s,
        context=ssl.create_default_context(),
    )
    return poster

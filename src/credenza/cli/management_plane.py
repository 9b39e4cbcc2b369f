"""The management plane in one process. Imported by those who serve it: a gate alone needs nothing of it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from credenza.actions import delivery, first_admin, links, once, sessions, sign_in_attempts, tokens
from credenza.actions.context import Platform
from credenza.api.app import create_app
from credenza.api.rate_limits import Rates
from credenza.cli import local, publishing, rotation, sending, single_sign_on
from credenza.cli.plane import Plane
from credenza.domain.model import EnvironmentName
from credenza.gate.decision import Call, Decision
from credenza.gate.desk import Desk
from credenza.gate.flushing import Flusher
from credenza.gate.keyring import GateClosed
from credenza.portal import app as portal_app
from credenza.portal import first_admin as first_admin_page
from credenza.portal import unserved
from credenza.portal.portal import Portal
from credenza.portal.streams import Streams
from credenza.settings import Settings
from credenza.store.engine import Database

log = structlog.get_logger()

_HOUSEKEEPING_EVERY = timedelta(minutes=5)
_CHORES = (
    once.forget_expired,
    delivery.forget_old,
    links.forget_expired,
    sessions.forget_ended,
    sign_in_attempts.forget_expired,
    tokens.forget_ended,
)
_OUTAGES = (OperationalError, PoolTimeout, GateClosed)


def prepare(settings: Settings, database: Database) -> str | None:
    """Make what the platform is made with at its first start; the first admin's link while there is nobody yet."""
    single_sign_on.check_installed(settings)
    platform = local.prepare(settings, database)
    token = first_admin.make_link(platform, now=local.now())
    return None if token is None else f"{settings.manage_origin}{first_admin_page.PATH}?token={token}"


def application(
    settings: Settings, database: Database, plane: Plane, desk: Desk, stack: AsyncExitStack, stopping: asyncio.Event
) -> Any:
    platform = local.prepare(settings, database)
    keeper = Flusher(_Housekeeping(platform).flush, every=_HOUSEKEEPING_EVERY)
    keeper.start()
    stack.push_async_callback(keeper.stop)
    sending.start(settings, platform, desk.metrics.registry, stack)
    rotation.start(platform, stack)
    publishing.start(settings, platform, stack)
    portal = _portal(settings, platform, stopping)
    app = create_app(
        platform,
        _Asking(desk),
        clock=local.now,
        ready=plane.freshness.look,
        public_url=settings.manage_origin,
        outages=_OUTAGES,
        pages=portal_app.routes(portal),
        registry=desk.metrics.registry,
        rates=Rates(settings.manage_requests_per_minute, settings.manage_attempts_per_minute),
        trusted_proxies=settings.trusted_proxies,
        show=unserved.pages(portal),
        change_number=_ChangeNumber(plane),
    )
    return app.state.at_once


def _portal(settings: Settings, platform: Platform, stopping: asyncio.Event) -> Portal:
    return Portal(
        platform,
        clock=local.now,
        platform_name=settings.platform_name,
        gates={
            EnvironmentName.SANDBOX: settings.sandbox_origin,
            EnvironmentName.PRODUCTION: settings.production_origin,
        },
        streams=Streams(stopping),
        provider=single_sign_on.open_provider(settings),
    )


class _Asking:
    """Signed calls of the management API are decided at the same desk: counted, and explained to their key's owner."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def decide(self, call: Call, *, now: datetime) -> Decision:  # noqa: ARG002 - the desk has the same clock
        return await self._desk.decide(call)


class _ChangeNumber:
    """The last change that the gate of this process has applied; it has applied all that were answered."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    def __call__(self) -> int:
        self._plane.freshness.look()
        return self._plane.keyring.number


class _Housekeeping:
    """Deletes what is kept for a while only. Every worker may do it: a second time deletes nothing."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def flush(self) -> None:
        try:
            for chore in _CHORES:
                await asyncio.to_thread(chore, self._platform, now=local.now())
        except SQLAlchemyError as error:
            log.warning("housekeeping.failed", error=type(error).__name__)

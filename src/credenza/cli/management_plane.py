"""The management plane in one process. Imported by those who serve it: a gate alone needs nothing of it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from credenza.actions import first_admin
from credenza.actions.context import Platform
from credenza.actions.once import forget_expired
from credenza.api.app import create_app
from credenza.cli import local
from credenza.cli.plane import Plane
from credenza.gate.flushing import Flusher
from credenza.gate.keyring import GateClosed
from credenza.portal import first_admin as first_admin_page
from credenza.settings import Settings
from credenza.store.engine import Database

log = structlog.get_logger()

_HOUSEKEEPING_EVERY = timedelta(minutes=5)
_OUTAGES = (SQLAlchemyError, GateClosed)


def prepare(settings: Settings, database: Database) -> str | None:
    """Make what the platform is made with at its first start; the first admin's link while there is nobody yet."""
    platform = local.prepare(settings, database)
    token = first_admin.make_link(platform, now=local.now())
    return None if token is None else f"{settings.manage_origin}{first_admin_page.PATH}?token={token}"


def application(
    settings: Settings, database: Database, plane: Plane, registry: CollectorRegistry, stack: AsyncExitStack
) -> Any:
    platform = local.prepare(settings, database)
    keeper = Flusher(_Housekeeping(platform).flush, every=_HOUSEKEEPING_EVERY)
    keeper.start()
    stack.push_async_callback(keeper.stop)
    return create_app(
        platform,
        plane.verifier,
        clock=local.now,
        ready=plane.freshness.look,
        public_url=settings.manage_origin,
        outages=_OUTAGES,
        pages=first_admin_page.routes(platform, public_url=settings.manage_origin, clock=local.now),
        registry=registry,
    )


class _Housekeeping:
    """Deletes what is kept for a while only. Every worker may do it: a second time deletes nothing."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def flush(self) -> None:
        try:
            await asyncio.to_thread(forget_expired, self._platform, now=local.now())
        except SQLAlchemyError as error:
            log.warning("housekeeping.failed", error=type(error).__name__)

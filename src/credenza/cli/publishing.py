"""The rounds of the authorities: lists signed again, responders renewed, and the lists of others fetched.

Every process of the management plane goes them, and one at a time does the work, by a lease row.
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from importlib import import_module
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from credenza.actions import certificate_status, foreign_lists, revocation_lists
from credenza.actions.context import Platform
from credenza.actions.foreign_lists import Fetcher
from credenza.cli import local
from credenza.gate.flushing import Flusher
from credenza.settings import Settings

log = structlog.get_logger()

_EVERY: Final = timedelta(seconds=10)
_TERM: Final = 3 * _EVERY
"""Whoever was not heard of for so long is taken to be dead: a revocation is on the list within 60 s all the same."""
_FETCH_EVERY: Final = timedelta(minutes=1)


def start(settings: Settings, platform: Platform, stack: AsyncExitStack) -> None:
    """Go the rounds until the stack is closed."""
    flushers = (
        Flusher(_Publishing(platform, local.now).flush, every=_EVERY),
        Flusher(_Fetching(platform, _LateFetcher(settings), local.now).flush, every=_FETCH_EVERY),
    )
    for each in flushers:
        each.start()
        stack.push_async_callback(each.stop)


class _LateFetcher:
    """Opens the fetcher for the first list of another authority: its HTTP library takes 8 MB."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: Fetcher | None = None

    async def fetch(self, url: str) -> bytes:
        opened = self._opened = self._opened or _fetcher(self._settings)
        return await opened.fetch(url)


def _fetcher(settings: Settings) -> Fetcher:
    fetcher: Fetcher = import_module("credenza.adapters.crl_fetcher").CrlFetcher(
        settings.webhook_allowed_networks, settings.webhook_timeout_s, ssl.create_default_context()
    )
    return fetcher


class _Publishing:
    """Signs what is due, when it is this process's turn."""

    def __init__(self, platform: Platform, clock: Callable[[], datetime]) -> None:
        self._platform = platform
        self._clock = clock
        self._holder = str(uuid.uuid4())

    async def flush(self) -> None:
        try:
            await asyncio.to_thread(self._publish)
        except SQLAlchemyError as error:
            log.warning("publishing.failed", error=type(error).__name__)
        except Exception:  # the rounds go on: what one of them met may be over in the next
            log.exception("publishing.broken")

    def _publish(self) -> None:
        now = self._clock()
        if not revocation_lists.take_turn(self._platform, self._holder, term=_TERM, now=now):
            return
        for each in revocation_lists.sign_due(self._platform, now=now):
            log.info("publishing.list_signed", authority=each.authority_id, number=each.number)
        certificate_status.renew_responders(self._platform, now=now)


class _Fetching:
    """Fetches the lists of trusted authorities whose operator wants it, when it is this process's turn."""

    def __init__(self, platform: Platform, fetcher: Fetcher, clock: Callable[[], datetime]) -> None:
        self._platform = platform
        self._fetcher = fetcher
        self._clock = clock
        self._holder = str(uuid.uuid4())

    async def flush(self) -> None:
        now = self._clock()
        try:
            took = foreign_lists.take_turn
            if await asyncio.to_thread(took, self._platform, self._holder, term=3 * _FETCH_EVERY, now=now):
                await foreign_lists.look(self._platform, self._fetcher, now=now)
        except SQLAlchemyError as error:
            log.warning("foreign_lists.failed", error=type(error).__name__)
        except Exception:  # as above
            log.exception("foreign_lists.broken")

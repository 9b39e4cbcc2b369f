"""The rounds of the token keys: every process of the management plane goes them, and one at a time looks."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from credenza.actions import token_keys
from credenza.actions.context import Platform
from credenza.cli import local
from credenza.gate.flushing import Flusher

log = structlog.get_logger()

_EVERY = timedelta(minutes=5)
_TERM = 3 * _EVERY
"""Whoever was not heard of for so long is taken to be dead."""


def start(platform: Platform, stack: AsyncExitStack) -> None:
    """Go the rounds until the stack is closed."""
    flusher = Flusher(_Rotation(platform).flush, every=_EVERY)
    flusher.start()
    stack.push_async_callback(flusher.stop)


class _Rotation:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._holder = str(uuid.uuid4())

    async def flush(self) -> None:
        try:
            await asyncio.to_thread(self._rotate)
        except SQLAlchemyError as error:
            log.warning("token_keys.failed", error=type(error).__name__)

    def _rotate(self) -> None:
        now = local.now()
        if not token_keys.take_turn(self._platform, self._holder, term=_TERM, now=now):
            return
        for key in token_keys.rotate_due(self._platform, now=now):
            log.info("token_keys.made", environment=key.environment, kid=key.kid, signs_from=str(key.signs_from))

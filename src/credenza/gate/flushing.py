"""Write what gathers in memory every so often, and once more at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

LAST_FLUSH_S = 5.0
"""How long a stop waits for the last flush: a database that hangs must not keep the gate from ending (R12)."""


class Flusher:
    def __init__(self, flush: Callable[[], Awaitable[None]], *, every: timedelta) -> None:
        self._flush = flush
        self._every_s = every.total_seconds()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=LAST_FLUSH_S)
            self._task.cancel()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._stopping.wait()
            await self._flush()
        await self._flush()  # of what came while the one before was writing

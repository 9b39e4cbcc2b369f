"""Event streams that this process holds open: so many for a session, so many in all, and none while it stops."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

MOST_OF_A_SESSION = 4
"""Browsers give one origin six connections (HTTP/1.1): pages must find one free beside the streams."""

MOST_IN_ALL = 100


class Full(Exception):  # noqa: N818 - says what is the case
    """There is no place for one more stream."""


class Streams:
    """`stopping` is set when the server stops: whoever holds a stream open ends it then."""

    def __init__(self, stopping: asyncio.Event | None = None) -> None:
        self._stopping = stopping or asyncio.Event()
        self._open: Counter[str] = Counter()

    def check(self, session_id: str) -> None:
        """Raises Full."""
        if self._open[session_id] >= MOST_OF_A_SESSION or self._open.total() >= MOST_IN_ALL:
            raise Full

    @contextmanager
    def place(self, session_id: str) -> Iterator[None]:
        """Take a place and give it back. Raises Full."""
        self.check(session_id)
        self._open[session_id] += 1
        try:
            yield
        finally:
            self._open[session_id] -= 1
            self._open += Counter()  # forget who holds none

    async def pause(self, span: timedelta) -> bool:
        """Wait that long; say whether the server goes on after it."""
        try:
            await asyncio.wait_for(self._stopping.wait(), span.total_seconds())
        except TimeoutError:
            return True
        return False

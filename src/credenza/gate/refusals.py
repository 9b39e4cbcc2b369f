"""Refused calls, kept for an hour for the owner of the credential: at most 20 a minute and credential (settled 21)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from credenza.store import trace_writing
from credenza.store.trace_writing import StoredRefusal, TraceFile, Unwritten

FLUSH_EVERY = timedelta(seconds=0.25)
KEPT_FOR = timedelta(hours=1)
PER_CREDENTIAL_AND_MINUTE = 20
PER_MINUTE = 2_000
"""For one gate process, all credentials together: whoever knows many consumer keys can have many calls refused."""

_QUEUE_LIMIT = 10_000
_SWEEP_EVERY = timedelta(minutes=1)


class Refusals:
    """`clock` tells the time of day; `report` takes what went wrong with the database, which is tried again."""

    def __init__(
        self,
        traces: TraceFile,
        *,
        clock: Callable[[], datetime],
        report: Callable[[Exception], None],
        queue_limit: int = _QUEUE_LIMIT,
    ) -> None:
        self._traces = traces
        self._clock = clock
        self._report = report
        self._queue: deque[StoredRefusal] = deque(maxlen=queue_limit)
        self._minute = -1
        self._kept = 0
        self._kept_of: dict[str, int] = {}
        self._swept_at = clock() - _SWEEP_EVERY

    def keep(self, credential_id: str, at: datetime, tell: Callable[[], StoredRefusal]) -> bool:
        """Keep a refusal of a credential unless it had too many in this minute; `tell` is asked only then."""
        minute = int(at.timestamp()) // 60
        if minute != self._minute:
            self._minute, self._kept, self._kept_of = minute, 0, {}
        kept = self._kept_of.get(credential_id, 0)
        if kept >= PER_CREDENTIAL_AND_MINUTE or self._kept >= PER_MINUTE:
            return False
        self._kept += 1
        self._kept_of[credential_id] = kept + 1
        self._queue.append(tell())
        return True

    async def flush(self) -> None:
        now = self._clock()
        batch, self._queue = self._queue, deque(maxlen=self._queue.maxlen)
        sweep = now - self._swept_at >= _SWEEP_EVERY
        if not batch and not sweep:
            return
        try:
            await asyncio.to_thread(self._write, batch, now)
        except Unwritten as error:
            self._report(error)
            # Full, the queue drops what is oldest: it expires first.
            self._queue = deque([*batch, *self._queue], maxlen=batch.maxlen)
        else:
            self._swept_at = now

    def _write(self, batch: deque[StoredRefusal], now: datetime) -> None:
        with self._traces.writing() as transaction:
            trace_writing.insert_refusals(transaction, batch)
            trace_writing.delete_expired(transaction, now=now)

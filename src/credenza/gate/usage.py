"""Who uses which credential, and how much goes on: counted in memory at a small price, and written in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from credenza.domain.model import CredentialId, OrganizationId
from credenza.store import trace_writing
from credenza.store.trace_writing import (
    CALLER_LIMIT,
    LONGEST_USER_AGENT,
    OAUTH1,
    OTHERS,
    Caller,
    TraceFile,
    Traffic,
    Unwritten,
)

FLUSH_EVERY = timedelta(seconds=5)

_TRAFFIC_KEPT_FOR = timedelta(days=1)

_CAPACITY = 100_000
"""Callers held between two flushes, of all credentials together; what a database that hangs may cost in memory."""

_Place: TypeAlias = tuple[str, str, int, str, str, str]
"""Organization, credential, service, address, user agent, scheme."""


@dataclass(slots=True)
class _Count:
    first_seen_at: datetime
    last_seen_at: datetime
    admitted: int = 0
    refused: int = 0


class Usage:
    """`report` takes what went wrong with the database; the counts are kept and written with the next flush."""

    def __init__(self, traces: TraceFile, *, report: Callable[[Exception], None], capacity: int = _CAPACITY) -> None:
        self._traces = traces
        self._report = report
        self._capacity = capacity
        self._counts: dict[_Place, _Count] = {}
        self._callers: dict[str, int] = {}
        self._totals: dict[str, _Count] = {}

    def count(
        self,
        organization_id: str,
        credential_id: str,
        service_id: int,
        address: str,
        user_agent: str,
        *,
        admitted: bool,
        now: datetime,
        scheme: str = OAUTH1,
    ) -> None:
        """Count one call of a credential that is known; `service_id` is 0 where it called none."""
        place = (organization_id, credential_id, service_id, address, user_agent[:LONGEST_USER_AGENT], scheme)
        count = self._counts.get(place) or self._begin(place, now)
        count.last_seen_at = now
        if admitted:
            count.admitted += 1
        else:
            count.refused += 1
        self.total(organization_id, admitted=admitted, now=now)

    def total(self, organization_id: str, *, admitted: bool, now: datetime) -> None:
        """Count one call for its organization alone: of one that has proven nothing the caller is not noted."""
        total = self._totals.get(organization_id)
        if total is None:
            total = self._totals[organization_id] = _Count(now, now)
        total.last_seen_at = now
        if admitted:
            total.admitted += 1
        else:
            total.refused += 1

    async def flush(self) -> None:
        counts, self._counts, self._callers = self._counts, {}, {}
        totals, self._totals = self._totals, {}
        if not totals:
            return
        try:
            await asyncio.to_thread(self._write, counts, totals)
        except Unwritten as error:
            self._report(error)
            self._put_back(counts)
            self._put_totals_back(totals)

    def _begin(self, place: _Place, now: datetime) -> _Count:
        """Tell a caller apart while there is room for it, or else count it among the others."""
        organization_id, credential_id = place[:2]
        callers = self._callers.get(credential_id, 0)
        if callers >= CALLER_LIMIT or len(self._counts) >= self._capacity:
            place = (organization_id, credential_id, 0, OTHERS, "", place[-1])
        if place not in self._counts:
            self._callers[credential_id] = callers + 1
            self._counts[place] = _Count(now, now)
        return self._counts[place]

    def _write(self, counts: dict[_Place, _Count], totals: dict[str, _Count]) -> None:
        latest = max(each.last_seen_at for each in totals.values())
        with self._traces.writing() as transaction:
            trace_writing.add_callers(transaction, (_caller(place, count) for place, count in counts.items()))
            trace_writing.add_traffic(transaction, (_traffic(name, count) for name, count in totals.items()))
            trace_writing.delete_traffic_before(transaction, latest - _TRAFFIC_KEPT_FOR)

    def _put_back(self, counts: dict[_Place, _Count]) -> None:
        for place, earlier in counts.items():
            count = self._counts.get(place) or self._begin(place, earlier.first_seen_at)
            count.first_seen_at = min(count.first_seen_at, earlier.first_seen_at)
            count.last_seen_at = max(count.last_seen_at, earlier.last_seen_at)
            count.admitted += earlier.admitted
            count.refused += earlier.refused

    def _put_totals_back(self, totals: dict[str, _Count]) -> None:
        for organization_id, earlier in totals.items():
            total = self._totals.setdefault(organization_id, earlier)
            if total is not earlier:
                total.admitted += earlier.admitted
                total.refused += earlier.refused


def _caller(place: _Place, count: _Count) -> Caller:
    organization_id, credential_id, service_id, address, user_agent, scheme = place
    return Caller(
        organization_id=OrganizationId(organization_id),
        credential_id=CredentialId(credential_id),
        service_id=service_id,
        address=address,
        user_agent=user_agent,
        first_seen_at=count.first_seen_at,
        last_seen_at=count.last_seen_at,
        admitted=count.admitted,
        refused=count.refused,
        scheme=scheme,
    )


def _traffic(organization_id: str, total: _Count) -> Traffic:
    # Flushed every few seconds, so that the minute of the last one is that of nearly all.
    minute = total.last_seen_at.replace(second=0, microsecond=0)
    return Traffic(OrganizationId(organization_id), minute, total.admitted, total.refused, total.last_seen_at)

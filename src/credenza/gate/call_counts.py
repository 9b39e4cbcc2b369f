"""Where calls are counted against the limits of their services: here, or in a memory that several gates share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from credenza.domain.call_limits import CallLimits, Standing

_BUCKETS = 100_000


class CallCounts(Protocol):
    def count(self, key: str, per_minute: int) -> Standing | Awaitable[Standing]:
        """Count a call of a credential to a service, if it is within the limit."""


class OwnCounts:
    """Counts in this process alone. `clock` tells seconds that never go back."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._limits = CallLimits(most=_BUCKETS)

    def count(self, key: str, per_minute: int) -> Standing:
        return self._limits.count(key, per_minute, now_us=int(self._clock() * 1_000_000))

"""How often a credential may call a service: a bucket of a minute's calls, into which they flow back evenly.

Pure: the time is an argument, in microseconds on a clock that never goes back. What is kept of a bucket is the moment
when it is full again; `store.redis_limits` keeps the same in the same way for several gates.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

_SECOND_US = 1_000_000
MINUTE_US: Final = 60 * _SECOND_US


class Standing(NamedTuple):
    """How far a limit is used. `wait_s` is 0 for a call that is within it, which is counted then."""

    limit: int
    used: int
    wait_s: float

    @property
    def remaining(self) -> int:
        return max(self.limit - self.used, 0)

    @property
    def percent(self) -> int:
        return min(math.ceil(self.used * 100 / self.limit), 100)


def interval_us(per_minute: int) -> int:
    """How long one call takes to flow back."""
    return max(MINUTE_US // per_minute, 1)


def standing(per_minute: int, *, wait_us: int, missing_us: int) -> Standing:
    """Say what a bucket means that is full again in `missing_us`."""
    used = min(-(-missing_us // interval_us(per_minute)), per_minute)
    return Standing(per_minute, used, wait_us / _SECOND_US)


class CallLimits:
    """The buckets of one process, of `most` credentials and services; the one that was used longest ago is forgotten,
    and full when it is used again."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._full_at_us: dict[str, int] = {}  # in the order of their last use

    def count(self, key: str, per_minute: int, *, now_us: int) -> Standing:
        """Count a call if it is within the limit."""
        interval = interval_us(per_minute)
        full_at = max(self._full_at_us.pop(key, 0), now_us)
        wait_us = max(full_at + interval - per_minute * interval - now_us, 0)
        if wait_us == 0:
            full_at += interval
        self._full_at_us[key] = full_at
        if len(self._full_at_us) > self._most:
            del self._full_at_us[next(iter(self._full_at_us))]
        return standing(per_minute, wait_us=wait_us, missing_us=full_at - now_us)

"""Token buckets: how often a caller may ask for something, a burst included. Pure: the time is an argument."""

from __future__ import annotations

# Whole nanoseconds: sums of fractions would lose a token of a large burst.
_SECOND_NS = 1_000_000_000
_MINUTE_NS = 60 * _SECOND_NS


class TokenBuckets:
    """A bucket for each key: it holds `burst` tokens, and `per_minute` flow in until it is full.

    What is kept of a bucket is the moment when it is full again, and of `most` buckets only: the one that was used
    longest ago is forgotten, and full when it is used again. Whoever can ask under more keys than that evades the
    limit; what stays limited is memory, about 150 bytes a bucket.

    Times are seconds on a clock that never goes back.
    """

    def __init__(self, *, per_minute: int, burst: int, most: int) -> None:
        self._interval_ns = _MINUTE_NS // per_minute
        self._capacity_ns = burst * self._interval_ns
        self._most = most
        self._full_at_ns: dict[str, int] = {}  # in the order of their last use

    def take(self, key: str, *, now: float) -> float:
        """Take a token; the answer is 0. Without one nothing is taken, and the answer is in how many seconds one is
        there."""
        wait_s = self.wait_s(key, now=now)
        if wait_s == 0:
            full_at = self._full_after_one(key, now)
            self._full_at_ns.pop(key, None)  # to the end of the order
            self._full_at_ns[key] = full_at
            if len(self._full_at_ns) > self._most:
                del self._full_at_ns[next(iter(self._full_at_ns))]
        return wait_s

    def wait_s(self, key: str, *, now: float) -> float:
        """Say in how many seconds there is a token, 0 when there is one, and take none."""
        if key not in self._full_at_ns:
            return 0.0  # full, as nearly all are
        wait_ns = self._full_after_one(key, now) - self._capacity_ns - int(now * _SECOND_NS)
        return max(wait_ns, 0) / _SECOND_NS

    def _full_after_one(self, key: str, now: float) -> int:
        return max(self._full_at_ns.get(key, 0), int(now * _SECOND_NS)) + self._interval_ns

"""A clock that stands still until a test moves it. `now` is the tests' usual moment unless told otherwise."""

from datetime import UTC, datetime, timedelta

NOON = datetime(2025, 1, 31, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self, now: datetime = NOON) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> datetime:
        self._now += by
        return self._now

    def set(self, now: datetime) -> None:
        """Steps in either direction: a clock that is set back is one of the faults to survive."""
        if now.tzinfo is None:
            raise ValueError("a clock tells aware UTC time")
        self._now = now.astimezone(UTC)

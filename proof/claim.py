"""A claim: a promise, how often it is put to the test, and the function that does it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

_REPORT_EVERY_S = 5.0


class Broken(AssertionError):  # noqa: N818 - a verdict
    """The promise was not kept; the message says how."""


@dataclass(frozen=True, slots=True)
class Claim:
    """`prove` does it `volume` times, returns what it has seen in words, and raises Broken.

    `in_tests` is what `make test` does of it where a hundredth would take minutes, or would leave something out.
    """

    id: str
    promise: str
    volume: int
    unit: str
    prove: Callable[[int], str]
    in_tests: int | None = None

    @property
    def hundredth(self) -> int:
        return self.in_tests or max(1, self.volume // 100)


def hold(condition: object, what: str) -> None:
    if not condition:
        raise Broken(what)


class Progress:
    """Says on stderr how far a proof has come, now and then."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._reported_at = time.monotonic()

    def add(self, count: int = 1) -> None:
        self._done += count
        if time.monotonic() - self._reported_at > _REPORT_EVERY_S:
            self._reported_at = time.monotonic()
            print(f"  {self._what}: {self._done:,} of {self._total:,}", file=sys.stderr, flush=True)

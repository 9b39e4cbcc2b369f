"""Room at a listener: when it is full, those that have kept it waiting longest go first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from heapq import nsmallest

import structlog

log = structlog.get_logger()

# A share of the connections at once: looking for the longest waiting one at each new connection would cost too much.
_SHED_SHARE = 16


class Guest(ABC):
    """A connection, in its TLS handshake or past it. `waiting_since` tells seconds of the event loop's clock."""

    waiting_since: float

    @property
    @abstractmethod
    def is_waiting(self) -> bool:
        """Whether it is the client's turn."""

    @abstractmethod
    def end(self) -> None:
        """Close; the client has taken too long."""

    @abstractmethod
    def check_deadlines(self, now: float) -> None:
        """Close the connection if its client has taken too long."""


def make_room(connections: Iterable[object], newcomer: Guest, listener: str) -> bool:
    """Close those that have waited longest; say whether there were any."""
    others = [each for each in connections if isinstance(each, Guest) and each is not newcomer]
    waiting = [each for each in others if each.is_waiting]
    log.warning("listener.full", listener=listener, connections=len(others), waiting=len(waiting))
    for each in nsmallest(1 + len(waiting) // _SHED_SHARE, waiting, key=lambda each: each.waiting_since):
        each.end()
    return bool(waiting)

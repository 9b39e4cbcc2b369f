"""Which DPoP proofs one process has taken: each is good once (RFC 9449 11.1)."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Final

from credenza.protocol import dpop
from credenza.protocol.dpop import Proof

WINDOW: Final = dpop.PAST + dpop.FUTURE
"""From when a proof may be sent first, by a clock that is ahead, until it is too old: what has to be remembered."""

_KEPT_BYTES = 16


class MemoryFull(Exception):  # noqa: N818 - what whoever called is told, not an error of ours
    """No proof can be told from one that was used: what was remembered must not be forgotten to make room."""


class ProofMemory:
    """Two spans of time, of which the older is forgotten whole: then every proof in it is too old to be taken.

    At most `capacity` proofs, of about 100 bytes each.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._earlier: set[bytes] = set()
        self._current: set[bytes] = set()
        self._ends: datetime | None = None

    def first_seen(self, proof: Proof, *, now: datetime) -> bool:
        """Remember a proof that was checked; whether it is new. Raises MemoryFull."""
        self._turn(now)
        name = sha256(f"{proof.jkt} {proof.jti}".encode()).digest()[:_KEPT_BYTES]
        if name in self._current or name in self._earlier:
            return False
        if len(self._current) + len(self._earlier) >= self._capacity:
            raise MemoryFull
        self._current.add(name)
        return True

    def _turn(self, now: datetime) -> None:
        if self._ends is None:
            self._ends = now + WINDOW
        elif now < self._ends - WINDOW:
            # The clock was set back. Nothing is forgotten, and no span waits until the clock is as far again.
            self._earlier, self._current = set(), self._earlier | self._current
            self._ends = now + WINDOW
        elif now >= self._ends + WINDOW:
            self._earlier, self._current = set(), set()
            self._ends = now + WINDOW
        elif now >= self._ends:
            self._earlier, self._current = self._current, set()
            self._ends += WINDOW

"""What token server and gate judge DPoP proofs by, the same at both: nonces, and a memory of the proofs that were used.

A client keeps one nonce for both (RFC 9449 8.2), and a proof that one of them has taken the other must know.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from credenza.protocol import dpop
from credenza.protocol.dpop import Proof
from credenza.wire.decisions import DPOP_NONCE


class ReplayMemory(Protocol):
    """What `store.replay` offers: the memory of one machine answers at once, that of several is waited for."""

    remembers_since: float

    def first_seen(self, key: bytes, now: float) -> bool | Awaitable[bool]: ...

    def first_seen_each(self, keys: Sequence[bytes], now: float) -> tuple[bool, ...] | Awaitable[tuple[bool, ...]]: ...


@dataclass(frozen=True, slots=True)
class Nonces:
    """`secret` is the same on every node. With `required` a proof has to carry a recent nonce."""

    secret: bytes = field(repr=False)
    required: bool = False

    def current(self, *, now: datetime) -> str:
        return dpop.nonce(self.secret, now=now)

    def offered(self, *, now: datetime) -> tuple[tuple[str, str], ...]:
        """What a success says of them: the nonce for the next proof (RFC 9449 8.2), or nothing where none is wanted."""
        return ((DPOP_NONCE, self.current(now=now)),) if self.required else ()

    def accept(self, proof: Proof, *, now: datetime) -> bool:
        """Whether the proof's nonce will do; one that was never given does not, also where none is required."""
        sent = proof.claims.nonce
        if sent is None:
            return not self.required
        return dpop.is_recent_nonce(sent, self.secret, now=now)


def replay_key(proof: Proof) -> bytes:
    """Name a proof for the replay memory."""
    return f"dpop {proof.jkt} {proof.jti}".encode()

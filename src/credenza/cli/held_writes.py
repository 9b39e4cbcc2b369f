"""What the connections of a listener say in one turn of the loop, sent together at its end.

Who waits for an answer is woken by it. A proxy has all its connections in one process: answered one by one it wakes and
sleeps again between any two, which costs us as much as the rest of sending, and on virtual machines several times that.
Woken by the first of a few answers, it is still at work when the others come.
"""

from __future__ import annotations

import asyncio
from typing import Any

# More would save next to nothing, and keep the first longer from its client.
_MOST = 8
_LONGEST_BYTES = 64 * 1024


class HeldWrites:
    """Of one listener, in one process."""

    def __init__(self) -> None:
        self._held: list[tuple[asyncio.Transport, bytes]] = []

    def hold(self, transport: asyncio.Transport, octets: bytes) -> None:
        if not self._held:
            asyncio.get_running_loop().call_soon(self.send)
        self._held.append((transport, octets))
        if len(self._held) >= _MOST or len(octets) > _LONGEST_BYTES:
            self.send()

    def send(self) -> None:
        held, self._held = self._held, []
        for transport, octets in held:
            transport.write(octets)


class HoldingTransport:
    """A transport whose writes are held. What ends it sends them first; all else is the transport's own."""

    __slots__ = ("_transport", "_writes")

    def __init__(self, transport: asyncio.Transport, writes: HeldWrites) -> None:
        self._transport = transport
        self._writes = writes

    def write(self, octets: bytes) -> None:
        self._writes.hold(self._transport, octets)

    def close(self) -> None:
        self._writes.send()
        self._transport.close()

    def is_closing(self) -> bool:
        """Asked after every answer of uvicorn's way, and so not by `__getattr__`."""
        return self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

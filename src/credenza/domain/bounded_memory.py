"""What was worked out before, kept by what was asked, while there is room. Pure: what is still true its owner knows."""

from __future__ import annotations

from typing import Generic, TypeVar

Value = TypeVar("Value")


class BoundedMemory(Generic[Value]):
    """Keeps `most` values of `most_bytes` together; what came first goes first.

    Not in the order of use: whoever asks for the same thing again and again keeps nothing alive that would be asked for
    anew anyway, and a look changes nothing, so that it may come from any thread. `put` is one thread's at a time.
    """

    def __init__(self, *, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: dict[bytes, tuple[Value, int]] = {}
        self._bytes = 0

    def get(self, key: bytes) -> Value | None:
        found = self._kept.get(key)
        return None if found is None else found[0]

    def put(self, key: bytes, value: Value, *, size_bytes: int) -> None:
        """Keep a value in the place of what there was; `size_bytes` is what it takes, its key included."""
        self._forget(key)
        self._kept[key] = (value, size_bytes)
        self._bytes += size_bytes
        while self._bytes > self._most_bytes or len(self._kept) > self._most:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: bytes) -> None:
        _, size_bytes = self._kept.pop(key, (None, 0))
        self._bytes -= size_bytes

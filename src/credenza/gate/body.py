"""A request body, read to its end and hashed before anything of it goes on: in memory, then in a temporary file.

The upstream never sees a body that fails its hash (settled 16). The hash is over what the transfer coding carried;
a content coding is the client's and stays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import IO, Any, TypeAlias

from credenza.protocol.oauth1 import EMPTY_BODY_SHA256

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]


class TooLarge(Exception):  # noqa: N818 - a verdict on the body, not an error of ours
    """The body is longer than the limit."""


class ClientGone(Exception):  # noqa: N818 - nobody's error
    """The client hung up."""


class Body:
    """`content` is bytes or, above the memory limit, an open file; `close` removes the file."""

    def __init__(self, content: bytes | IO[bytes], digest: bytes, length: int) -> None:
        self.content = content
        self.sha256 = digest
        self.length = length

    @property
    def in_memory(self) -> bytes | None:
        return self.content if isinstance(self.content, bytes) else None

    def close(self) -> None:
        if not isinstance(self.content, bytes):
            self.content.close()


NO_BODY = Body(b"", EMPTY_BODY_SHA256, 0)


async def read_body(receive: Receive, *, limit_bytes: int, memory_bytes: int) -> Body:
    """Read the body to its end. Raises TooLarge as soon as it is, and ClientGone."""
    chunk, more = await _next(receive)
    if not more and len(chunk) <= min(limit_bytes, memory_bytes):
        return Body(chunk, sha256(chunk).digest(), len(chunk))
    spool = _Spool(limit_bytes, memory_bytes)
    try:
        spool.add(chunk)
        while more:
            chunk, more = await _next(receive)
            spool.add(chunk)
        return spool.body()
    except BaseException:
        spool.close()
        raise


class _Spool:
    """Writing to a file blocks the loop, but only for as long as the page cache takes to copy one chunk."""

    def __init__(self, limit_bytes: int, memory_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._memory_bytes = memory_bytes
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._digest = sha256()
        self._length = 0

    def add(self, chunk: bytes) -> None:
        self._length += len(chunk)
        if self._length > self._limit_bytes:
            raise TooLarge
        self._digest.update(chunk)
        if self._file is None and self._length > self._memory_bytes:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - the body keeps it open
            self._file.write(self._memory)
        if self._file is None:
            self._memory += chunk
        else:
            self._file.write(chunk)

    def body(self) -> Body:
        if self._file is None:
            return Body(bytes(self._memory), self._digest.digest(), self._length)
        self._file.seek(0)
        return Body(self._file, self._digest.digest(), self._length)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


async def _next(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)

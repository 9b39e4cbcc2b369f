"""One connection to an upstream: HTTP/1.1 as a client speaks it (RFC 9112), one exchange at a time.

llhttp, which also reads what comes to our own listeners, takes the answer apart. What remains here is the life of a
connection: when an answer is over, whether another request may follow, and that nothing is ever sent twice. Decision
0009 says why this is not a library.

A request is written with `send`; then `answered` waits for status and headers, and `take` and `more` bring the content
until `is_over`. Raises BrokenOff, or TimeoutError when nothing has come for as long as the upstream may take.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import IO

import httptools

from credenza.gate.arrival import Headers

MAX_HEAD_BYTES = 65_536
_CHUNK_BYTES = 65_536
_MUCH_UNREAD_BYTES = 262_144

_NO_CONTENT = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class BrokenOff(Exception):  # noqa: N818 - what happened, no error of ours
    """The upstream hung up before its answer was over, or it speaks no HTTP."""


class UpstreamConnection(asyncio.Protocol):
    """`status` is 0 and `headers` are not complete before `answered`; the names of headers are in lower case."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, patience_s: float) -> None:
        self._loop = loop
        self._patience_s = patience_s
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._failure: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._is_lost = False
        self.status: int
        self.headers: Headers
        self.is_over: bool
        self._chunks: list[bytes]
        self._is_expecting: bool
        self._to_head: bool
        self._is_sent: bool
        self._is_head: bool
        self._may_follow: bool
        self._ends_with_connection: bool
        self._head_bytes: int
        self._unread_bytes: int
        self._expect_nothing()

    # ---------------------------------------------------------------------------------------------- an exchange

    async def send(self, head: bytes, content: bytes | IO[bytes], *, to_head: bool) -> None:
        """Write a request, to its end or until the upstream has answered. `to_head`: its method is HEAD."""
        self._begin(to_head=to_head)
        if isinstance(content, bytes):
            self._transport.write(head + content)
            self._is_sent = True
        else:
            self._transport.write(head)
            await self._send_file(content)

    async def answered(self) -> None:
        while not self.status:
            await self._wait()

    def take(self) -> bytes:
        """What of the content has come."""
        chunks, self._chunks = self._chunks, []
        if self._unread_bytes > _MUCH_UNREAD_BYTES and not self._is_lost:
            self._transport.resume_reading()
        self._unread_bytes = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def more(self) -> None:
        """Wait until there is something to take or the answer is over."""
        while not self._chunks and not self.is_over:
            await self._wait()

    def end(self) -> bool:
        """End the exchange; whether another one may follow. If not, the connection is closed."""
        again = self._may_follow and self.is_over and self._is_sent and not self._is_lost
        # What is not written yet would follow a request that the upstream has answered already (RFC 9112 9.3).
        again = again and not self._transport.is_closing() and not self._transport.get_write_buffer_size()
        self._expect_nothing()
        if not again:
            self._transport.abort()
        return again

    @property
    def is_open(self) -> bool:
        return not self._is_lost and not self._transport.is_closing()

    def close(self) -> None:
        self._transport.abort()

    # ------------------------------------------------------------------------------------------------- transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # it is one of streams

    def data_received(self, data: bytes) -> None:
        if not self._is_expecting:
            # An answer that nobody has asked for would be taken for that to the next request (RFC 9112 9.2).
            self._transport.abort()
            return
        self._heard_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(BrokenOff(f"no HTTP: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if self._is_expecting and self.status and self._ends_with_connection and error is None:
            self.is_over = True  # RFC 9112 6.3: of unknown length, until the connection is closed
            self._wake()
        elif self._is_expecting and not self.is_over:
            self._fail(BrokenOff("the upstream hung up"))

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # ---------------------------------------------------------------------------------------------------- parser

    def on_message_begin(self) -> None:
        if self.is_over:
            raise BrokenOff("a second answer")  # to one request; the parser ends with it, and the connection too
        self.headers = []
        self._head_bytes = 0
        self._is_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise BrokenOff("too many headers")
        if self._is_head:  # else a trailer, which RFC 9110 6.5.1 lets a gateway drop
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._is_head = False
        status = self._parser.get_status_code()
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise BrokenOff("it changes the protocol, and nobody has asked for that")
        if status < HTTPStatus.OK:
            return  # RFC 9110 15.2: the answer is still to come
        self.status = status
        names = {name for name, _ in self.headers}
        framed = b"content-length" in names or b"transfer-encoding" in names
        self._ends_with_connection = not framed and status not in _NO_CONTENT
        if self._to_head:
            # The parser does not know that nothing follows: this connection has done its work (`_may_follow`).
            self.is_over = True
        self._wake()

    def on_body(self, body: bytes) -> None:
        if self.is_over:
            return
        self._chunks.append(body)
        before, self._unread_bytes = self._unread_bytes, self._unread_bytes + len(body)
        if before <= _MUCH_UNREAD_BYTES < self._unread_bytes:
            self._transport.pause_reading()  # until the client has taken what there is
        self._wake()

    def on_message_complete(self) -> None:
        if not self.status or self.is_over:
            return
        self.is_over = True
        self._may_follow = self._parser.should_keep_alive()
        self._wake()

    # --------------------------------------------------------------------------------------------------- waiting

    def _expect_nothing(self) -> None:
        self._is_expecting = self._to_head = self._is_sent = self._may_follow = False
        self._ends_with_connection = self._is_head = self.is_over = False
        self.status = 0
        self.headers = []
        self._chunks = []
        self._head_bytes = self._unread_bytes = 0

    def _begin(self, *, to_head: bool) -> None:
        self._is_expecting, self._to_head = True, to_head
        self._heard_at = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._patience_s, self._look_at_clock)

    async def _send_file(self, content: IO[bytes]) -> None:
        while not self.status and self._failure is None and (chunk := content.read(_CHUNK_BYTES)):
            self._transport.write(chunk)
            self._heard_at = self._loop.time()  # as long as it reads it may be silent
            if self._writable is not None:
                await self._writable
        self._is_sent = not content.read(1)

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._heard_at = self._loop.time()  # until now the client may have been what was slow
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: BaseException) -> None:
        self._failure = self._failure or failure
        self._may_follow = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._failure)
        self._transport.abort()

    def _look_at_clock(self) -> None:
        """One timer for all exchanges: nearly every one is over long before it rings, and setting it takes longer
        than many other steps of one."""
        if not self._is_expecting:
            self._timer = None
            return
        left_s = self._heard_at + self._patience_s - self._loop.time()
        if left_s > 0 or (self._waiter is None and self._writable is None):
            self._timer = self._loop.call_later(max(left_s, self._patience_s / 10), self._look_at_clock)
            return
        self._fail(TimeoutError("the upstream is silent"))
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

"""One connection of a listener: HTTP/1.1 as uvicorn speaks it, for clients that may be slow, endless or many.

uvicorn waits for a request line, for headers and for a body as long as it takes; a few hundred clients that send a byte
a second would hold everything there is (slowloris; security.md, threat 22). Here every wait has a deadline, looked at
twice a second by the listener's own tick instead of by a timer per request. What a client may make us keep before an
application has seen it is bounded, and so is the number of connections: the one that has waited longest goes first.

The application's own time counts for nothing here, only the client's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from math import inf
from typing import Any, Final, TypeAlias, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from credenza.cli.held_writes import HeldWrites, HoldingTransport
from credenza.cli.room import Guest, make_room
from credenza.gate.arrival import REQUEST_TARGET
from credenza.gate.decision import Answer, error_document
from credenza.gate.terminators import PRESENTED

# RFC 7541 4.1 counts the same: thousands of tiny headers cost more than their bytes.
_HEADER_OVERHEAD_BYTES = 32
REFUSALS: Final = {
    HTTPStatus.BAD_REQUEST: ("BAD_REQUEST", "This is no request of HTTP/1.1 (RFC 9112)."),
    HTTPStatus.REQUEST_TIMEOUT: ("REQUEST_TIMEOUT", "The request did not arrive in time."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ("HEADERS_TOO_LARGE", "The request line and headers are too long."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("SERVICE_UNAVAILABLE", "Too many connections are busy. Try again."),
}
"""ReasonCode and description of what no application has seen."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may take. `head` is the request line with the headers, counted from the connection or from the
    request's first byte; `body` is also how long a client may leave an answer unread; `connections` are one
    listener's, in one process."""

    head_s: float = 10.0
    body_s: float = 65.0
    idle_s: float = 65.0
    head_bytes: int = 80 * 1024
    connections: int = 2_000


class _Unacceptable(Exception):  # noqa: N818 - a verdict on the request, not an error of ours
    """Ends the parser's work on a request that was refused."""


class Connection(HttpToolsProtocol, Guest):
    """Trailers are dropped, too: left alone, they are appended to the headers that the application has (RFC 9110 6.5.1
    keeps the two apart), and come in time when a request fits into one segment: behind the X-Forwarded-For of a trusted
    proxy, for one.

    `client_certificate` is the DER of what TLS has proven before the connection was made; empty without."""

    # Python finds attributes by their place, without looking for their names, in objects of at most thirty.
    # uvicorn's protocol has 28; ours are kept beside them.
    __slots__ = (
        "_answered",
        "_begun",
        "_deadline",
        "_head_bytes",
        "_limits",
        "_most_head_bytes",
        "_received",
        "_unread_bytes",
        "_write_deadline",
        "_writes",
        "client_certificate",
        "waiting_since",
    )

    def __init__(self, *arguments: Any, limits: Limits, writes: HeldWrites, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._writes = writes
        self.client_certificate = b""
        self._most_head_bytes = limits.head_bytes
        self.waiting_since = self._deadline = inf
        self._write_deadline = inf
        self._head_bytes = self._unread_bytes = 0
        self._received = self._answered = 0
        self._begun = False

    # ------------------------------------------------------------------------------------------------- transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(cast(asyncio.Transport, HoldingTransport(transport, self._writes)))
        self._wait(self._limits.head_s)
        if len(self.connections) > self._limits.connections and not make_room(self.connections, self, str(self.server)):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def data_received(self, data: bytes) -> None:
        # The parser keeps what is not complete, a header or a trailer that never ends.
        self._unread_bytes += len(data)
        HttpToolsProtocol.data_received(self, data)  # what is done for every call does without `super`, here and below
        if self._unread_bytes > self._limits.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def send_400_response(self, _msg: str) -> None:
        """Refuse what the parser cannot read, unless it was refused already, and in other words."""
        self._refuse(HTTPStatus.BAD_REQUEST)

    def eof_received(self) -> None:
        """The loop closes the transport now."""
        self._writes.send()

    def pause_writing(self) -> None:
        self._write_deadline = self.loop.time() + self._limits.body_s
        super().pause_writing()

    def resume_writing(self) -> None:
        self._write_deadline = inf
        super().resume_writing()

    # ---------------------------------------------------------------------------------------------------- parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes, self._begun = 0, True
        if self._received:  # the first request had to begin when the connection did
            self._wait(self._limits.head_s)

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        if self._head_bytes > self._most_head_bytes:
            self._refuse_head()
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """As uvicorn's, and counted: it comes so often that whatever can be done once for all of them is."""
        self._head_bytes += len(name) + len(value) + _HEADER_OVERHEAD_BYTES
        if self._head_bytes > self._most_head_bytes:
            self._refuse_head()
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._unread_bytes = 0
        self.expect_100_continue = self._is_awaiting_100()
        self._wait(self._limits.body_s)
        if not self.url.startswith(b"/"):
            self.scope[REQUEST_TARGET] = self.url  # type: ignore[literal-required] # uvicorn keeps the path alone
        if self.client_certificate:
            self.scope[PRESENTED] = self.client_certificate  # type: ignore[literal-required] # ours
        super().on_headers_complete()
        self.headers: list[tuple[bytes, bytes]] = []  # the scope keeps the list there was

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread_bytes = 0
        self._received += 1
        self._begun = False
        if self._answered < self._received:
            self.waiting_since = self._deadline = inf  # it is the application's turn
        else:
            self._wait(self._limits.idle_s)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, without a timer for the next request: `check_deadlines` looks after that."""
        self._answered += 1
        if not self._begun:
            self._wait(self._limits.idle_s)
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    # ---------------------------------------------------------------------------------------------------- limits

    def check_deadlines(self, now: float) -> None:
        """Close the connection if its client has taken too long."""
        if now >= self._write_deadline or (self.transport.is_closing() and now >= self._deadline):
            self.transport.abort()
        elif now >= self._deadline:
            if self._is_our_turn:
                self._wait(self._limits.body_s)
            else:
                self.end()

    @property
    def _is_our_turn(self) -> bool:
        """Whether the client waits for us: an answer is due, or we do not read what it sends."""
        return self._answered < self._received or self.flow.read_paused

    def _wait(self, seconds: float) -> None:
        self.waiting_since = self.loop.time()
        self._deadline = self.waiting_since + seconds

    def _is_awaiting_100(self) -> bool:
        """RFC 9110 10.1.1."""
        return any(name == b"expect" and value.lower() == b"100-continue" for name, value in self.headers)

    def _refuse_head(self) -> None:
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        raise _Unacceptable

    @property
    def is_waiting(self) -> bool:
        """Whether it is the client's turn."""
        return not self._is_our_turn and not self.transport.is_closing()

    def end(self) -> None:
        """Close; say why when a request has begun, and nothing when none has (RFC 9110 15.5.9)."""
        if self._begun:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        if self.transport.is_closing():
            return
        cycle = self._unfinished_cycle
        # Anything but the end would become part of an answer that is under way, or follow the only one that is due.
        if self._answered == self._received and not (cycle and cycle.response_started):
            self.transport.write(_answer(status, self.server_state.default_headers))
        self.transport.close()
        self._wait(self._limits.head_s)  # for the client to take the answer
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()

    @property
    def _unfinished_cycle(self) -> RequestResponseCycle | None:
        """What the application is still answering to, or reading."""
        cycle = self.cycle
        # Before the first request there is none, whatever its annotation says.
        return None if cycle is None or cycle.response_complete else cycle  # type: ignore[redundant-expr]


Headers: TypeAlias = list[tuple[bytes, bytes]]


def _answer(status: HTTPStatus, headers: Headers) -> bytes:
    """Write it as the applications write theirs: clients read one form of errors (contracts 1.5)."""
    reason_code, description = REFUSALS[status]
    body = error_document(Answer(status, reason_code), description)
    fields = [*headers, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    fields.append((b"connection", b"close"))
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        fields.append((b"retry-after", b"1"))
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode(), *(name + b": " + value for name, value in fields)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body

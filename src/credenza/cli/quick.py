"""A connection on which what can be answered at once is: without a task, without messages.

uvicorn gives every request a task and takes the answer in two messages, whose header fields it reads again: for a
sub-request that is as much work as all of its cryptography. An application that offers `at_once` is asked first, in
the moment when a request's headers are complete. Whatever it leaves, and whatever comes while another request is under
way or the client does not read, goes uvicorn's way.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from credenza.cli.connection import Connection, Headers
from credenza.gate.answers import Reply

AtOnce: TypeAlias = Callable[[bytes, Headers, str], Reply | Coroutine[None, None, Reply] | None]
"""Takes the target of a GET, its header fields, whose names are in lower case, and the scheme that it came by."""


class _Answered:
    """Stands for a request that is over, where uvicorn looks for the last one."""

    response_complete = True
    response_started = True
    disconnected = False

    class message_event:  # noqa: N801 - as uvicorn calls it
        @staticmethod
        def set() -> None:
            """Nobody waits."""


_ANSWERED: Any = _Answered()


class QuickConnection(Connection):
    """A scope is made only for what goes uvicorn's way, and a deadline set once for all that comes at once."""

    __slots__ = ("_at_once", "_dated", "_http_version", "_is_timed", "_promised")

    def __init__(self, *arguments: Any, at_once: AtOnce, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._at_once = at_once
        self._promised: Coroutine[None, None, Reply] | None = None
        self._is_timed = True
        self._http_version = ""
        self._dated: tuple[Headers, bytes] = ([], b"")

    def data_received(self, data: bytes) -> None:
        Connection.data_received(self, data)
        if not self._is_timed:
            self._is_timed = True
            Connection._wait(self, self._awaited_s())  # noqa: SLF001 - its own

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._head_bytes, self._begun = 0, True
        if self._received:  # as in the class above
            self._is_timed = False

    def on_headers_complete(self) -> None:
        cycle = self.cycle
        is_over = cycle is None or cycle.response_complete  # type: ignore[redundant-expr] # as in the class above
        # A client that does not read must not make us pile up.
        is_free = is_over and not self.flow.write_paused
        answer = self._ask() if is_free and self.parser.get_method() == b"GET" else None
        if isinstance(answer, Reply):
            self._answer(answer)
            return
        self._promised = answer
        self._make_scope()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self.cycle is not _ANSWERED:
            super().on_message_complete()
            return
        self._unread_bytes = 0
        self._received += 1
        self._begun = self._is_timed = False

    def _wait(self, seconds: float) -> None:
        self._is_timed = True
        super()._wait(seconds)

    def _awaited_s(self) -> float:
        """How long the client has for what is to come: the next request, or the rest of this one."""
        if not self._begun:
            return self._limits.idle_s
        return self._limits.body_s if self._answered > self._received else self._limits.head_s

    def _make_scope(self) -> None:
        """Begin a request that has been read, as uvicorn begins one."""
        url, headers = self.url, self.headers
        HttpToolsProtocol.on_message_begin(self)
        self.url = url
        self.headers += headers

    def _ask(self) -> Reply | Coroutine[None, None, Reply] | None:
        try:
            return self._at_once(self.url, self.headers, self.scheme or "http")
        except Exception as error:  # noqa: BLE001 - thrown here it would look like a fault of the request
            return _fail(error)

    def _answer(self, reply: Reply) -> None:
        """Do what uvicorn does from here to the last of an answer."""
        self._unread_bytes = 0
        self._answered += 1
        self._is_timed = False
        self.server_state.total_requests += 1
        self.cycle = _ANSWERED
        # Asked for once: it takes as long as all that is read of a request, and a client has one version.
        self._http_version = self._http_version or self.parser.get_http_version()
        self._write(reply, keep_alive=self._http_version != "1.0" and self.parser.should_keep_alive())

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        promised, self._promised = self._promised, None
        super()._start_asgi_task(cycle, app if promised is None else self._keeping(cycle, promised))

    def _keeping(self, cycle: RequestResponseCycle, promised: Coroutine[None, None, Reply]) -> Any:
        async def keep(_scope: Any, _receive: Any, _send: Any) -> None:
            reply = await promised
            cycle.response_started = cycle.response_complete = True
            if not cycle.disconnected:
                self._write(reply, keep_alive=cycle.keep_alive)
                cycle.on_response()

        return keep

    def _write(self, reply: Reply, *, keep_alive: bool) -> None:
        end = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
        # The fields that uvicorn adds to every answer; it makes a new list of them each second.
        headers, date = self._dated
        if headers is not self.server_state.default_headers:
            date = self._date()
        self.transport.write(b"".join([STATUS_LINE[reply.status], date, reply.fields, end, reply.body]))
        if not keep_alive:
            self.transport.close()

    def _date(self) -> bytes:
        headers = self.server_state.default_headers
        date = b"".join([b"%b: %b\r\n" % header for header in headers])
        self._dated = (headers, date)
        return date


async def _fail(error: Exception) -> Reply:
    """uvicorn logs what a task raises, and answers 500."""
    raise error

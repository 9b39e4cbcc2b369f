"""A connection on which what can be answered at once is: without a task, without messages.

uvicorn gives every request a task and takes the answer in two messages, whose header fields it reads again: for a
sub-request that is as much work as all of its cryptography. An application that offers `at_once` is asked first, in
the moment when a request's headers are complete. Whatever it leaves, and whatever comes while another request is under
way or the client does not read, goes uvicorn's way.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from credenza.cli.connection import Connection
from credenza.gate.answers import Reply

AtOnce: TypeAlias = Callable[[bytes, Any], Reply | Coroutine[None, None, Reply] | None]
"""Takes the target of a GET and its scope, in which `headers`, `scheme` and `client` are told."""


class _Answered:
    """Stands for a request that is over, where uvicorn looks for the last one."""

    response_complete = True
    response_started = True
    disconnected = False

    class message_event:  # noqa: N801 - as uvicorn calls it
        @staticmethod
        def set() -> None:
            """Nobody waits."""


class QuickConnection(Connection):
    def __init__(self, *arguments: Any, at_once: AtOnce, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._at_once = at_once
        self._promised: Coroutine[None, None, Reply] | None = None

    def on_headers_complete(self) -> None:
        answer = self._ask() if self._is_free else None
        if isinstance(answer, Reply):
            self._answer(answer)
            return
        self._promised = answer
        super().on_headers_complete()

    def _ask(self) -> Reply | Coroutine[None, None, Reply] | None:
        try:
            return self._at_once(self.url, self.scope)
        except Exception as error:  # noqa: BLE001 - thrown here it would look like a fault of the request
            return _fail(error)

    @property
    def _is_free(self) -> bool:
        """Whether a GET that has come may be answered now. A client that does not read must not make us pile up."""
        return self._unfinished_cycle is None and not self.flow.write_paused and self.parser.get_method() == b"GET"

    def _answer(self, reply: Reply) -> None:
        """Do what uvicorn does from here to the last of an answer."""
        self._unread_bytes = 0
        self._wait(self._limits.body_s)
        self._answered += 1
        self.server_state.total_requests += 1
        self.cycle = _Answered()  # type: ignore[assignment] # what is asked of a cycle that is over
        self.headers = []
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        self._write(reply, keep_alive=keep_alive)

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
        dated = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        self.transport.write(b"".join([STATUS_LINE[reply.status], *dated, reply.fields, end, reply.body]))
        if not keep_alive:
            self.transport.close()


async def _fail(error: Exception) -> Reply:
    """uvicorn logs what a task raises, and answers 500."""
    raise error

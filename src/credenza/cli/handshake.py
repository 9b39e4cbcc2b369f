"""The TLS handshake of a listener's connection (RFC 8446 4, RFC 5246 7), before there is any HTTP on it.

asyncio gives a handshake a minute and keeps it to itself until it is done, so a client that never finishes one would
cost nothing and count nowhere. Here every connection counts from the moment it is made, has the deadline of a request's
head, and makes room for others as all do. Each handshake takes the context of its moment: whom to trust, and the
server's own certificate, may have changed since the last.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from math import inf
from types import coroutine
from typing import Any, TypeAlias

from uvicorn.config import Config
from uvicorn.server import ServerState

from credenza.cli.connection import Connection, Limits
from credenza.cli.room import Guest, make_room

Contexts: TypeAlias = Callable[[], ssl.SSLContext]


class Handshake(asyncio.Protocol, Guest):
    """Becomes the connection that `http` makes. The first four arguments are what uvicorn gives to every protocol."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        contexts: Contexts,
        http: Callable[..., Connection],
        limits: Limits,
    ) -> None:
        self._make_http: Callable[[], Connection] = partial(
            http, config=config, server_state=server_state, app_state=app_state, _loop=_loop
        )
        self._loop = _loop or asyncio.get_running_loop()
        self._connections: set[Any] = server_state.connections
        self._contexts = contexts
        self._limits = limits
        self._early: list[bytes] = []
        self._deadline = inf
        self.waiting_since = inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # a stream's
        self._transport = transport
        self._connections.add(self)
        self.waiting_since = self._loop.time()
        self._deadline = self.waiting_since + self._limits.head_s
        if len(self._connections) > self._limits.connections and not make_room(self._connections, self, str(self)):
            self.end()
            return
        # Up to its first wait, it runs here and now: bytes that came meanwhile would else be taken for HTTP.
        begun = self._shake_hands(transport)
        with suppress(StopIteration):
            rest = _go_on(begun, begun.send(None))
            self._task: asyncio.Task[None] = self._loop.create_task(rest)

    def data_received(self, data: bytes) -> None:
        # The request may come in one segment with the end of the handshake.
        self._early.append(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._connections.discard(self)

    @property
    def is_waiting(self) -> bool:
        return not self._transport.is_closing()

    def check_deadlines(self, now: float) -> None:
        if now >= self._deadline:
            self.end()

    def end(self) -> None:
        self._transport.abort()

    def shutdown(self) -> None:
        """uvicorn's word for the server's end."""
        self.end()

    def __str__(self) -> str:
        return str(self._transport.get_extra_info("sockname"))

    async def _shake_hands(self, transport: asyncio.Transport) -> None:
        try:
            secured = await self._loop.start_tls(
                transport,
                self,
                self._contexts(),
                server_side=True,
                # Ours comes first.
                ssl_handshake_timeout=2 * self._limits.head_s,
                ssl_shutdown_timeout=self._limits.head_s,
            )
        except OSError:  # of TLS, or of the network: the client has been told, or is gone
            secured = None
        finally:
            self._connections.discard(self)
        proven = None if secured is None else secured.get_extra_info("ssl_object")
        if secured is not None and proven is not None:  # uvloop knows of none where we have closed meanwhile
            self._hand_over(secured, proven.getpeercert(binary_form=True) or b"")

    def _hand_over(self, secured: asyncio.Transport, certificate: bytes) -> None:
        http = self._make_http()
        http.client_certificate = certificate
        secured.set_protocol(http)
        http.connection_made(secured)
        for data in self._early:
            http.data_received(data)


@coroutine
def _go_on(begun: Coroutine[Any, Any, None], waiting_for: Any) -> Generator[Any, Any, None]:
    """Do for a coroutine that has begun, and waits, what `await` does for one that has not (PEP 380)."""
    with suppress(StopIteration):
        while True:
            try:
                sent = yield waiting_for
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's to deal with
                waiting_for = begun.throw(error)
            else:
                waiting_for = begun.send(sent)

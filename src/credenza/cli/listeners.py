"""Sockets and the servers on them: bound once by the parent, shared by its worker processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from credenza.cli.connection import Connection, Limits
from credenza.cli.forms import FormConnection, Forms
from credenza.cli.handshake import Handshake
from credenza.cli.held_writes import HeldWrites
from credenza.cli.quick import QuickConnection
from credenza.cli.room import Guest
from credenza.cli.tls import ClientTrust, TlsContexts
from credenza.domain.model import EnvironmentName
from credenza.gate.token_request import LONGEST_FORM

_BACKLOG = 2048
_SHUTDOWN_S = 10
_TICKS_PER_LOOK = 5  # of a tenth of a second
_USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Listener:
    """Where one application is served. `bind` is `host:port` or `unix:/path`. With TLS, the clients of `environment`
    are asked for certificates."""

    name: str
    bind: str
    certificate: Path | None = None
    private_key: Path | None = None
    environment: EnvironmentName | None = None

    @property
    def is_socket(self) -> bool:
        return self.bind.startswith("unix:")


def bind(listener: Listener) -> socket.socket:
    """Bind a listening socket. Raises OSError whose text names the listener and the address."""
    try:
        return _bind_unix(listener.bind[5:]) if listener.is_socket else _bind_tcp(listener.bind)
    except OSError as error:
        raise OSError(error.errno, f"{listener.name} cannot listen on {listener.bind}: {error.strerror}") from error


def _bind_tcp(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, int(port)))
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def _bind_unix(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(Path(path).stat().st_mode):
            Path(path).unlink()  # what a killed server left behind
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(path)
        os.chmod(path, 0o660)  # noqa: PTH101 - a socket, by the name it was bound to
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


class _Server(uvicorn.Server):
    """uvicorn, with signals left to the process that runs several of it, and an eye on clients that take too long."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_LOOK == 0:
            now = asyncio.get_running_loop().time()
            for connection in tuple(self.server_state.connections):
                assert isinstance(connection, Guest), "made by make_server"
                connection.check_deadlines(now)
        return await super().on_tick(counter)


def make_server(
    listener: Listener, app: Any, limits: Limits = _USUAL, clients: ClientTrust | None = None
) -> uvicorn.Server:
    """`clients` tells which client certificates are asked for, where the listener has TLS."""
    return _Server(
        uvicorn.Config(
            app,
            http=_protocol(listener, app, limits, clients),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
    )


def _protocol(listener: Listener, app: Any, limits: Limits, clients: ClientTrust | None) -> Any:
    http = _connection(app, limits)
    if listener.certificate is None or listener.private_key is None:
        return http
    contexts = TlsContexts(listener.certificate, listener.private_key, clients)
    return partial(Handshake, contexts=contexts, http=http, limits=limits)


def _connection(app: Any, limits: Limits) -> Any:
    """What makes a connection to an application: a quick one where it can answer at once."""
    writes = HeldWrites()
    if targets := getattr(app, "forms", None):
        forms = Forms(targets, LONGEST_FORM, app.form_at_once, getattr(app, "get_at_once", None))
        return partial(FormConnection, limits=limits, writes=writes, forms=forms)
    if at_once := getattr(app, "at_once", None):
        return partial(QuickConnection, limits=limits, writes=writes, at_once=at_once)
    return partial(Connection, limits=limits, writes=writes)


async def serve(servers: Sequence[tuple[uvicorn.Server, socket.socket]], stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set or one server ends, then let all finish what they have begun."""
    tasks = [asyncio.create_task(server.serve(sockets=[bound])) for server, bound in servers]
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopping.set()  # whoever holds an answer open ends it now
    for server, _ in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)
    stop.cancel()

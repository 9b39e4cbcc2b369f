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
from math import ceil
from pathlib import Path
from typing import Any

import uvicorn

from credenza.cli.connection import Connection, Limits
from credenza.cli.quick import QuickConnection

_BACKLOG = 2048
_SHUTDOWN_S = 10
_TICKS_PER_LOOK = 5  # of a tenth of a second
_USUAL = Limits()
# RFC 9325 4.2, which FAPI 2.0 5.2.2 makes binding, as far as Python can offer it. TLS 1.3 has no others.
_TLS12_SUITES = "ECDHE+AESGCM"


@dataclass(frozen=True, slots=True)
class Listener:
    """Where one application is served. `bind` is `host:port` or `unix:/path`."""

    name: str
    bind: str
    certificate: Path | None = None
    private_key: Path | None = None


def bind(listener: Listener) -> socket.socket:
    """Bind a listening socket. Raises OSError whose text names the listener and the address."""
    try:
        return _bind_unix(listener.bind[5:]) if listener.bind.startswith("unix:") else _bind_tcp(listener.bind)
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
                assert isinstance(connection, Connection), "made by make_server"
                connection.check_deadlines(now)
        return await super().on_tick(counter)


def make_server(listener: Listener, app: Any, limits: Limits = _USUAL) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app,
            http=_connection(app, limits),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=ceil(limits.idle_s),
            timeout_graceful_shutdown=_SHUTDOWN_S,
            ssl_certfile=listener.certificate,
            ssl_keyfile=listener.private_key,
            ssl_ciphers=_TLS12_SUITES,
        )
    )


def _connection(app: Any, limits: Limits) -> Any:
    """What makes a connection to an application: a quick one where it can answer at once."""
    at_once = getattr(app, "at_once", None)
    return (
        partial(Connection, limits=limits)
        if at_once is None
        else partial(QuickConnection, limits=limits, at_once=at_once)
    )


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

"""Sockets and the servers on them: bound once by the parent, shared by its worker processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

_BACKLOG = 2048
_SHUTDOWN_S = 10


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
    """uvicorn, with signals left to the process that runs several of it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # chosen by what is installed
    """HTTP/1.1 as uvicorn speaks it, but trailers are dropped.

    Left alone, they are appended to the headers that the application has (RFC 9110 6.5.1 keeps the two apart), and come
    in time when a request fits into one segment: behind the X-Forwarded-For of a trusted proxy, for one.
    """

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.headers: list[tuple[bytes, bytes]] = []  # the scope keeps the list there was


def make_server(listener: Listener, app: Any) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=65,
            timeout_graceful_shutdown=_SHUTDOWN_S,
            h11_max_incomplete_event_size=64 * 1024,
            ssl_certfile=listener.certificate,
            ssl_keyfile=listener.private_key,
        )
    )


async def serve(servers: Sequence[tuple[uvicorn.Server, socket.socket]], stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set or one server ends, then let all finish what they have begun."""
    tasks = [asyncio.create_task(server.serve(sockets=[bound])) for server, bound in servers]
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for server, _ in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)
    stop.cancel()

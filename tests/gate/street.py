"""Servers on a real street: uvicorn in a thread, an upstream that tells what it received, and raw HTTP to call them."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from credenza.cli import listeners
from credenza.cli.listeners import Listener
from credenza.cli.tls import ClientTrust

HOST = "127.0.0.1"


@contextmanager
def served(
    app: Any,
    *opened: AbstractAsyncContextManager[Any],
    listener: Listener = Listener("street", HOST),
    clients: ClientTrust | None = None,
) -> Iterator[int]:
    """Serve an ASGI app as `credenza serve` does, with what has to be opened on its event loop. Yields the port."""
    with socket.create_server((HOST, 0)) as bound, served_on(bound, app, *opened, listener=listener, clients=clients):
        yield bound.getsockname()[1]


@contextmanager
def served_on(
    bound: socket.socket,
    app: Any,
    *opened: AbstractAsyncContextManager[Any],
    listener: Listener = Listener("street", HOST),
    clients: ClientTrust | None = None,
) -> Iterator[None]:
    server = listeners.make_server(listener, app, clients=clients)

    async def run() -> None:
        async with AsyncExitStack() as stack:
            for each in opened:
                await stack.enter_async_context(each)
            await server.serve(sockets=[bound])

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=60)


@dataclass
class Upstream:
    """Answers with what it received, as JSON; `/status/204` and the like with that status, and so on below."""

    seen: list[dict[str, Any]] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)
    working: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        told = {
            "method": scope["method"],
            "target": (scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")).decode(),
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
            "body": body.decode("latin-1"),
        }
        self.seen.append(told)
        path = scope["path"]
        if path.endswith("/slow"):
            self.working.set()
            while (await receive())["type"] != "http.disconnect":
                continue
            self.cancelled.set()
            return
        if path.endswith("/stream"):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
            for chunk in (b"one,", b"two,", b"three"):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        if path.endswith("/breaks"):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            return
        status = int(path.rpartition("/")[2]) if "/status/" in path else 200
        answer = b"" if status in (204, 304) else json.dumps(told).encode()
        headers = [(b"content-type", b"application/json"), (b"x-from-upstream", b"yes"), (b"set-cookie", b"a=1")]
        headers += [(b"set-cookie", b"b=2"), (b"connection", b"x-hop"), (b"x-hop", b"1"), (b"keep-alive", b"timeout=5")]
        headers += [] if status in (204, 304) else [(b"content-length", str(len(answer)).encode())]
        if path.endswith("/redirect"):
            status, headers = 302, [(b"location", b"/elsewhere"), *headers]
        if path.endswith("/gzip"):
            headers.append((b"content-encoding", b"gzip"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


@dataclass(frozen=True)
class Response:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) < 2, f"{name} comes {len(values)} times"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        (error,) = self.json()["Errors"]["Error"]
        return error


def send_raw(port: int, request: bytes, *, body_later: bytes | None = None) -> Response:
    """Send bytes as they are, and read one answer. `body_later` goes after the server has said 100 Continue."""
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(request)
        file = connection.makefile("rb")
        if body_later is not None:
            interim = file.readline()
            if b" 100 " in interim:
                file.readline()
                connection.sendall(body_later)
            else:
                return _response(file, interim, request)
        return _response(file, file.readline(), request)


def _response(file: Any, status_line: bytes, request: bytes) -> Response:
    status = int(status_line.split(b" ")[1])
    headers: list[tuple[str, str]] = []
    while (line := file.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        headers.append((name.decode("latin-1").lower(), value.strip().decode("latin-1")))
    return Response(status, headers, b"" if request.startswith(b"HEAD") else _content(file, dict(headers), status))


def _content(file: Any, headers: dict[str, str], status: int) -> bytes:
    if status in (204, 304):
        return b""
    if "content-length" in headers:
        return bytes(file.read(int(headers["content-length"])))
    body = b""
    while (length := int(file.readline() or b"0", 16)) > 0:
        body += file.read(length)
        file.readline()
    file.readline()
    return body


def request(
    port: int,
    method: str,
    target: str,
    headers: list[tuple[str, str]] | tuple[tuple[str, str], ...] = (),
    body: bytes | None = None,
    *,
    host: str = "api.example.com",
) -> Response:
    """Send a request, its target and header names spelt as given."""
    fields = [("Host", host), *headers]
    if body is not None:
        fields.append(("Content-Length", str(len(body))))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    return send_raw(port, head.encode("latin-1") + (body or b""))

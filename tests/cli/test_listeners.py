"""What the servers behind every listener do with HTTP before an application sees it."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from credenza.cli import listeners
from credenza.cli.listeners import Listener

HEAD = b"POST /orders HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n"
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"


async def mirror(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the type of the scope and its headers."""
    while (await receive()).get("more_body"):
        continue
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps([scope["type"], headers]).encode()})


@pytest.fixture
def port() -> Iterator[int]:
    listener = Listener("mirror", "127.0.0.1:0")
    with listeners.bind(listener) as bound:
        server = listeners.make_server(listener, mirror)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])), daemon=True)
        thread.start()
        yield bound.getsockname()[1]
        server.should_exit = True
        thread.join(timeout=60)


def mirrored(port: int, request: bytes) -> tuple[str, list[list[str]]]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        body = connection.makefile("rb").read().partition(b"\r\n\r\n")[2]
    content = body.split(b"\r\n")[1] if body[:1] != b"[" else body  # in chunks, or not
    kind, headers = json.loads(content)
    return kind, headers


def test_a_trailer_is_no_header_though_it_comes_in_one_segment_with_them(port: int) -> None:
    _, headers = mirrored(port, HEAD + CHUNKS + b"X-Forwarded-For: 203.0.113.9\r\nX-Late: 1\r\n\r\n")

    assert [value for name, value in headers if name == "x-forwarded-for"] == ["192.0.2.1"]
    assert "x-late" not in [name for name, _ in headers]


def test_an_upgrade_to_websocket_is_an_ordinary_request(port: int) -> None:
    fields = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    request = HEAD.replace(b"POST", b"GET").replace(b"close", b"Upgrade, close") + fields + b"\r\n"

    assert mirrored(port, request)[0] == "http"

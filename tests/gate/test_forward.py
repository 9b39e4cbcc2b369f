"""What happens to an admitted call whose upstream is down, silent or strange. The upstreams here speak raw TCP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.gate.scene import AUTHORITY, ORDER, SANDBOX, desk, furnished
from tests.gate.street import HOST, Response, request, served
from tests.servers import free_port

from credenza.gate.app import GateApp, Origin
from credenza.gate.forward import Forwarder, passed_back, passed_on

Talk = Callable[[socket.socket], None]


@contextmanager
def raw_upstream(talk: Talk) -> Iterator[int]:
    """A server that says what `talk` says to every connection."""
    listening = socket.create_server((HOST, 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(timeout=5)


def call_through(directory: Path, upstream_port: int, *, timeout_s: float = 60.0) -> Response:
    with furnished(directory, f"http://{HOST}:{upstream_port}") as scene:
        forwarder = Forwarder(timeout=timedelta(seconds=timeout_s))
        app = GateApp(Origin.parse(SANDBOX, f"https://{AUTHORITY}"), desk(scene), forwarder)
        with served(app, forwarder) as port:
            return request(port, "GET", "/orders/1", [("Authorization", scene.add_key().sign("GET", ORDER))])


def test_an_upstream_that_is_down_is_502(tmp_path: Path) -> None:
    response = call_through(tmp_path, free_port())

    assert response.status == 502
    assert response.error["ReasonCode"] == "UPSTREAM_UNREACHABLE"
    assert response.error["Source"] == "Gateway"
    assert response.header("credenza-refusal-id")


def test_an_upstream_that_hangs_up_is_502(tmp_path: Path) -> None:
    with raw_upstream(lambda connection: None) as port:
        response = call_through(tmp_path, port)

    assert response.status == 502


def test_an_upstream_that_speaks_no_http_is_502(tmp_path: Path) -> None:
    with raw_upstream(lambda connection: connection.sendall(b"220 mail.example.com ESMTP\r\n")) as port:
        response = call_through(tmp_path, port)

    assert response.status == 502


def test_an_upstream_that_says_nothing_is_504(tmp_path: Path) -> None:
    def keep_silent(connection: socket.socket) -> None:
        while connection.recv(65_536):
            continue

    with raw_upstream(keep_silent) as port:
        response = call_through(tmp_path, port, timeout_s=0.3)

    assert response.status == 504
    assert response.error["ReasonCode"] == "UPSTREAM_TIMEOUT"


def test_a_header_goes_on_as_often_as_it_came_and_in_order() -> None:
    headers = [(b"accept", b"a"), (b"x-tag", b"1"), (b"x-tag", b"2"), (b"cookie", "é".encode())]

    assert passed_on(headers) == headers


def test_what_belongs_to_one_connection_ends_here_in_both_directions() -> None:
    headers = [(b"connection", b"close, X-Hop"), (b"x-hop", b"1"), (b"upgrade", b"h2c"), (b"te", b"trailers")]
    headers += [(b"connection", b"x-other"), (b"x-other", b"1"), (b"transfer-encoding", b"chunked")]

    assert passed_on(headers) == []
    assert passed_back([*headers, (b"date", b"today"), (b"server", b"x")]) == [(b"server", b"x")]

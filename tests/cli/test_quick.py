"""Answers without a task: the same bytes in the same order as uvicorn's, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from credenza.cli import listeners
from credenza.cli.listeners import Listener
from credenza.gate.answers import Reply, reply

PATIENCE_S = 120


class Application:
    """`/quick`, `/later` and `/broken` are offered at once; all else goes uvicorn's way and says so."""

    LARGE = b"x" * 50_000_000

    def __init__(self) -> None:
        self.stuck = False
        self.released = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    def at_once(self, target: bytes, _headers: Any, _scheme: str) -> Reply | Coroutine[None, None, Reply] | None:
        match target:
            case b"/quick":
                return _said("quick")
            case b"/large":
                self.stuck = True
                return Reply(200, b"content-length: %d\r\n" % len(self.LARGE), self.LARGE)
            case b"/later":
                return self._later()
            case b"/broken":
                raise ZeroDivisionError
        return None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.loop = asyncio.get_running_loop()
        if scope["path"] == "/slow":
            await self.released.wait()
        body = self.LARGE if scope["path"] == "/large" else b"slow"
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _later(self) -> Reply:
        await asyncio.sleep(0.01)
        return _said("later")

    def release(self) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.released.set)


def _said(text: str) -> Reply:
    return reply(200, [("X-Said", text)], text.encode())


class Client:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.file = self.socket.makefile("rb")

    def send(self, *requests: bytes) -> None:
        self.socket.sendall(b"".join(requests))

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self.file.readline().split()[1])
        headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, self.file.read(int(headers["content-length"]))

    def said(self) -> str:
        return self.answer()[2].decode()

    def is_closed(self) -> bool:
        return self.file.read(1) == b""

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def client(application: Application) -> Iterator[Client]:
    listener = Listener("place", "127.0.0.1:0")
    with listeners.bind(listener) as bound:
        server = listeners.make_server(listener, application)

        def run() -> None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(server.serve(sockets=[bound]))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        client = Client(bound.getsockname()[1])
        yield client
        client.close()
        server.should_exit = True
        thread.join(timeout=PATIENCE_S)


def get(target: str, *headers: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"GET {target} HTTP/{version}", "Host: a", *headers, "", ""]).encode()


def test_a_quick_answer_has_its_own_fields_and_the_date(client: Client) -> None:
    client.send(get("/quick"))

    status, headers, body = client.answer()

    assert (status, body) == (200, b"quick")
    assert headers["x-said"] == "quick"
    assert headers["date"].endswith(" GMT")
    assert "connection" not in headers
    assert "transfer-encoding" not in headers


def test_a_connection_takes_quick_and_other_requests_in_turn(client: Client) -> None:
    for target, said in (("/quick", "quick"), ("/else", "slow"), ("/quick", "quick"), ("/later", "later")):
        client.send(get(target))
        assert client.said() == said


def test_what_is_pipelined_is_answered_in_order_however_much_it_is(client: Client, application: Application) -> None:
    client.send(get("/slow"), get("/quick") * 1_500, get("/later"), get("/else"))
    while application.loop is None:
        threading.Event().wait(0.01)
    client.send(get("/quick"))
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):  # nothing overtakes the first one
        client.socket.recv(1)
    client.socket.settimeout(PATIENCE_S)
    client.file = client.socket.makefile("rb")
    application.release()

    # Behind one that is slow, even those that could be quick go uvicorn's way.
    assert [client.said() for _ in range(1_504)] == ["slow"] * 1_504


def test_quick_ones_alone_may_be_pipelined(client: Client) -> None:
    client.send(get("/quick") * 1_000)

    assert [client.said() for _ in range(1_000)] == ["quick"] * 1_000


@pytest.mark.parametrize("target", ["/quick", "/later"])
@pytest.mark.parametrize(
    "last", [{"version": "1.0"}, {"headers": ["Connection: close"]}], ids=["HTTP/1.0", "Connection: close"]
)
def test_a_connection_ends_when_its_client_wants_that(client: Client, target: str, last: dict[str, Any]) -> None:
    client.send(get(target, *last.get("headers", []), version=last.get("version", "1.1")))

    assert client.answer()[1]["connection"] == "close"
    assert client.is_closed()


def test_a_body_that_nobody_reads_is_no_next_request(client: Client) -> None:
    client.send(get("/quick", "Content-Length: 30"), b"GET /else HTTP/1.1\r\nHost: a\r\n\r\n"[:30])
    assert client.said() == "quick"

    client.send(get("/quick"))
    assert client.said() == "quick"


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_only_a_get_is_quick(client: Client, method: str) -> None:
    client.send(get("/quick").replace(b"GET", method.encode()))

    assert "x-said" not in client.answer()[1]


def test_a_fault_of_ours_is_500_and_not_a_fault_of_the_request(client: Client) -> None:
    client.send(get("/broken"))

    assert client.answer()[0] == 500


def test_while_the_client_does_not_read_nothing_is_answered_at_once(client: Client, application: Application) -> None:
    """uvicorn lets such a request wait, and those behind it on their way; answers at once would pile up."""
    client.send(get("/large"))
    while not application.stuck:
        threading.Event().wait(0.01)

    client.send(get("/quick"))
    assert len(client.answer()[2]) == len(application.LARGE)
    assert client.said() == "slow"

    client.send(get("/quick"))
    assert client.said() == "quick"


def test_a_value_that_would_end_its_line_is_not_sent() -> None:
    with pytest.raises(ValueError, match="control characters"):
        reply(200, [("X-Said", "a\r\nX-Other: b")], b"")

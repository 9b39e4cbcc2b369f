"""Clients that are slow, endless or many hold nothing up: real sockets against a real server, with short deadlines."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
import uvloop

from credenza.cli import listeners
from credenza.cli.connection import Limits
from credenza.cli.listeners import Listener
from credenza.gate.answers import Reply

SHORT = Limits(head_s=0.5, body_s=0.5, idle_s=0.5, head_bytes=16_384, connections=1_000)
PATIENT = Limits(head_s=60, body_s=60, idle_s=60, head_bytes=16_384, connections=1_000)
GOOD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BEGUN = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
PATIENCE_S = 120
MANY = 500


class Application:
    """Answers with the length of the body; `/slow` when it is told to, `/early` before it has read, `/large` a lot."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.gone = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        length = 0
        while scope["path"] != "/early":
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                return
            length += len(message["body"])
            if not message["more_body"]:
                break
        if scope["path"] == "/slow":
            self.waiting.release()
        while scope["path"] == "/slow" and not self.released.is_set():
            await asyncio.sleep(0.01)
        body = b"x" * 20_000_000 if scope["path"] == "/large" else b"%d" % length
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[:10], "more_body": True})
        await send({"type": "http.response.body", "body": body[10:]})


class QuickApplication(Application):
    """One that answers most of these requests without a task."""

    def at_once(self, target: bytes, _headers: Any, _scheme: str) -> Reply | None:
        return Reply(200, b"content-length: 1\r\n", b"0") if target == b"/" else None


BOTH_KINDS = [pytest.param(Application, id="by a task"), pytest.param(QuickApplication, id="at once")]


class Place:
    def __init__(self, port: int, application: Application, limits: Limits) -> None:
        self.port = port
        self.application = application
        self._limits = limits
        self._opened = ExitStack()

    def connect(self, sent: bytes = b"") -> socket.socket:
        """A connection whose first bytes are on their way in time: on a busy machine not every one is."""
        while True:
            began = time.monotonic()
            made = self._opened.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S))
            with suppress(ConnectionError):
                made.sendall(sent)
            if time.monotonic() - began < self._limits.head_s / 4:
                return made

    def close(self) -> None:
        self.application.released.set()
        self._opened.close()

    def answer(self, sent: bytes = GOOD) -> bytes:
        """What a well-behaved client gets."""
        return read_answer(self.connect(sent))


@contextmanager
def placed(limits: Limits, kind: type[Application] = Application) -> Iterator[Place]:
    listener, application = Listener("place", "127.0.0.1:0"), kind()
    with listeners.bind(listener) as bound:
        server = listeners.make_server(listener, application, limits)

        def run() -> None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(server.serve(sockets=[bound]))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        place = Place(bound.getsockname()[1], application, limits)
        try:
            yield place
        finally:
            place.close()
            server.should_exit = True
            thread.join(timeout=PATIENCE_S)


@pytest.fixture(params=BOTH_KINDS)
def short(request: pytest.FixtureRequest) -> Iterator[Place]:
    with placed(SHORT, request.param) as place:
        yield place


@pytest.fixture(params=BOTH_KINDS)
def patient(request: pytest.FixtureRequest) -> Iterator[Place]:
    with placed(PATIENT, request.param) as place:
        yield place


def read_answer(connection: socket.socket) -> bytes:
    """The status line of the next answer, and its body read."""
    file = connection.makefile("rb")
    status = bytes(file.readline().strip())
    length = 0
    while (line := file.readline().strip()) != b"":
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    file.read(length)
    return status


def read_to_the_end(connection: socket.socket) -> bytes:
    """Everything until the server closes; a reset is a close as well."""
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def dribble(connection: socket.socket, byte: bytes) -> bytes:
    """Send a byte now and then until the server closes; what it said."""
    connection.settimeout(0.05)
    received = b""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            connection.sendall(byte)
            chunk = connection.recv(65_536)
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            return received
        if not chunk:
            return received
        received += chunk
    raise AssertionError("the connection was left open")


# ------------------------------------------------------------------------------------------------------------ slow


@pytest.mark.parametrize(
    ("sent", "byte"),
    [
        pytest.param(b"GET /", b"a", id="target"),
        pytest.param(BEGUN + b"X: ", b"a", id="header"),
        pytest.param(BEGUN, b"A:b\r\n", id="headers"),
    ],
)
def test_a_head_that_dribbles_in_ends_with_408(short: Place, sent: bytes, byte: bytes) -> None:
    assert dribble(short.connect(sent), byte).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("sent", "byte"),
    [
        pytest.param(POST + b"Content-Length: 1000\r\n\r\n", b"a", id="length"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", id="chunks"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a", id="chunk extension"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A:b\r\n", id="trailers"),
    ],
)
def test_a_body_that_dribbles_in_ends_with_408_and_the_application_is_told(
    short: Place, sent: bytes, byte: bytes
) -> None:
    assert dribble(short.connect(sent), byte).startswith(b"HTTP/1.1 408 ")
    assert short.application.gone.wait(PATIENCE_S)


def test_a_body_that_dribbles_in_after_its_answer_ends_without_another(short: Place) -> None:
    request = POST.replace(b"/ ", b"/early ") + b"Content-Length: 1000\r\n\r\n"

    assert dribble(short.connect(request), b"a").count(b"HTTP/1.1") == 1


def test_a_body_that_dribbles_in_after_an_answer_at_once_ends_as_well() -> None:
    with placed(replace(SHORT, idle_s=60, head_s=60), QuickApplication) as place:
        assert dribble(place.connect(BEGUN + b"Content-Length: 1000\r\n\r\n"), b"a").count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("byte", [b"", b"\r\n"], ids=["silence", "empty lines"])
@pytest.mark.parametrize("sent", [b"", GOOD], ids=["new", "kept alive"])
def test_a_connection_without_a_request_is_closed_without_a_word(short: Place, sent: bytes, byte: bytes) -> None:
    connection = short.connect(sent)
    if sent:
        assert read_answer(connection) == b"HTTP/1.1 200 OK"

    said = dribble(connection, byte) if byte else read_to_the_end(connection)

    assert said == b""


@pytest.mark.parametrize("kind", BOTH_KINDS)
def test_the_second_request_of_a_connection_has_a_deadline_of_its_own(kind: type[Application]) -> None:
    with placed(replace(SHORT, idle_s=60), kind) as place:
        connection = place.connect(GOOD)
        assert read_answer(connection) == b"HTTP/1.1 200 OK"

        assert dribble(connection, b"G").startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 "))


def test_an_answer_that_is_not_read_is_cut(short: Place) -> None:
    connection = short.connect(GOOD.replace(b"/ ", b"/large ", 1))
    time.sleep(SHORT.body_s * 4)  # not reading is what is tested; a busy machine may be later than this, never earlier

    assert len(read_to_the_end(connection)) < 20_000_000


def test_the_application_may_take_longer_than_any_client(short: Place) -> None:
    connection = short.connect(GOOD.replace(b"/ ", b"/slow ", 1))
    read_to_the_end(short.connect(BEGUN))  # so long does a slow client get
    read_to_the_end(short.connect(BEGUN))
    short.application.released.set()

    assert read_answer(connection) == b"HTTP/1.1 200 OK"


# ---------------------------------------------------------------------------------------------------------- endless


@pytest.mark.parametrize("at_once", [True, False], ids=["in one go", "in pieces"])
@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="target"),
        pytest.param(BEGUN + b"X: " + b"a" * 20_000 + b"\r\n\r\n", id="header"),
        pytest.param(BEGUN + b"A:b\r\n" * 1_000 + b"\r\n", id="headers"),
        pytest.param(BEGUN + b"X: " + b"a" * 20_000, id="header without an end"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"A:b\r\n" * 1_000, id="trailers"),
    ],
)
def test_a_head_that_is_too_long_ends_with_431(patient: Place, request_bytes: bytes, at_once: bool) -> None:
    connection = patient.connect()
    try:
        for piece in [request_bytes] if at_once else chunks(request_bytes, 500):
            connection.sendall(piece)
    except (ConnectionResetError, BrokenPipeError):
        pass  # it was told before it was ready

    said = read_to_the_end(connection)
    assert said == b"" or said.startswith(b"HTTP/1.1 431 ")  # nothing, when the reset was faster than the answer
    assert patient.answer() == b"HTTP/1.1 200 OK"


def test_the_refusal_of_a_long_head_says_why(patient: Place) -> None:
    said = read_to_the_end(patient.connect(BEGUN + b"X: " + b"a" * 17_000))

    assert said.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert error_in(said) == ("HEADERS_TOO_LARGE", "The request line and headers are too long.")


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n", id="method"),
        pytest.param(b"GET / HTTP/1.1\r\nHost a\r\n\r\n", id="header without a colon"),
        pytest.param(POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na", id="two lengths"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 80, id="TLS"),
    ],
)
def test_what_is_no_http_is_told_so_in_the_envelope_of_errors(patient: Place, request_bytes: bytes) -> None:
    said = read_to_the_end(patient.connect(request_bytes))

    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\ncontent-type: application/json\r\n" in said
    assert error_in(said)[0] == "BAD_REQUEST"
    assert patient.answer() == b"HTTP/1.1 200 OK"


def test_a_long_body_is_no_long_head(patient: Place) -> None:
    for framing in (b"Content-Length: 500000\r\n\r\n" + b"a" * 500_000, chunked(b"a" * 500_000)):
        assert patient.answer(POST + framing) == b"HTTP/1.1 200 OK"


def test_many_requests_of_one_connection_are_not_one_long_head(patient: Place) -> None:
    connection = patient.connect()
    for _ in range(3):
        connection.sendall(BEGUN + b"X: " + b"a" * 10_000 + b"\r\n\r\n")
        assert read_answer(connection) == b"HTTP/1.1 200 OK"


def error_in(said: bytes) -> tuple[str, str]:
    (error,) = json.loads(said.partition(b"\r\n\r\n")[2])["Errors"]["Error"]
    return error["ReasonCode"], error["Description"]


def chunks(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


def chunked(body: bytes) -> bytes:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in chunks(body, 7_000))
    return b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


# ------------------------------------------------------------------------------------------------------------- many


SLOW: dict[str, Callable[[Place], socket.socket]] = {
    "heads": lambda place: place.connect(BEGUN),
    "bodies": lambda place: place.connect(POST + b"Content-Length: 1000\r\n\r\na"),
    "idle": lambda place: place.connect(GOOD),
    "silent": lambda place: place.connect(),
}


@pytest.mark.parametrize("kind", SLOW)
def test_good_requests_are_answered_beside_500_slow_clients_and_all_of_those_are_closed(kind: str) -> None:
    with placed(replace(SHORT, head_s=3, body_s=3, idle_s=3)) as place:
        slow = [SLOW[kind](place) for _ in range(MANY)]

        answers = {place.answer() for _ in range(20)}

        assert answers == {b"HTTP/1.1 200 OK"}
        said = [read_to_the_end(each) for each in slow]
        assert {each[:13] for each in said} == {"idle": {b"HTTP/1.1 200 "}, "silent": {b""}}.get(
            kind, {b"HTTP/1.1 408 "}
        )


@pytest.mark.parametrize("kind", SLOW)
def test_a_full_listener_closes_who_has_waited_longest_and_serves_who_comes(kind: str) -> None:
    with placed(replace(PATIENT, connections=100)) as place:
        slow = [SLOW[kind](place) for _ in range(MANY)]

        assert {place.answer() for _ in range(20)} == {b"HTTP/1.1 200 OK"}
        assert len(read_to_the_end(slow[0])) < 500  # closed, long before its deadline


def test_a_full_listener_that_is_busy_with_good_requests_refuses_newcomers_and_no_other(patient: Place) -> None:
    with placed(replace(PATIENT, connections=10)) as place:
        busy = [place.connect(GOOD.replace(b"/ ", b"/slow ", 1)) for _ in range(10)]
        assert all(place.application.waiting.acquire(timeout=PATIENCE_S) for _ in busy)
        said = read_to_the_end(place.connect())
        place.application.released.set()

        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1\r\n" in said
        assert {read_answer(each) for each in busy} == {b"HTTP/1.1 200 OK"}

"""Forms that are answered in the moment they are complete: the same answers in the same order as uvicorn's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.cli.test_quick import PATIENCE_S, Client, client, get

from credenza.gate.answers import Reply, reply
from credenza.gate.begun import begin
from credenza.gate.token_request import LONGEST_FORM

__all__ = ["client"]  # the fixture


class Application:
    """Says the form it is given at `/form` and `/later`, and who was asked: itself at once, or uvicorn's way. It takes
    the GET of `/read`, too, and leaves the form at `/left`."""

    forms = frozenset({b"/form", b"/later", b"/broken", b"/left"})
    loop: asyncio.AbstractEventLoop

    def form_at_once(self, target: bytes, headers: Any, form: bytes, scheme: str, peer: Any) -> Any:
        if target == b"/broken":
            raise ZeroDivisionError
        if target == b"/left":
            return None
        assert (scheme, peer[0], (b"host", b"a") in headers) == ("http", "127.0.0.1", True)
        return begin(self._said(form, wait=target == b"/later"))

    def get_at_once(self, target: bytes, headers: Any, scheme: str, peer: Any) -> Reply | None:
        if target != b"/read":
            return None
        assert (scheme, peer[0], (b"host", b"a") in headers) == ("http", "127.0.0.1", True)
        return reply(200, [("X-Way", "at once")], b"read")

    async def _said(self, form: bytes, *, wait: bool) -> Reply:
        if wait:
            await asyncio.sleep(0.01)
        return reply(200, [("X-Way", "at once")], form)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.loop = asyncio.get_running_loop()
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = [(b"content-length", b"%d" % len(body)), (b"x-way", b"uvicorn")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def application() -> Application:
    return Application()


def post(target: str, body: bytes, *headers: str, method: str = "POST", version: str = "1.1") -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "Host: a", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def way(client: Client) -> tuple[str, bytes]:
    status, headers, body = client.answer()
    assert status == 200
    return headers["x-way"], body


def look_around(loop: asyncio.AbstractEventLoop) -> None:
    """Returns when the server has read what was sent, however busy it is: what is sent next comes by itself."""
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), loop).result(PATIENCE_S)


def test_a_form_that_comes_whole_is_answered_at_once(client: Client) -> None:
    client.send(post("/form", b"a=1"))

    status, headers, body = client.answer()
    assert (status, headers["x-way"], body) == (200, "at once", b"a=1")
    assert headers["date"].endswith(" GMT")


def test_one_that_has_to_wait_is_waited_for(client: Client) -> None:
    client.send(post("/later", b"a=1"))

    assert way(client) == ("at once", b"a=1")


def test_forms_and_other_requests_are_answered_in_turn_and_when_pipelined(client: Client) -> None:
    requests = [("/form", b"a"), ("/later", b"b"), ("/else", b"c"), ("/form", b"d"), ("/form", b"e")]
    for target, body in requests:
        client.send(post(target, body))
        assert way(client)[1] == body

    client.send(*[post(target, body) for target, body in requests] * 50)
    assert [way(client)[1] for _ in range(250)] == [body for _, body in requests] * 50


def test_a_form_that_comes_in_parts_goes_uvicorns_way_whole(client: Client, application: Application) -> None:
    client.send(post("/else", b""))
    assert way(client) == ("uvicorn", b"")
    sent = post("/form", b"x" * 1000)
    for cut in (len(sent) - 1000, len(sent) - 500, len(sent) - 1):
        client.send(sent[:cut])
        look_around(application.loop)
        client.send(sent[cut:])
        assert way(client) == ("uvicorn", b"x" * 1000)

    client.send(sent)
    assert way(client) == ("at once", b"x" * 1000)


@pytest.mark.parametrize(
    "request_",
    [
        post("/form", b"a", method="PUT"),
        post("/form?b=1", b"a"),
        post("/form", b"a", "Expect: 100-continue"),
        b"POST /form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ],
    ids=["another method", "another target", "100-continue", "chunked"],
)
def test_what_is_no_short_form_goes_uvicorns_way(client: Client, request_: bytes) -> None:
    client.send(request_)
    if b"100-continue" in request_:
        assert client.file.readline() == b"HTTP/1.1 100 Continue\r\n"
        client.file.readline()

    assert way(client) == ("uvicorn", b"a")


def test_a_form_that_is_left_goes_uvicorns_way_whole(client: Client) -> None:
    for _ in range(2):
        client.send(post("/left", b"x" * 1000))
        assert way(client) == ("uvicorn", b"x" * 1000)

    client.send(*[post("/left", b"a"), post("/form", b"b"), post("/left", b"c")] * 20)
    assert [way(client)[1] for _ in range(60)] == [b"a", b"b", b"c"] * 20


def test_what_has_no_body_is_answered_at_once_where_that_is_offered(client: Client) -> None:
    for target, said in (("/read", ("at once", b"read")), ("/else", ("uvicorn", b"")), ("/read", ("at once", b"read"))):
        client.send(get(target))
        assert way(client) == said


def test_a_long_form_goes_uvicorns_way(client: Client) -> None:
    client.send(post("/form", b"x" * (LONGEST_FORM + 1)))

    assert way(client) == ("uvicorn", b"x" * (LONGEST_FORM + 1))


@pytest.mark.parametrize("target", ["/form", "/later"])
@pytest.mark.parametrize(
    ("headers", "version"), [((), "1.0"), (("Connection: close",), "1.1")], ids=["HTTP/1.0", "close"]
)
def test_a_connection_ends_when_its_client_wants_that(
    client: Client, target: str, headers: tuple[str, ...], version: str
) -> None:
    client.send(post(target, b"a", *headers, version=version))

    assert client.answer()[1]["connection"] == "close"
    assert client.is_closed()


def test_a_fault_of_ours_is_500_and_not_a_fault_of_the_request(client: Client) -> None:
    client.send(post("/broken", b"a"))

    assert client.answer()[0] == 500

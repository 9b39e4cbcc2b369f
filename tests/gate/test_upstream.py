"""HTTP/1.1 towards an upstream, on real sockets: what an answer is, when it is over, and what may follow."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from credenza.gate.body import Body
from credenza.gate.forward import Forwarder, UpstreamTimeout, UpstreamUnreachable

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Talk = Callable[["Talker"], Awaitable[None]]


class Talker:
    """The upstream's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heads: list[bytes]) -> None:
        self._reader = reader
        self._writer = writer
        self._heads = heads

    async def head(self) -> bytes:
        head = await self._reader.readuntil(b"\r\n\r\n")
        self._heads.append(head)
        return head

    async def read(self, count: int) -> bytes:
        return await self._reader.readexactly(count)

    async def say(self, *texts: bytes) -> None:
        for text in texts:
            self._writer.write(text)
            await self._writer.drain()
            await asyncio.sleep(0.001)

    async def hang_up(self) -> None:
        self._writer.close()

    async def until_gone(self) -> bytes:
        return await self._reader.read()


class Place:
    """An upstream that talks as it is told, and the forwarder before it. `heads` has what it was asked."""

    def __init__(self, url: str, forwarder: Forwarder, heads: list[bytes], connections: list[Talker]) -> None:
        self._url = url
        self._forwarder = forwarder
        self.heads = heads
        self.connections = connections

    async def ask(self, method: str = "GET", *, body: Body | None = None, **options: Any) -> Answer:
        answer = Answer(**options)
        await self.exchange(answer, method, body)
        return answer

    async def exchange(self, answer: Answer, method: str = "GET", body: Body | None = None) -> None:
        await self._forwarder.exchange(method, self._url, "/x?a=1", [(b"accept", b"*/*")], body, answer.send)

    async def send_header(self, value: bytes) -> None:
        await self._forwarder.exchange("GET", self._url, "/x", [(b"x-tag", value)], None, Answer().send)


class Answer:
    def __init__(self, *, pause_s: float = 0.0) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.is_whole = False
        self._pause_s = pause_s

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
            return
        if self._pause_s:
            await asyncio.sleep(self._pause_s)
        self.body += message["body"]
        self.is_whole = not message.get("more_body", False)


@asynccontextmanager
async def upstream(talk: Talk, *, timeout_s: float = 10.0) -> AsyncIterator[Place]:
    heads: list[bytes] = []
    connections: list[Talker] = []

    talking: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.add(asyncio.current_task())
        talker = Talker(reader, writer, heads)
        connections.append(talker)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await talk(talker)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with Forwarder(timeout=timedelta(seconds=timeout_s)) as forwarder:
            yield Place(f"http://127.0.0.1:{port}", forwarder, heads, connections)
        for task in filter(None, talking):
            task.cancel()
        await asyncio.gather(*filter(None, talking), return_exceptions=True)


def always(*texts: bytes) -> Talk:
    """Answer every request on every connection alike."""

    async def talk(talker: Talker) -> None:
        while True:
            await talker.head()
            await talker.say(*texts)

    return talk


def once(*texts: bytes) -> Talk:
    """Answer one request a connection, and hang up."""

    async def talk(talker: Talker) -> None:
        await talker.head()
        await talker.say(*texts)

    return talk


async def rest() -> None:
    """So many turns of the loop: on a busy machine what is due in one millisecond comes in the same turn as what is
    due in fifty."""
    for _ in range(10):
        await asyncio.sleep(0.005)


async def test_a_request_is_written_as_it_was_signed() -> None:
    async with upstream(always(OK)) as place:
        await place.ask()

        assert place.heads[0].startswith(b"GET /x?a=1 HTTP/1.1\r\nhost: 127.0.0.1:")
        assert place.heads[0].endswith(b"\r\naccept: */*\r\n\r\n")


@pytest.mark.parametrize(
    ("texts", "body"),
    [
        ((OK,), b"ok"),
        (tuple(OK[place : place + 1] for place in range(len(OK))), b"ok"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n3\r\nay!\r\n0\r\n\r\n",), b"okay!"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Late: 1\r\n\r\n",), b"ok"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", OK), b"ok"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",), b""),
    ],
    ids=["usual", "byte by byte", "chunked", "trailer", "informational", "empty"],
)
async def test_an_answer_comes_whole_and_its_connection_is_used_again(texts: tuple[bytes, ...], body: bytes) -> None:
    async with upstream(always(*texts)) as place:
        answers = [await place.ask(), await place.ask()]

        assert [(200, body, True)] * 2 == [(each.status, each.body, each.is_whole) for each in answers]
        assert len(place.connections) == 1
        names = {name for each in answers for name, _ in each.headers}
        assert names <= {b"content-length"}


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_an_answer_without_content_has_none_whatever_its_length_says(status: bytes) -> None:
    async with upstream(always(b"HTTP/1.1 " + status + b"\r\nETag: a\r\n\r\n")) as place:
        answers = [await place.ask(), await place.ask()]

        assert all(each.is_whole and each.body == b"" for each in answers)
        assert len(place.connections) == 1


async def test_an_answer_to_head_ends_with_its_headers() -> None:
    async with upstream(always(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")) as place:
        answers = [await place.ask("HEAD"), await place.ask("HEAD")]

        assert all(each.is_whole and each.body == b"" for each in answers)
        assert (b"content-length", b"100") in answers[0].headers


async def test_an_answer_of_unknown_length_lasts_until_the_upstream_hangs_up() -> None:
    async with upstream(once(b"HTTP/1.1 200 OK\r\n\r\none", b", two")) as place:
        answer = await place.ask()

        assert (answer.body, answer.is_whole) == (b"one, two", True)


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nno number\r\n",
    ],
    ids=["length", "chunks", "bad chunk"],
)
async def test_an_answer_that_breaks_off_is_not_whole(text: bytes) -> None:
    async with upstream(once(text)) as place:
        answer = await place.ask()

        assert (answer.status, answer.is_whole) == (200, False)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n" + b"X-Much: " + b"a" * 1000 + b"\r\n" + b"X-More: " + b"a" * 65_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=["nothing", "half a head", "101", "two framings", "two lengths", "negative", "bad name", "too much", "no HTTP"],
)
async def test_what_is_no_answer_is_an_upstream_that_cannot_be_reached(text: bytes) -> None:
    async with upstream(once(text)) as place:
        with pytest.raises(UpstreamUnreachable):
            await place.ask()


async def test_a_second_answer_to_one_request_is_never_taken_for_that_to_the_next() -> None:
    """Response splitting: what an upstream was made to say too much ends with the connection it came on."""
    stolen = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"
    async with upstream(always(OK + stolen)) as place:
        answers = [await place.ask() for _ in range(5)]

        assert [each.body for each in answers] == [b"ok"] * 5
        assert len(place.connections) == 5


async def test_what_comes_unasked_ends_the_connection() -> None:
    async with upstream(always(OK, b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")) as place:
        answers = []
        for _ in range(3):
            answers.append(await place.ask())
            await rest()

        assert [each.body for each in answers] == [b"ok"] * 3
        assert len(place.connections) == 3


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["close", "HTTP/1.0"],
)
async def test_a_connection_that_is_to_end_is_not_used_again(text: bytes) -> None:
    async with upstream(always(text)) as place:
        assert [(await place.ask()).body for _ in range(2)] == [b"ok"] * 2
        assert len(place.connections) == 2


async def test_a_connection_that_was_closed_while_nobody_used_it_is_not_used_again() -> None:
    async with upstream(once(OK)) as place:
        for _ in range(3):
            assert (await place.ask()).body == b"ok"
            await rest()


async def test_a_request_is_sent_once_even_if_its_connection_ends_with_it() -> None:
    """The upstream may have done what it was asked: RFC 9110 9.2.2 lets nobody ask again for the caller."""

    async def talk(talker: Talker) -> None:
        await talker.head()
        await talker.say(OK)
        await talker.head()

    async with upstream(talk) as place:
        await place.ask()
        with pytest.raises(UpstreamUnreachable):
            await place.ask()

        assert len(place.heads) == 2


async def test_calls_at_once_have_connections_of_their_own() -> None:
    async with upstream(always(OK)) as place:
        answers = await asyncio.gather(*(place.ask() for _ in range(10)))
        again = await asyncio.gather(*(place.ask() for _ in range(10)))

        assert all(each.body == b"ok" for each in [*answers, *again])
        assert len(place.connections) == 10


async def test_a_body_in_a_file_arrives_whole() -> None:
    content = bytes(range(256)) * 8_000
    received = []

    async def talk(talker: Talker) -> None:
        while True:
            await talker.head()
            received.append(await talker.read(len(content)))
            await talker.say(OK)

    async with upstream(talk) as place:
        for _ in range(2):
            with tempfile.TemporaryFile() as file:
                file.write(content)
                file.seek(0)
                answer = await place.ask("POST", body=Body(file, b"", len(content)))
            assert answer.body == b"ok"

        assert received == [content, content]
        assert len(place.connections) == 1


async def test_an_upstream_may_answer_before_it_has_read_all_and_then_its_connection_ends() -> None:
    async def talk(talker: Talker) -> None:
        await talker.head()
        await talker.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
        await talker.until_gone()

    async with upstream(talk) as place:
        for _ in range(2):
            with tempfile.TemporaryFile() as file:
                file.truncate(50_000_000)
                answer = await place.ask("POST", body=Body(file, b"", 50_000_000))
            assert (answer.status, answer.body, answer.is_whole) == (413, b"no", True)

        assert len(place.connections) == 2


async def test_an_upstream_that_is_silent_is_given_up() -> None:
    async def talk(talker: Talker) -> None:
        await talker.until_gone()

    async with upstream(talk, timeout_s=0.1) as place:
        with pytest.raises(UpstreamTimeout):
            await place.ask()


async def test_an_upstream_that_stops_reading_is_given_up() -> None:
    async def talk(talker: Talker) -> None:
        await talker.head()
        await asyncio.sleep(60)

    async with upstream(talk, timeout_s=0.3) as place:
        with tempfile.TemporaryFile() as file:
            file.truncate(50_000_000)
            with pytest.raises(UpstreamTimeout):
                await place.ask("POST", body=Body(file, b"", 50_000_000))


async def test_an_answer_that_stops_halfway_is_given_up_and_not_whole() -> None:
    async def talk(talker: Talker) -> None:
        await talker.head()
        await talker.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await talker.until_gone()

    async with upstream(talk, timeout_s=1) as place:
        answer = await place.ask()

        assert (answer.body, answer.is_whole) == (b"half", False)


async def test_an_answer_may_take_long_as_long_as_it_keeps_coming() -> None:
    async def talk(talker: Talker) -> None:
        await talker.head()
        await talker.say(b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n")
        for _ in range(25):
            await asyncio.sleep(0.1)
            await talker.say(b".")

    async with upstream(talk, timeout_s=2) as place:
        answer = await place.ask()

        assert (answer.body, answer.is_whole) == (b"." * 25, True)


async def test_a_client_that_reads_slowly_gets_all_of_it_and_is_not_the_upstreams_fault() -> None:
    content = bytes(range(256)) * 20_000
    text = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
    async with upstream(always(text + content), timeout_s=2) as place:
        answers = [await place.ask(pause_s=0.05), await place.ask()]

        assert all(each.is_whole and each.body == content for each in answers)


async def test_whoever_gives_up_closes_the_connection() -> None:
    gone = asyncio.Event()

    async def talk(talker: Talker) -> None:
        await talker.head()
        await talker.until_gone()
        gone.set()

    async with upstream(talk) as place:
        asking = asyncio.create_task(place.ask())
        while not place.heads:
            await asyncio.sleep(0.01)
        asking.cancel()

        await asyncio.wait_for(gone.wait(), 60)


@pytest.mark.parametrize("value", [b"a\r\nX-Other: b", b"a\nX-Other: b", b"a\rb", b"a\0b"])
async def test_a_header_that_would_end_its_line_is_not_sent(value: bytes) -> None:
    async with upstream(always(OK)) as place:
        with pytest.raises(UpstreamUnreachable):
            await place.send_header(value)

        assert place.heads == []


async def test_while_the_client_reads_nothing_little_is_taken_from_the_upstream() -> None:
    megabyte, said, reading = b"." * 1_000_000, 0, asyncio.Event()

    async def talk(talker: Talker) -> None:
        nonlocal said
        await talker.head()
        await talker.say(b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n")
        for _ in range(40):
            await talker.say(megabyte)
            said += 1

    class Slow(Answer):
        async def send(self, message: Any) -> None:
            await reading.wait()
            await super().send(message)

    async with upstream(talk) as place:
        answer = Slow()
        asking = asyncio.create_task(place.exchange(answer))
        before = -1
        while before != said or not place.heads:
            before = said
            await asyncio.sleep(0.3)
        assert said < 30
        reading.set()
        await asking

        assert (len(answer.body), answer.is_whole) == (40_000_000, True)

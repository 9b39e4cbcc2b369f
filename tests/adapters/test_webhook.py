"""Webhooks against real receivers: signed as Standard Webhooks has it, and never inside our own network (threat 20)."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError
from tests.adapters.certificates import client_context, server_context
from tests.servers import HOST, free_port

from credenza.adapters.undelivered import Away, Gone, Undelivered
from credenza.adapters.webhook import WebhookPoster

pytestmark = pytest.mark.anyio

SECRET = bytes(range(32))
IDENTITY = "0f0e0d0c-0b0a-4908-8706-050403020100"
BODY = json.dumps({"type": "webhook.test", "data": {}}).encode()
HERE = (ip_network("127.0.0.0/8"),)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    port: int
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0

    def url(self, host: str = HOST, scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/hook"


async def fine(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=204)


@asynccontextmanager
async def receiving(answer: Answer = fine, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver(free_port())

    async def take(request: web.Request) -> web.StreamResponse:
        receiver.calls.append((dict(request.headers), await request.read()))
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, receiver.port, ssl_context=tls)
    await site.start()
    try:
        yield receiver
    finally:
        await runner.cleanup()


def poster(**changed: Any) -> WebhookPoster:
    settings: dict[str, Any] = {
        "schemes": frozenset({"https", "http"}),
        "allowed": HERE,
        "timeout_s": 60.0,
        "context": ssl.create_default_context(),
    }
    return WebhookPoster(**{**settings, **changed})


async def post(url: str, **changed: Any) -> None:
    await poster(**changed).post(IDENTITY, url, secret=SECRET, body=BODY, now=datetime.now(UTC))


async def test_the_library_of_standard_webhooks_finds_the_signature_good() -> None:
    async with receiving() as receiver:
        await post(receiver.url())

    ((headers, body),) = receiver.calls
    library = Webhook("whsec_" + base64.b64encode(SECRET).decode())
    named = {name.lower(): value for name, value in headers.items()}
    assert library.verify(body, named) == json.loads(BODY)
    assert (named["webhook-id"], named["content-type"], named["user-agent"]) == (
        IDENTITY, "application/json", "Credenza",
    )  # fmt: skip
    with pytest.raises(WebhookVerificationError):
        library.verify(body + b" ", named)


async def test_it_speaks_tls_with_whom_it_trusts(tmp_path: Path) -> None:
    async with receiving(tls=server_context(tmp_path)) as receiver:
        await post(receiver.url(scheme="https"), context=client_context(tmp_path))
        with pytest.raises(Away):
            await post(receiver.url(scheme="https"))

    assert len(receiver.calls) == 1


async def test_plain_http_is_refused_unless_it_is_allowed() -> None:
    async with receiving() as receiver:
        with pytest.raises(Away):
            await post(receiver.url(), schemes=frozenset({"https"}))

    assert receiver.calls == []


# Every way to spell an address of this machine, of its networks or of somebody else's: 8080 stands for the canary.
SPELLINGS = [
    "http://127.0.0.1:8080/", "http://127.0.0.2:8080/", "http://127.1:8080/", "http://127.0.1:8080/",
    "http://2130706433:8080/", "http://0x7f000001:8080/", "http://0x7f.0.0.1:8080/", "http://0177.0.0.1:8080/",
    "http://017700000001:8080/", "http://127.0.0.1.:8080/", "http://0:8080/", "http://0.0.0.0:8080/",
    "http://0x0:8080/", "http://localhost:8080/", "http://LOCALHOST:8080/", "http://localhost.:8080/",
    "http://localhost%2e:8080/", "http://127%2e0%2e0%2e1:8080/", "http://①②⑦.⓪.⓪.①:8080/", "http://127。0。0。1:8080/",
    "http://[::1]:8080/", "http://[::]:8080/", "http://[0:0:0:0:0:0:0:1]:8080/", "http://[::ffff:127.0.0.1]:8080/",
    "http://[::ffff:7f00:1]:8080/", "http://[::ffff:0:127.0.0.1]:8080/", "http://[::127.0.0.1]:8080/",
    "http://[64:ff9b::127.0.0.1]:8080/", "http://[64:ff9b:1::127.0.0.1]:8080/", "http://[2002:7f00:1::]:8080/",
    "http://[2001:0:7f00:1::]:8080/", "http://[fe80::1]:8080/", "http://[fe80::1%25lo]:8080/", "http://[fc00::1]:8080/",
    "http://[fd00::1]:8080/", "http://[ff02::1]:8080/", "http://[fec0::1]:8080/", "http://[2001:db8::1]:8080/",
    "http://10.0.0.1:8080/", "http://172.16.0.1:8080/", "http://172.31.255.255:8080/", "http://192.168.0.1:8080/",
    "http://169.254.169.254/latest/meta-data/", "http://100.64.0.1:8080/", "http://100.100.100.200/",
    "http://192.0.0.192/", "http://198.18.0.1:8080/", "http://224.0.0.1:8080/", "http://240.0.0.1:8080/",
    "http://255.255.255.255:8080/", "http://user:pass@127.0.0.1:8080/", "http://example.com@127.0.0.1:8080/",
    "http://127.0.0.1:8080#@example.com/", "http://127.0.0.1:8080\\@example.com/", "file:///etc/passwd",
    "gopher://127.0.0.1:8080/_x", "ftp://127.0.0.1:8080/", "unix:///run/x.sock", "//127.0.0.1:8080/", "127.0.0.1:8080",
    "http:///127.0.0.1:8080/", "http://", "", "http://[", "http://127.0.0.1:99999/", "http://a b/",
]  # fmt: skip


async def test_no_spelling_leads_into_a_network_that_is_not_public() -> None:
    async with receiving() as canary:
        for spelling in SPELLINGS:
            with pytest.raises(Away):
                await post(spelling.replace(":8080", f":{canary.port}"), allowed=(), timeout_s=1.0)

    assert len(SPELLINGS) >= 50
    assert canary.calls == []


async def test_a_name_is_judged_by_the_address_it_leads_to_at_that_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """However innocent the name, and whatever a name server said of it a moment ago."""

    async def rebinding(_loop: object, host: str, port: int, **_named: object) -> list[Any]:
        return [(10, 1, 6, "", ("::1", port, 0, 0)), (2, 1, 6, "", (HOST, port)), (2, 1, 6, "", ("10.0.0.1", port))]

    async with receiving() as canary:
        monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", rebinding)
        for _ in range(3):
            with pytest.raises(Away):
                await post(canary.url("public.example"), allowed=())

    assert canary.calls == []


async def test_an_operator_may_allow_a_network() -> None:
    async with receiving() as receiver:
        await post(receiver.url())
        with pytest.raises(Away, match=r"127\.0\.0\.1 is not public"):
            await post(receiver.url(), allowed=(ip_network("10.0.0.0/8"),))

    assert len(receiver.calls) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with receiving() as target:

        async def away(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": target.url()})

        async with receiving(away) as receiver:
            with pytest.raises(Undelivered, match=str(status)):
                await post(receiver.url())

    assert (len(receiver.calls), target.calls) == (1, [])


@pytest.mark.parametrize(
    ("status", "kind", "permanent"),
    [(410, Gone, True), (400, Undelivered, False), (404, Undelivered, False), (500, Undelivered, False)]
    + [(status, Away, False) for status in (429, 502, 503, 504)],
)
async def test_answers_are_told_apart(status: int, kind: type[Undelivered], permanent: bool) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    async with receiving(answer) as receiver:
        with pytest.raises(Undelivered) as caught:
            await post(receiver.url())

    assert (type(caught.value), caught.value.permanent) == (kind, permanent)


async def test_a_receiver_that_does_not_answer_is_left() -> None:
    async def never(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    async with receiving(never) as receiver:
        with pytest.raises(Away, match=r"within 0\.2 s"):
            await post(receiver.url(), timeout_s=0.2)


async def test_an_endless_answer_is_not_listened_to() -> None:
    written = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)
            written += 65_536
            await asyncio.sleep(0)

    async with receiving(endless) as receiver:
        await post(receiver.url())
        await asyncio.sleep(0.1)

    assert written < 64 * 1024 * 1024  # what fits into the buffers of two sockets, and no more


async def test_answers_with_endless_headers_and_garbage_are_refused() -> None:
    for answer in (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, b"\x00\xff" * 5_000, b"HTTP/9.9 000\r\n\r\n", b""):

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = answer) -> None:
            await reader.read(100)
            writer.write(said)
            writer.close()

        async with await asyncio.start_server(talk, HOST, 0) as server:
            with pytest.raises(Away):
                await post(f"http://{HOST}:{server.sockets[0].getsockname()[1]}/")


async def test_cookies_are_not_kept() -> None:
    async def cookie(_request: web.Request) -> web.StreamResponse:
        response = web.Response()
        response.set_cookie("a", "b")
        return response

    async with receiving(cookie) as receiver:
        one = poster()
        for _ in range(2):
            await one.post(IDENTITY, receiver.url(), secret=SECRET, body=BODY, now=datetime.now(UTC))

    assert not any("Cookie" in headers for headers, _ in receiver.calls)


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("http_proxy", proxy.url())
        monkeypatch.setenv("HTTP_PROXY", proxy.url())
        await post(receiver.url())

    assert (len(proxy.calls), len(receiver.calls)) == (0, 1)

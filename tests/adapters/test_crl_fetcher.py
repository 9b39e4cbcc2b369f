"""Revocation lists fetched from where a stranger says (threat 20)."""

import asyncio
import ssl
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from tests.adapters.test_webhook import receiving

from credenza.adapters import crl_fetcher
from credenza.adapters.crl_fetcher import CrlFetcher
from credenza.adapters.unfetched import NotFetched

pytestmark = pytest.mark.anyio

HERE = (ip_network("127.0.0.0/8"),)


def fetcher(**changed: Any) -> CrlFetcher:
    return CrlFetcher(**{"allowed": HERE, "timeout_s": 60.0, "context": ssl.create_default_context(), **changed})


async def refused(url: str, **changed: Any) -> str:
    with pytest.raises(NotFetched) as caught:
        await fetcher(**changed).fetch(url)
    return str(caught.value)


async def a_list(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"0 a list", headers={"Content-Encoding": "gzip"})


async def test_a_list_is_read_as_it_is_sent() -> None:
    async with receiving(a_list) as receiver:
        assert await fetcher().fetch(receiver.url()) == b"0 a list"

    ((headers, _),) = receiver.calls
    assert headers["User-Agent"] == "Credenza"


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://0x7f000001:{port}/"])
async def test_addresses_that_are_not_public_are_not_connected_to(url: str) -> None:
    async with receiving(a_list) as receiver:
        await refused(url.format(port=receiver.port), allowed=())

    assert receiver.calls == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/crl", "ldap://example.com/crl", "x", ""])
async def test_other_schemes_are_refused(url: str) -> None:
    assert await refused(url)


async def test_redirects_are_not_followed() -> None:
    async def elsewhere(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/"})

    async with receiving(elsewhere) as receiver:
        assert await refused(receiver.url()) == "The answer was 302."


async def test_a_list_that_is_too_large_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crl_fetcher, "LARGEST_BYTES", 100)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b"0" * 100)
        return response

    async with receiving(endless) as receiver:
        assert "larger than" in await refused(receiver.url())


async def test_a_server_that_dawdles_is_given_up() -> None:
    async def slow(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with receiving(slow) as receiver:
        assert "within 0.2 s" in await refused(receiver.url(), timeout_s=0.2)


async def test_a_server_that_is_not_there_is_said() -> None:
    assert "cannot be reached" in await refused("http://127.0.0.1:9/")

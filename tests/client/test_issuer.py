"""An issuer is asked at its own origin and nowhere else, whatever it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.gate.street import HOST, served
from tests.servers import free_port

from credenza.client.errors import InsecureUrl, IssuerUnavailable
from credenza.client.issuer import Issuer, Standing
from credenza.protocol import jose

pytestmark = pytest.mark.anyio

KEY = jose.jwk(ec.generate_private_key(ec.SECP256R1()).public_key())
METADATA = "/.well-known/oauth-authorization-server"


class Pages:
    """Answers each path with what it was given: a document, octets, or a status with a Location."""

    def __init__(self) -> None:
        self.pages: dict[str, Any] = {}
        self.asked: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        page = self.pages.get(scope["path"], (404, ""))
        status, location = page if isinstance(page, tuple) else (200, "")
        body = page if isinstance(page, bytes) else json.dumps(page).encode()
        headers = [(b"location", location.encode())] if location else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def publishing() -> Iterator[tuple[Pages, str]]:
    pages = Pages()
    with served(pages) as port:
        origin = f"http://{HOST}:{port}"
        pages.pages = {
            METADATA: {"issuer": origin, "jwks_uri": f"{origin}/jwks", "introspection_endpoint": f"{origin}/ask"},
            "/jwks": {"keys": [{**KEY, "kid": "a"}]},
            "/ask": {"active": True, "scope": "a b", "client_id": "c"},
        }
        yield pages, origin


async def test_keys_and_answers_are_found_by_the_metadata() -> None:
    with publishing() as (pages, origin):
        async with aclosing(Issuer(origin, credentials=("id", "secret"))) as issuer:
            keys, standing = await issuer.key_set(), await issuer.introspect("t")
            await issuer.key_set()

    assert [*keys] == ["a"]
    assert standing == Standing(active=True, scope="a b")
    assert pages.asked == [METADATA, "/jwks", "/ask", "/jwks"]


async def test_a_key_that_is_of_no_use_here_hides_none() -> None:
    with publishing() as (pages, origin):
        odd = [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "b"}, {"kty": "oct", "k": "AA", "kid": "c"}, KEY, 7]
        pages.pages["/jwks"] = {"keys": [*odd, {**KEY, "kid": "a"}]}
        async with aclosing(Issuer(origin)) as issuer:
            assert [*await issuer.key_set()] == ["a"]


@pytest.mark.parametrize("member", ["jwks_uri", "introspection_endpoint"])
@pytest.mark.parametrize("elsewhere", ["http://169.254.169.254/latest", "https://{origin}/x", "file:///etc/passwd", ""])
async def test_metadata_lead_nowhere_but_to_the_issuer(member: str, elsewhere: str) -> None:
    with publishing() as (pages, origin):
        pages.pages[METADATA][member] = elsewhere.format(origin=origin.partition("://")[2])
        async with aclosing(Issuer(origin, credentials=("id", "secret"))) as issuer:
            with pytest.raises(IssuerUnavailable):
                await (issuer.key_set() if member == "jwks_uri" else issuer.introspect("t"))

    assert pages.asked == [METADATA]


async def test_another_host_that_would_answer_is_not_asked() -> None:
    with publishing() as (pages, origin), publishing() as (others, elsewhere):
        pages.pages[METADATA] |= {"jwks_uri": f"{elsewhere}/jwks", "introspection_endpoint": f"{elsewhere}/ask"}
        async with aclosing(Issuer(origin, credentials=("id", "secret"))) as issuer:
            for ask in (issuer.key_set(), issuer.introspect("t")):
                with pytest.raises(IssuerUnavailable, match="another place"):
                    await ask

    assert others.asked == []


async def test_metadata_of_another_issuer_are_refused() -> None:
    with publishing() as (pages, origin):
        pages.pages[METADATA]["issuer"] = f"{origin}/"
        async with aclosing(Issuer(origin)) as issuer:
            with pytest.raises(IssuerUnavailable, match="says that it is"):
                await issuer.key_set()


@pytest.mark.parametrize("page", [(302, "/other"), (500, ""), b"hello", b"[]", b'{"keys":"' + b"x" * 300_000 + b'"}'])
@pytest.mark.parametrize("path", [METADATA, "/jwks"])
async def test_what_is_no_answer_is_no_key_set(path: str, page: Any) -> None:
    with publishing() as (pages, origin):
        pages.pages[path] = page
        async with aclosing(Issuer(origin)) as issuer:
            with pytest.raises(IssuerUnavailable):
                await issuer.key_set()

    assert "/other" not in pages.asked


async def test_nobody_there_is_no_key_set() -> None:
    async with aclosing(Issuer(f"http://{HOST}:{free_port()}")) as issuer:
        with pytest.raises(IssuerUnavailable):
            await issuer.key_set()


async def test_the_metadata_of_an_issuer_with_a_path_stand_before_it() -> None:
    with publishing() as (pages, origin):
        pages.pages[f"{METADATA}/sso"] = {"issuer": f"{origin}/sso", "jwks_uri": f"{origin}/jwks"}
        async with aclosing(Issuer(f"{origin}/sso")) as issuer:
            assert [*await issuer.key_set()] == ["a"]


def test_an_issuer_is_asked_over_tls() -> None:
    with pytest.raises(InsecureUrl):
        Issuer("http://api.example.com")

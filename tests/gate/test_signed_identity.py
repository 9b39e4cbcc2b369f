"""Who calls is handed on as a JWT that nobody but the gate can make, good for one call to one service.

joserfc is the upstream that checks it. The same on every way in and for both protocols.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.errors import JoseError
from tests.clock import NOON
from tests.gate.scene import AUTHORITY, ORGANIZATION, PAYMENTS, PROJECT, SANDBOX, Scene, call, furnished
from tests.gate.street import HOST, Upstream, request, served
from tests.gate.token_scene import ISSUER
from tests.gate.token_street import LIFE, TARGET, Fields, TokenStreet

from credenza.client.middleware import CredenzaMiddleware
from credenza.gate.app import GateApp, Origin
from credenza.gate.check import DecisionApp
from credenza.gate.decision import Code, Refused
from credenza.gate.forward import Forwarder
from credenza.gate.issuers import Issuers
from credenza.gate.signed_identity import IdentitySigner
from credenza.protocol import access_token, client_assertion, dpop
from credenza.protocol.errors import Malformed
from credenza.store import schema
from credenza.store.changes import ChangeKind

ORIGIN = Origin.parse(SANDBOX, ISSUER)
HEADER = "X-Credenza-Identity"


@pytest.fixture
def street(tmp_path: Path) -> Iterator[TokenStreet]:
    with furnished(tmp_path) as scene:
        yield TokenStreet(scene)


# ------------------------------------------------------------------------------------------------------- the ways in


@dataclass
class Received:
    identity: list[str]
    request_id: str


async def through_the_gateway(street: TokenStreet, method: str, fields: Fields) -> Received:
    upstream = Upstream()
    forwarder = Forwarder(timeout=timedelta(seconds=60))

    def turn() -> Received:
        with served(upstream) as behind:
            _move(street.scene, f"http://{HOST}:{behind}")
            with served(GateApp(ORIGIN, street.desk, forwarder), forwarder) as port:
                response = request(port, method, TARGET, fields)
        assert response.status == 200, response.body
        return _received(upstream.seen[-1]["headers"])

    return await asyncio.to_thread(turn)


async def through_a_sub_request(street: TokenStreet, method: str, fields: Fields) -> Received:
    original = [("X-Original-Method", method), ("X-Original-URI", TARGET)]
    async with asking(street) as gate:
        response = await gate.get("/check/SANDBOX", headers=[*fields, *original])
    assert response.status_code == 200, response.text
    return _received(response.headers.multi_items())


async def through_a_sub_request_at_once(street: TokenStreet, method: str, fields: Fields) -> Received:
    """As proxies ask: `cli.quick` answers in the moment when the headers are complete."""
    original = [("X-Original-Method", method), ("X-Original-URI", TARGET)]

    def turn() -> Received:
        with served(DecisionApp({SANDBOX: ORIGIN}, street.desk)) as port:
            response = request(port, "GET", "/check/SANDBOX", [*fields, *original])
        assert response.status == 200, response.body
        return _received(response.headers)

    return await asyncio.to_thread(turn)


async def through_the_middleware(street: TokenStreet, method: str, fields: Fields) -> Received:
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.append([(name.decode(), value.decode()) for name, value in scope["headers"]])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def turn() -> Received:
        with served(DecisionApp({SANDBOX: ORIGIN}, street.desk)) as decisions:
            middleware = CredenzaMiddleware(app, gate=f"http://{HOST}:{decisions}", environment="SANDBOX")
            with served(middleware, aclosing(middleware)) as port:
                response = request(port, method, TARGET, fields)
        assert response.status == 204, response.body
        return _received(seen[-1])

    return await asyncio.to_thread(turn)


@asynccontextmanager
async def asking(street: TokenStreet) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(DecisionApp({SANDBOX: ORIGIN}, street.desk))
    async with httpx.AsyncClient(transport=transport, base_url=f"https://{AUTHORITY}") as client:
        yield client


def _received(headers: Any) -> Received:
    values = [(name.lower(), value) for name, value in headers]
    (request_id,) = [value for name, value in values if name == "x-credenza-request-id"]
    return Received([value for name, value in values if name == HEADER.lower()], request_id)


def _move(scene: Scene, upstream: str) -> None:
    places = schema.service_environments
    scene.change(places, places.c.service_id == PAYMENTS, ChangeKind.CATALOG, PAYMENTS, upstream=upstream)


WAYS = [through_the_gateway, through_a_sub_request, through_a_sub_request_at_once, through_the_middleware]


@pytest.mark.anyio
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.removeprefix("through_"))
@pytest.mark.parametrize("scheme", [TokenStreet.oauth1, TokenStreet.oauth2], ids=["OAuth 1.0a", "OAuth 2.0"])
async def test_an_upstream_reads_who_calls_from_what_the_gate_has_signed(
    street: TokenStreet, way: Callable[..., Any], scheme: Callable[..., Fields]
) -> None:
    evil: Fields = [(HEADER, "evil"), ("X_Credenza_Identity", "evil"), ("x-credenza.identity", "evil")]

    received = await way(street, "DELETE", [*evil, *scheme(street, "DELETE")])

    client_id, key_id = street.client.consumer_key.split("!")
    (identity,) = received.identity
    now_s = int(NOON.timestamp())
    assert street.check(identity) == {
        "iss": ISSUER,
        "aud": f"urn:credenza:service:{PAYMENTS}",
        "sub": client_id,
        "iat": now_s,
        "exp": now_s + 30,
        "jti": received.request_id,
        "htm": "DELETE",
        "htu": f"{ISSUER}/payments/42",
        "client_id": client_id,
        "key_id": key_id,
        "organization_id": ORGANIZATION,
        "project_id": PROJECT,
        "environment": "SANDBOX",
        "service_id": PAYMENTS,
    }


# ----------------------------------------------------------------------------------------------------- what it is not


def test_each_call_has_an_identity_of_its_own(street: TokenStreet) -> None:
    first, second = street.identity(), street.identity()

    assert street.check(first)["jti"] != street.check(second)["jti"]


def test_an_upstream_refuses_it_when_its_time_is_over(street: TokenStreet) -> None:
    identity = street.identity()
    street.scene.clock.advance(LIFE + timedelta(seconds=1))

    with pytest.raises(JoseError, match="expired"):
        street.check(identity)


def test_it_is_no_access_token_whichever_way_it_is_shown(street: TokenStreet) -> None:
    identity = street.identity()
    proof = street.proof(htm="GET", htu=f"{ISSUER}/payments/42", ath=dpop.access_token_hash(identity))

    for scheme in ("DPoP", "Bearer"):
        refused = asyncio.run(street.desk.decide(call(f"{scheme} {identity}", TARGET, proofs=(proof,))))
        assert isinstance(refused, Refused)
        assert (refused.code, refused.status) == (Code.INVALID_TOKEN, 401)


@pytest.mark.parametrize(
    "read", [access_token.parse, client_assertion.parse, dpop.parse], ids=lambda read: read.__module__
)
def test_it_is_read_as_nothing_else(street: TokenStreet, read: Callable[[str], Any]) -> None:
    with pytest.raises(Malformed):
        read(street.identity())


def test_it_gets_no_token_as_a_client_assertion(street: TokenStreet) -> None:
    identity = street.identity()

    assert street.denied(street.call(form={"client_assertion": identity})) == "assertion"


def test_a_call_is_refused_while_nobody_can_sign_who_calls(street: TokenStreet) -> None:
    silent = street.desk_of(Issuers())

    refused = asyncio.run(silent.decide(call(street.oauth1()[0][1], TARGET)))

    assert isinstance(refused, Refused)
    assert (refused.code, refused.status) == (Code.GATE_CLOSED, 503)


def test_nothing_is_signed_unless_it_is_wanted(street: TokenStreet) -> None:
    street.desk._signer = None

    assert street.identity() == ""


def test_no_identity_lives_for_more_than_a_minute(street: TokenStreet) -> None:
    for life in (timedelta(seconds=61), timedelta(0)):
        with pytest.raises(ValueError, match="lives for"):
            IdentitySigner(street.issuers, {SANDBOX: ISSUER}, life=life)

"""Where DPoP nonces are wanted, a call that is admitted brings the next one along (RFC 9449 8.2, contracts 3.4): on all
three ways in, over real listeners. Nginx and Caddy have theirs in `test_recipes`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.gate.scene import PAYMENTS, SANDBOX, furnished
from tests.gate.street import HOST, Response, request, served
from tests.gate.token_scene import ISSUER, NONCE_SECRET
from tests.gate.token_street import TARGET, Fields, TokenStreet

from credenza.client.middleware import CredenzaMiddleware
from credenza.gate.app import GateApp, Origin
from credenza.gate.check import DecisionApp
from credenza.gate.desk import Desk
from credenza.gate.forward import Forwarder
from credenza.protocol import dpop
from credenza.store import schema
from credenza.store.changes import ChangeKind

ORIGIN = Origin.parse(SANDBOX, ISSUER)

Way: TypeAlias = Callable[[TokenStreet, Desk, Fields], Response]


@pytest.fixture
def street(tmp_path: Path) -> Iterator[TokenStreet]:
    with furnished(tmp_path) as scene:
        yield TokenStreet(scene)


async def api(_scope: Any, _receive: Any, send: Any) -> None:
    """An API with a nonce of its own, which means nothing to a caller whose proof it has not seen."""
    headers = [(b"dpop-nonce", b"of the API"), (b"x-from-upstream", b"yes"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


def through_the_gateway(street: TokenStreet, desk: Desk, fields: Fields) -> Response:
    forwarder, places = Forwarder(timeout=timedelta(seconds=20)), schema.service_environments
    with served(api) as behind:
        upstream = f"http://{HOST}:{behind}"
        street.scene.change(places, places.c.service_id == PAYMENTS, ChangeKind.CATALOG, PAYMENTS, upstream=upstream)
        with served(GateApp(ORIGIN, desk, forwarder), forwarder) as port:
            return request(port, "GET", TARGET, fields)


def through_the_middleware(_street: TokenStreet, desk: Desk, fields: Fields) -> Response:
    with served(DecisionApp({SANDBOX: ORIGIN}, desk)) as decisions:
        middleware = CredenzaMiddleware(api, gate=f"http://{HOST}:{decisions}", environment="SANDBOX")
        with served(middleware, aclosing(middleware)) as port:
            return request(port, "GET", TARGET, fields)


def by_a_sub_request(_street: TokenStreet, desk: Desk, fields: Fields) -> Response:
    asked = [*fields, ("X-Original-Method", "GET"), ("X-Original-URI", TARGET)]
    with served(DecisionApp({SANDBOX: ORIGIN}, desk)) as port:
        return request(port, "GET", "/check/SANDBOX", asked)


def by_a_sub_request_that_waits(street: TokenStreet, desk: Desk, fields: Fields) -> Response:
    """A key that is not in memory any more is loaded, and the answer comes later."""
    street.scene.note(ChangeKind.CREDENTIAL, street.client.key_id)
    return by_a_sub_request(street, desk, fields)


WAYS = [through_the_gateway, through_the_middleware, by_a_sub_request, by_a_sub_request_that_waits]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request: pytest.FixtureRequest) -> Way:
    way: Way = request.param
    return way


def nonce_of(street: TokenStreet, *, ago: timedelta = timedelta(0)) -> str:
    return dpop.nonce(NONCE_SECRET, now=street.scene.clock.now() - ago)


def test_an_admitted_call_brings_the_nonce_of_now(street: TokenStreet, way: Way) -> None:
    desk = street.desk_of(street.issuers, require_nonce=True)

    answer = way(street, desk, street.oauth2(nonce=nonce_of(street)))

    assert answer.status in (200, 404)
    assert answer.header("dpop-nonce") == nonce_of(street)


def test_a_nonce_that_is_about_to_go_is_replaced_in_time(street: TokenStreet, way: Way) -> None:
    desk = street.desk_of(street.issuers, require_nonce=True)
    last = nonce_of(street, ago=dpop.NONCE_LIFE)

    offered = way(street, desk, street.oauth2(nonce=last)).header("dpop-nonce") or ""
    street.scene.clock.advance(dpop.NONCE_LIFE)

    assert offered not in ("", last)
    assert way(street, desk, street.oauth2(nonce=offered)).status in (200, 404)
    assert way(street, desk, street.oauth2(nonce=last)).status == 401


def test_where_none_is_wanted_none_is_offered(street: TokenStreet, way: Way) -> None:
    answer = way(street, street.desk, street.oauth2())

    assert answer.status in (200, 404)
    assert answer.header("dpop-nonce") in (None, "of the API")


def test_a_call_of_oauth_1_is_offered_none(street: TokenStreet, way: Way) -> None:
    desk = street.desk_of(street.issuers, require_nonce=True)

    answer = way(street, desk, street.oauth1())

    assert answer.status in (200, 404)
    assert answer.header("dpop-nonce") in (None, "of the API")


def test_what_else_the_api_answers_stays(street: TokenStreet) -> None:
    desk = street.desk_of(street.issuers, require_nonce=True)

    for way in (through_the_gateway, through_the_middleware):
        answer = way(street, desk, street.oauth2(nonce=nonce_of(street)))
        assert (answer.status, answer.body, answer.header("x-from-upstream")) == (404, b"{}", "yes")

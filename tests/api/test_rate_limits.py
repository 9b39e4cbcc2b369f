"""Who asks too often waits, by name or by address, and nobody else does."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from tests.api.desk import ORIGIN, Desk

from credenza.api.rate_limits import Rates, network
from credenza.gate.decision import Code, Refused
from credenza.settings import Settings

pytestmark = pytest.mark.anyio

PROXY = "198.51.100.1"


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def limited(desk: Desk, seconds: Seconds, *, requests: int = 3, attempts: int = 2, **more: Any) -> FastAPI:
    return desk.build(rates=Rates(requests, attempts), seconds=seconds, **more)


async def ask(
    app: FastAPI,
    path: str = "/api/me",
    *,
    method: str = "GET",
    token: str = "",
    client: str = "192.0.2.7",
    headers: dict[str, str] | None = None,
    **more: Any,
) -> httpx.Response:
    sent = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
    transport = httpx.ASGITransport(app, client=(client, 40_000))
    async with httpx.AsyncClient(base_url=ORIGIN, transport=transport) as http:
        return await http.request(method, path, headers=sent, **more)


def refused(response: httpx.Response) -> dict[str, Any]:
    (error,) = response.json()["Errors"]["Error"]
    assert (response.status_code, error["ReasonCode"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert error["Recoverable"] is True
    return dict(error)


# ------------------------------------------------------------------------------------------------ who is known


async def test_a_token_waits_when_it_asked_too_often_and_is_told_how_long(desk: Desk, seconds: Seconds) -> None:
    app = limited(desk, seconds)
    token = desk.tokens["owner"]
    answers = [await ask(app, token=token) for _ in range(4)]

    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert refused(answers[-1])["Description"] == (
        "The limit is 3 requests a minute of this access token. Try again in 20 s."
    )
    assert answers[-1].headers["Retry-After"] == "20"

    seconds.now += 20
    assert (await ask(app, token=token)).status_code == 200


async def test_another_token_from_the_same_address_does_not_wait(desk: Desk, seconds: Seconds) -> None:
    app = limited(desk, seconds)
    for _ in range(4):
        await ask(app, token=desk.tokens["owner"])

    assert (await ask(app, token=desk.tokens["reader"])).status_code == 200


async def test_a_token_is_the_same_wherever_it_comes_from(desk: Desk, seconds: Seconds) -> None:
    app = limited(desk, seconds)
    answers = [await ask(app, token=desk.tokens["owner"], client=f"192.0.2.{each}") for each in range(1, 5)]

    refused(answers[-1])


async def test_requests_that_are_refused_for_other_reasons_count_too(desk: Desk, seconds: Seconds) -> None:
    app = limited(desk, seconds)
    statuses = [(await ask(app, "/api/nothing", token=desk.tokens["owner"])).status_code for _ in range(4)]

    assert statuses == [404, 404, 404, 429]


# ---------------------------------------------------------------------------------------------- who is not


@pytest.mark.parametrize(
    "authorization", [None, "Bearer nonsense", 'OAuth oauth_consumer_key="x"'], ids=["none", "token", "signature"]
)
async def test_an_address_that_fails_too_often_waits(desk: Desk, seconds: Seconds, authorization: str | None) -> None:
    app = limited(desk, seconds)
    headers = {"Authorization": authorization} if authorization else {}
    answers = [await ask(app, headers=headers) for _ in range(3)]

    assert all(each.status_code in (400, 401, 403) for each in answers[:2])
    assert refused(answers[2])["Description"] == (
        "The limit is 2 failed or unproven attempts a minute from 192.0.2.7. Try again in 30 s."
    )


async def test_an_address_that_fails_too_often_is_refused_unheard_and_others_are_not(
    desk: Desk, seconds: Seconds
) -> None:
    app = limited(desk, seconds)
    for _ in range(2):
        await ask(app)

    refused(await ask(app, token=desk.tokens["owner"]))
    assert (await ask(app, token=desk.tokens["owner"], client="192.0.2.8")).status_code == 200


async def test_who_succeeds_uses_up_no_attempts(desk: Desk, seconds: Seconds) -> None:
    app = limited(desk, seconds, requests=100)
    for _ in range(10):
        await ask(app, token=desk.tokens["owner"])

    assert (await ask(app)).status_code == 401


async def test_the_server_s_own_trouble_is_nobody_s_attempt(desk: Desk, seconds: Seconds) -> None:
    desk.decide = closed  # type: ignore[method-assign, assignment] # the gate's machinery as it is without a lease
    app = limited(desk, seconds)
    statuses = {(await ask(app, headers={"Authorization": "OAuth x"})).status_code for _ in range(5)}

    assert statuses == {503}


async def closed(_call: Any, **_named: Any) -> Any:
    return Refused("0" * 32, Code.GATE_CLOSED, "Closed.")


async def test_forms_count_as_attempts_before_they_are_read(desk: Desk, seconds: Seconds) -> None:
    app = limited(desk, seconds)
    answers = [await ask(app, "/first-admin", method="POST", data={"token": "guess"}) for _ in range(3)]

    assert not {429} & {each.status_code for each in answers[:2]}
    refused(answers[2])
    refused(await ask(app))


async def test_pages_of_an_address_have_a_limit_but_health_and_metrics_have_none(desk: Desk, seconds: Seconds) -> None:
    app = limited(desk, seconds)
    pages = [await ask(app, "/first-admin") for _ in range(4)]

    assert refused(pages[3])["Description"].startswith("The limit is 3 requests a minute from 192.0.2.7.")
    for path in ("/health", "/metrics"):
        assert {(await ask(app, path)).status_code for _ in range(10)} == {200}


async def test_an_answer_that_refuses_has_the_headers_of_every_answer(desk: Desk, seconds: Seconds) -> None:
    app = limited(desk, seconds, attempts=1)
    await ask(app)
    answer = await ask(app)

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Credenza-Request-Id"]


# ------------------------------------------------------------------------------------------------- from where


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", "a local socket"),
        ("testclient", "testclient"),
    ],
)
def test_a_network_is_what_one_client_has_to_itself(address: str, expected: str) -> None:
    assert network(address) == expected


async def test_the_addresses_of_one_ipv6_network_wait_together(desk: Desk, seconds: Seconds) -> None:
    app = limited(desk, seconds)
    for each in range(2):
        await ask(app, client=f"2001:db8::{each}")

    refused(await ask(app, client="2001:db8::ffff:1"))
    assert (await ask(app, client="2001:db8:0:1::1")).status_code == 401


def tell_address(request: Request) -> Response:
    return PlainTextResponse(request.client.host if request.client else "")


async def test_behind_a_trusted_proxy_the_client_counts_and_is_what_the_application_sees(
    desk: Desk, seconds: Seconds
) -> None:
    app = limited(desk, seconds, trusted_proxies=[ip_network(f"{PROXY}/32")])
    app.router.routes.append(Route("/address", tell_address))

    async def through_proxy(forwarded: str, path: str = "/api/me") -> httpx.Response:
        return await ask(app, path, client=PROXY, headers={"X-Forwarded-For": forwarded})

    for _ in range(2):
        await through_proxy("203.0.113.5")

    refused(await through_proxy("203.0.113.5"))
    refused(await through_proxy("198.18.0.1, 203.0.113.5"))  # what the client itself has put there
    assert (await through_proxy("203.0.113.6")).status_code == 401
    assert (await through_proxy("198.18.0.1, 203.0.113.9", "/address")).text == "203.0.113.9"


async def test_anybody_else_s_forwarded_header_is_not_believed(desk: Desk, seconds: Seconds) -> None:
    app = limited(desk, seconds)
    for each in range(2):
        await ask(app, headers={"X-Forwarded-For": f"203.0.113.{each}"})

    refused(await ask(app, headers={"X-Forwarded-For": "203.0.113.99"}))


def test_the_defaults_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENZA_CONFIG", raising=False)
    settings = Settings()

    assert Rates() == Rates(settings.manage_requests_per_minute, settings.manage_attempts_per_minute)

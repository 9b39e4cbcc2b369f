"""The decision listener: sub-requests of proxies, questions of the middleware, and who may ask them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.clock import NOON
from tests.gate.scene import AUTHORITY, ORDER, ORDERS, ORGANIZATION, SANDBOX, Client, Scene, another_key, desk

from credenza.gate.app import Origin
from credenza.gate.check import DecisionApp
from credenza.store import schema, traffic
from credenza.store.changes import ChangeKind
from credenza.store.engine import reading

pytestmark = pytest.mark.anyio

Fields = list[tuple[str, str]]


@asynccontextmanager
async def asking(scene: Scene, *, secret: str | None = None, origin: str | None = None) -> AsyncIterator[Any]:
    app = DecisionApp(
        {SANDBOX: Origin.parse(SANDBOX, origin) if origin else Origin(SANDBOX)}, desk(scene), secret=secret
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"https://{AUTHORITY}") as client:
        yield client


def original(header: str, target: str = "/orders/1", method: str = "GET") -> Fields:
    return [("Authorization", header), ("X-Original-Method", method), ("X-Original-URI", target)]


async def test_an_admitted_sub_request_is_answered_with_who_calls(scene: Scene) -> None:
    client = scene.add_key()
    async with asking(scene) as gate:
        response = await gate.get("/check/SANDBOX", headers=original(client.sign("GET", ORDER)))

    assert response.status_code == 200
    assert response.headers["x-credenza-key-id"] == client.key_id
    assert response.headers["x-credenza-body"] == "unchecked"
    assert response.headers["x-credenza-claimed-body-hash"] == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@pytest.mark.parametrize(
    ("header", "target", "answered", "status"),
    [
        ("OAuth nonsense", "/orders/1", 403, "400"),
        (None, "/orders/2", 403, "403"),
        (None, "/nothing", 401, "401"),
    ],
    ids=["unreadable", "wrong signature", "unmapped"],
)
async def test_a_refused_sub_request_is_401_or_403_and_tells_its_true_status(
    scene: Scene, header: str | None, target: str, answered: int, status: str
) -> None:
    client = scene.add_key()
    signed = client.sign("GET", ORDER if target == "/orders/2" else f"https://{AUTHORITY}{target}")
    async with asking(scene) as gate:
        response = await gate.get("/check/SANDBOX", headers=original(header or signed, target))

    assert response.status_code == answered
    assert response.headers["credenza-status"] == status
    error = response.json()["Errors"]["Error"][0]
    assert response.headers["credenza-reason-code"] == error["ReasonCode"]
    assert json.loads(f'"{response.headers["credenza-description"]}"') == error["Description"]
    assert len(response.headers["credenza-refusal-id"]) == 32


@pytest.mark.parametrize(
    "fields",
    [
        [("X-Original-Method", "GET")],
        [("X-Original-URI", "/orders/1")],
        [("X-Original-Method", "GET"), ("X-Original-URI", "/orders/1"), ("X-Original-URI", "/orders/1")],
        [("X-Original-Method", "GET"), ("X-Forwarded-Uri", "/orders/1")],
        [("X-Original-Method", "GET"), ("X-Original-URI", "/orders/1#/payments/1")],
        [("X-Original-Method", "GET"), ("X-Original-URI", "https://evil.example/orders/1")],
        [("X-Original-Method", "GET"), ("X-Original-URI", "/orders/1 HTTP/1.1")],
        [("X-Original-Method", "GET"), ("X-Original-URI", "/" + "x" * 9000)],
    ],
    ids=["no target", "no method", "two targets", "another name", "fragment", "absolute", "space", "long"],
)
async def test_a_proxy_that_does_not_say_plainly_what_is_called_is_refused(scene: Scene, fields: Fields) -> None:
    header = scene.add_key().sign("GET", ORDER)
    async with asking(scene) as gate:
        response = await gate.get("/check/SANDBOX", headers=[("Authorization", header), *fields])

    assert response.status_code == 403
    assert response.headers["credenza-status"] == "400"
    assert response.headers["credenza-reason-code"] == "BAD_REQUEST"


async def test_a_configured_origin_wins_over_what_the_proxy_says(scene: Scene) -> None:
    header = scene.add_key().sign("GET", "https://public.example/orders/1")
    async with asking(scene, origin="https://public.example") as gate:
        response = await gate.get("/check/SANDBOX", headers=original(header))

    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/", "/check", "/check/NOWHERE", "/check/SANDBOX/more", "/decide", "/other/SANDBOX"])
async def test_there_is_nothing_else(scene: Scene, path: str) -> None:
    async with asking(scene) as gate:
        assert (await gate.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/check/SANDBOX", "/decide/SANDBOX"])
@pytest.mark.parametrize("secret", [None, "wrong"])
async def test_without_the_secret_nothing_is_decided(scene: Scene, path: str, secret: str | None) -> None:
    fields = original(scene.add_key().sign("GET", ORDER)) + ([("Credenza-Gate-Secret", secret)] if secret else [])
    async with asking(scene, secret="between us") as gate:
        response = await gate.post(path, headers=fields)

    assert response.status_code == 403
    assert "x-credenza-key-id" not in response.headers


async def test_with_the_secret_a_call_is_decided(scene: Scene) -> None:
    fields = [*original(scene.add_key().sign("GET", ORDER)), ("Credenza-Gate-Secret", "between us")]
    async with asking(scene, secret="between us") as gate:
        assert (await gate.get("/check/SANDBOX", headers=fields)).status_code == 200


@pytest.mark.parametrize("question", [b"", b"{}", b"[]", b'{"method":"GET"}'])
async def test_a_question_that_cannot_be_read_is_400(scene: Scene, question: bytes) -> None:
    async with asking(scene) as gate:
        response = await gate.post("/decide/SANDBOX", content=question)

    assert response.status_code == 400


async def test_a_closed_gate_is_not_healthy(scene: Scene) -> None:
    async with asking(scene) as gate:
        scene.reader.close()
        health = await gate.get("/health")

    assert (health.status_code, health.text) == (503, "closed\n")


async def test_health_and_metrics_are_told(scene: Scene) -> None:
    async with asking(scene) as gate:
        stranger = Client(scene.add_key().consumer_key, another_key())
        await gate.get("/check/SANDBOX", headers=original(stranger.sign("GET", ORDER)))
        health = await gate.get("/health")
        metrics = await gate.get("/metrics")

    assert (health.status_code, health.text) == (200, "ok\n")
    assert 'credenza_gate_decisions_total{environment="SANDBOX",outcome="signature"} 1.0' in metrics.text


async def test_a_call_whose_payload_rules_cannot_be_read_is_counted_once_as_refused(scene: Scene) -> None:
    """Rules that are newer than the gate: it does not know what would have to be done."""
    client, front, places = scene.add_key(), desk(scene), schema.service_environments
    app = DecisionApp({SANDBOX: Origin(SANDBOX)}, front)
    scene.change(places, places.c.service_id == ORDERS, ChangeKind.CATALOG, ORDERS, payload_rules='{"quantum":{}}')
    transport = httpx.ASGITransport(app)

    async with httpx.AsyncClient(transport=transport, base_url=f"https://{AUTHORITY}") as gate:
        slow = await gate.get("/check/SANDBOX", headers=original(client.sign("GET", ORDER)))
    quick = told_at_once(app, "/check/SANDBOX", original(client.sign("GET", ORDER)))

    assert (slow.status_code, slow.headers["credenza-status"]) == (403, "503")
    assert (quick.status, quick.body) == (slow.status_code, slow.content)
    assert dict(front.metrics.decisions) == {(SANDBOX, "payload_unavailable"): 2}
    await front.usage.flush()
    with reading(scene.database.traces) as connection:
        (minute,) = traffic.list_since(connection, ORGANIZATION, NOON)
    assert (minute.admitted, minute.refused) == (0, 2)


# --------------------------------------------------------------------------------------------- answers at once


def told_at_once(app: DecisionApp, target: str, fields: Fields) -> Any:
    headers = [(name.lower().encode(), value.encode()) for name, value in [("Host", AUTHORITY), *fields]]
    return app.at_once(target.encode(), headers, "https")


def same_but_for_ids(headers: Any) -> dict[str, str]:
    ids = ("x-credenza-request-id", "credenza-refusal-id")
    return {name.lower(): "an id" if name.lower() in ids else value for name, value in headers}


@pytest.mark.parametrize("target", ["/orders/1", "/nothing", "/orders/{"])
@pytest.mark.parametrize("header", ["signed", "OAuth nonsense"])
async def test_an_answer_at_once_says_what_the_other_one_says(scene: Scene, target: str, header: str) -> None:
    client = scene.add_key()
    scene.freshness.look()
    app = DecisionApp({SANDBOX: Origin(SANDBOX)}, desk(scene))

    def fields() -> Fields:
        signed = client.sign("GET", f"https://{AUTHORITY}{target}")
        return original(signed if header == "signed" else header, target)

    quick = told_at_once(app, "/check/SANDBOX", fields())
    async with asking(scene) as gate:
        slow = await gate.get("/check/SANDBOX", headers=fields())

    assert (quick.status, quick.body) == (slow.status_code, slow.content)
    lines = [line.partition(": ") for line in quick.fields.decode().split("\r\n")[:-1]]
    assert same_but_for_ids((name, value) for name, _, value in lines) == same_but_for_ids(slow.headers.items())


async def test_a_sub_request_that_has_to_wait_is_answered_when_it_is_decided(scene: Scene) -> None:
    class Slow:
        remembers_since = 0.0

        async def first_seen(self, key: bytes, now: float) -> bool:
            return memory.first_seen(key, now)

    client, memory = scene.add_key(), scene.replay
    scene.replay = Slow()  # type: ignore[assignment]
    app = DecisionApp({SANDBOX: Origin(SANDBOX)}, desk(scene))
    scene.replay = memory
    fields = original(client.sign("GET", ORDER))

    first = await told_at_once(app, "/check/SANDBOX", fields)
    second = await told_at_once(app, "/check/SANDBOX", fields)

    assert (first.status, second.status) == (200, 403)


def test_only_a_sub_request_is_answered_at_once(scene: Scene) -> None:
    app = DecisionApp({SANDBOX: Origin(SANDBOX)}, desk(scene), secret="hush")

    for target in (
        "/health",
        "/metrics",
        "/decide/SANDBOX",
        "/check/PRODUCTION",
        "/check/SANDBOX?a=1",
        "/check/SANDBO",
    ):
        assert told_at_once(app, target, [("Credenza-Gate-Secret", "hush")]) is None
    assert told_at_once(app, "/check/SANDBOX", [("Credenza-Gate-Secret", "wrong")]) is None
    assert told_at_once(app, "/check/SANDBOX", [("Credenza-Gate-Secret", "hush")]).status == 403

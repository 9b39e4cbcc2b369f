"""The middleware before a service whose payloads have rules: the application reads and writes plain JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from tests.gate.payload_scene import FIELD, HEADERS, JWE, PLAIN, SECRET, SERVER, SIGNATURE, PayloadStreet, opened
from tests.gate.scene import AUTHORITY, ORDER, SANDBOX
from tests.gate.street import HOST, Response, request, served

from credenza.client.middleware import CredenzaMiddleware
from credenza.client.payload_api import PayloadApi
from credenza.gate.app import Origin
from credenza.gate.check import DecisionApp
from credenza.store import schema
from credenza.store.changes import ChangeKind
from credenza.store.engine import reading


@dataclass
class Shop:
    """`port` has a middleware that can open payloads; that of `unprepared` cannot, and that of `stranger` may not."""

    street: PayloadStreet
    port: int
    unprepared: int
    stranger: int

    def call(
        self, body: bytes, headers: list[tuple[str, str]], port: int | None = None, method: str = "POST"
    ) -> Response:
        signed = ("Authorization", self.street.client.sign(method, ORDER, body))
        sent = [signed, ("Content-Type", "application/json"), *headers]
        return request(port or self.port, method, "/orders/1", sent, body or None)


@pytest.fixture(scope="module")
def common_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with opened(tmp_path_factory.mktemp("shop")) as street:
        decisions = DecisionApp({SANDBOX: Origin.parse(SANDBOX, f"https://{AUTHORITY}")}, street.desk)
        with served(decisions) as gate:
            apps = [
                CredenzaMiddleware(
                    street.upstream,
                    gate=f"http://{HOST}:{gate}",
                    environment="SANDBOX",
                    payloads=None if secret is None else _api(street, secret),
                )
                for secret in (SECRET, None, SECRET[:-1] + "0")
            ]
            with (
                served(apps[0], aclosing(apps[0])) as port,
                served(apps[1], aclosing(apps[1])) as unprepared,
                served(apps[2], aclosing(apps[2])) as stranger,
            ):
                yield Shop(street, port, unprepared, stranger)


def _api(street: PayloadStreet, secret: str) -> PayloadApi:
    return PayloadApi(f"http://{HOST}:{street.port}", credentials=(SERVER, secret))


@pytest.fixture
def shop(common_shop: Shop) -> Shop:
    common_shop.street.begin(JWE)
    return common_shop


@pytest.mark.parametrize("rules", [JWE, FIELD, HEADERS], ids=["jwe", "field", "headers"])
def test_the_application_reads_plain_json_and_its_answer_is_encrypted(shop: Shop, rules: dict[str, object]) -> None:
    shop.street.rule(rules)
    ours, theirs = shop.street.keys()

    response = shop.call(*shop.street.sealed(ours))

    assert response.status == 200
    ((headers, body),) = shop.street.upstream.seen
    assert json.loads(body) == json.loads(PLAIN)
    assert headers["content-length"] == str(len(body))
    assert "x-iv" not in headers
    assert b"5105105105105100" not in response.body
    assert json.loads(shop.street.opened(response, theirs)) == json.loads(PLAIN)


def test_signatures_are_verified_and_made(shop: Shop) -> None:
    shop.street.rule({**JWE, "signature": {}})
    ours, theirs = shop.street.keys()
    body, _ = shop.street.sealed(ours)

    good = shop.call(body, [shop.street.signature(shop.street.add(SIGNATURE), body)])
    bad = shop.call(body, [])

    assert shop.street.opened(good, theirs) == PLAIN
    assert good.header("x-jws-signature") is not None
    assert (bad.status, bad.error["ReasonCode"]) == (400, "REQUEST_SIGNATURE_FAILED")


@pytest.mark.parametrize(("body", "digest"), [(b'{ "a": 1 }', None), (b'{"a":1}', "sha-256=:AAAA:")])
def test_a_digest_of_an_answer_goes_on_with_the_bytes_it_speaks_of_alone(
    shop: Shop, body: bytes, digest: str | None
) -> None:
    shop.street.rule({"signature": {}})
    key = shop.street.add(SIGNATURE)
    shop.street.upstream.body = body
    shop.street.upstream.headers += [(b"content-digest", b"sha-256=:AAAA:")]

    response = shop.call(PLAIN, [shop.street.signature(key, PLAIN)])

    assert response.body == b'{"a":1}'
    assert response.header("content-digest") == digest
    assert len(shop.street.upstream.seen) == 1


def test_a_request_that_cannot_be_decrypted_never_reaches_the_application(shop: Shop) -> None:
    ours, _ = shop.street.keys()
    body, _ = shop.street.sealed(ours)
    shop.street.revoke(ours)

    response = shop.call(body, [])

    assert (response.status, response.error["ReasonCode"]) == (400, "DECRYPT_PRIVATE_KEY_NOT_FOUND")
    assert shop.street.upstream.seen == []


@pytest.mark.parametrize("what", ["no json", "coded", "broken off", "revoked"])
def test_an_answer_that_cannot_be_encrypted_is_not_sent_in_plain(shop: Shop, what: str) -> None:
    ours, theirs = shop.street.keys()
    upstream = shop.street.upstream
    upstream.body = b"<5105105105105100>" if what == "no json" else PLAIN
    upstream.headers += [(b"content-encoding", b"gzip")] if what == "coded" else []
    upstream.breaks = what == "broken off"
    upstream.meanwhile = (lambda: shop.street.revoke(theirs)) if what == "revoked" else None

    response = shop.call(*shop.street.sealed(ours))

    assert response.status in (502, 503)
    assert b"5105105105105100" not in response.body


@pytest.mark.parametrize("who", ["unprepared", "stranger"])
def test_without_the_payload_api_nothing_reaches_the_application(shop: Shop, who: str) -> None:
    ours, _ = shop.street.keys()

    response = shop.call(*shop.street.sealed(ours), port=getattr(shop, who))

    assert response.status == 503
    assert shop.street.upstream.seen == []


def explained(street: PayloadStreet, response: Response) -> Any:
    asyncio.run(street.desk.refusals.flush())
    with reading(street.scene.database.traces) as connection:
        rows = connection.execute(schema.refusals.select()).all()
    (found,) = [row for row in rows if row.id == response.header("credenza-refusal-id")]
    return json.loads(found.explanation)


def test_an_answer_without_content_passes(shop: Shop) -> None:
    ours, _ = shop.street.keys()
    shop.street.upstream.status, shop.street.upstream.body = 204, b""

    assert shop.call(*shop.street.sealed(ours)).status == 204


def test_a_sub_request_is_told_what_is_to_become_of_the_payload(shop: Shop) -> None:
    street = shop.street
    street.rule({**JWE, "signature": {"requests": False}})
    decisions = DecisionApp({SANDBOX: Origin.parse(SANDBOX, f"https://{AUTHORITY}")}, street.desk)

    def told() -> tuple[int, str | None]:
        asked = [("Authorization", street.client.sign("GET", ORDER)), ("X-Original-Method", "GET")]
        response = request(port, "GET", "/check/SANDBOX", [*asked, ("X-Original-URI", "/orders/1")])
        return response.status, response.header("x-credenza-payload")

    with served(decisions) as port:
        ruled = told()
        street.rule(None)
        plain = told()
        places = schema.service_environments
        street.scene.change(places, places.c.service_id == 1, ChangeKind.CATALOG, 1, payload_rules='{"quantum":1}')
        unreadable = told()

    assert ruled == (200, "decrypt encrypt sign")
    assert plain == (200, "")
    assert unreadable[0] == 403


def test_the_owner_of_the_key_is_told_why_its_payload_was_refused(shop: Shop) -> None:
    ours, _ = shop.street.keys()
    body, _ = shop.street.sealed(ours)
    shop.street.revoke(ours)

    response = shop.call(body, [])

    found = explained(shop.street, response)
    assert (found["code"], found["method"], found["target"]) == ("payload_key", "POST", "/orders/1")
    steps = {step["name"]: step for step in found["steps"]}
    assert steps["signature"]["ok"]
    assert "no private key of the fingerprint" in steps["decryption key"]["hint"]

"""The payload API does for a resource server what the gate does on its way, and for nobody else."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from tests.gate.payload_scene import (
    FIELD,
    HEADERS,
    JWE,
    LIMIT,
    ORDER_PATH,
    PLAIN,
    SECRET,
    SERVER,
    SIGNATURE,
    PayloadStreet,
    opened,
)
from tests.gate.scene import MTLS_ONLY, ORDERS, PROJECT
from tests.gate.street import Response, request

from credenza.store import schema
from credenza.store.changes import ChangeKind
from credenza.store.engine import reading

GOOD = "Basic " + b64encode(f"{SERVER}:{SECRET}".encode()).decode()


@pytest.fixture(scope="module")
def common_street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PayloadStreet]:
    with opened(tmp_path_factory.mktemp("payloads")) as street:
        yield street


@pytest.fixture
def street(common_street: PayloadStreet) -> PayloadStreet:
    common_street.begin(JWE)
    return common_street


def ask(
    street: PayloadStreet,
    step: str,
    payload: bytes,
    /,
    *,
    headers: list[tuple[str, str]] | None = None,
    authorization: str = GOOD,
    **changed: Any,
) -> Response:
    task = {
        "projectId": PROJECT,
        "serviceId": ORDERS,
        "payload": b64encode(payload).decode(),
        "headers": headers or [],
        "target": ORDER_PATH,
        **changed,
    }
    body = json.dumps({name: value for name, value in task.items() if value is not None}).encode()
    return request(street.port, "POST", f"/oauth/payload/{step}", [("Authorization", authorization)], body)


def payload_of(response: Response) -> bytes:
    assert response.status == 200, response
    assert response.header("cache-control") == "no-store"
    return b64decode(response.json()["payload"])


@pytest.mark.parametrize("rules", [JWE, FIELD, HEADERS], ids=["jwe", "field", "headers"])
def test_a_resource_server_has_requests_decrypted_and_answers_encrypted(
    street: PayloadStreet, rules: dict[str, Any]
) -> None:
    street.rule(rules)
    ours, theirs = street.keys()
    body, headers = street.sealed(ours)

    plain = ask(street, "decrypt", body, headers=headers)
    sealed = ask(street, "encrypt", PLAIN)

    assert json.loads(payload_of(plain)) == json.loads(PLAIN)
    assert {name.lower() for name, _ in headers} <= set(plain.json()["removed"])
    told = [(name, value) for name, value in sealed.json()["headers"]]
    answer = Response(200, told, payload_of(sealed))
    assert json.loads(street.opened(answer, theirs)) == json.loads(PLAIN)


def test_a_resource_server_has_requests_verified_and_answers_signed(street: PayloadStreet) -> None:
    street.rule({"signature": {}})
    key = street.add(SIGNATURE)

    good = ask(street, "verify", PLAIN, headers=[street.signature(key, PLAIN)])
    bad = ask(street, "verify", PLAIN + b" ", headers=[street.signature(key, PLAIN)])
    signed = ask(street, "sign", b'{ "a": 1 }')

    assert payload_of(good) == PLAIN
    assert good.json()["removed"] == ["x-jws-signature"]
    assert (bad.status, bad.error["ReasonCode"]) == (400, "REQUEST_SIGNATURE_FAILED")
    assert payload_of(signed) == b'{"a":1}'
    ((name, value),) = signed.json()["headers"]
    assert name == "x-jws-signature"
    assert ".." in value


def test_a_refused_step_is_kept_for_the_owner_of_the_key_and_is_no_second_call(street: PayloadStreet) -> None:
    street.rule({**JWE, "signature": {}})
    key_id = street.client.consumer_key.partition("!")[2]
    street.keys()

    response = ask(street, "decrypt", PLAIN, keyId=key_id, method="POST", scheme="OAuth")

    assert (response.status, response.error["ReasonCode"]) == (400, "REQUEST_DECRYPT_FAILED")
    asyncio.run(street.desk.refusals.flush())
    asyncio.run(street.desk.usage.flush())
    with reading(street.scene.database.traces) as connection:
        kept = connection.execute(schema.refusals.select()).all()
        assert connection.execute(schema.callers.select()).all() == []
    (found,) = [json.loads(row.explanation) for row in kept if row.id == response.header("credenza-refusal-id")]
    steps = {step["name"]: step for step in found["steps"]}
    assert (steps["decryption"]["ok"], steps["x-jws-signature"]["asked"]) == (False, False)


def test_steps_that_the_rules_do_not_want_change_nothing(street: PayloadStreet) -> None:
    street.rule(None)

    assert [payload_of(ask(street, step, b"as it is")) for step in ("verify", "decrypt", "encrypt", "sign")] == [
        b"as it is"
    ] * 4


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic !",
        "Bearer abc",
        "Basic " + b64encode(f"other:{SECRET}".encode()).decode(),
        "Basic " + b64encode(f"{SERVER}:{SECRET[:-1]}x".encode()).decode(),
        "Basic " + b64encode(f"{SERVER}:czs_prd_{SECRET[8:]}".encode()).decode(),
    ],
)
def test_whoever_is_no_resource_server_of_the_environment_learns_nothing(
    street: PayloadStreet, authorization: str
) -> None:
    ours, _ = street.keys()

    response = ask(street, "decrypt", street.sealed(ours)[0], authorization=authorization)

    assert (response.status, response.error["ReasonCode"]) == (401, "UNAUTHORIZED")
    assert (response.header("www-authenticate") or "").startswith("Basic")


def test_a_resource_server_that_was_removed_learns_nothing_any_more(street: PayloadStreet) -> None:
    ours, _ = street.keys()
    body, _ = street.sealed(ours)
    assert ask(street, "decrypt", body).status == 200
    servers = schema.resource_servers

    street.scene.change(servers, servers.c.id == SERVER, ChangeKind.ISSUER, SERVER, removed_at=street.scene.clock.now())
    try:
        assert ask(street, "decrypt", body).status == 401
    finally:
        street.scene.change(servers, servers.c.id == SERVER, ChangeKind.ISSUER, SERVER, removed_at=None)


def test_failures_are_those_of_the_gate(street: PayloadStreet) -> None:
    ours, theirs = street.keys()
    body, _ = street.sealed(ours)

    tampered = ask(street, "decrypt", body.replace(b'":"ey', b'":"eY'))
    street.revoke(ours)
    revoked = ask(street, "decrypt", body)
    street.revoke(theirs)
    answers = [ask(street, step, PLAIN) for step in ("encrypt", "decrypt")]

    assert (tampered.status, tampered.error["ReasonCode"]) == (400, "REQUEST_DECRYPT_FAILED")
    assert (revoked.status, revoked.error["ReasonCode"]) == (400, "DECRYPT_PRIVATE_KEY_NOT_FOUND")
    assert [each.error["ReasonCode"] for each in answers] == ["RESPONSE_ENCRYPT_FAILED", "ENCRYPT_PUBLIC_KEY_NOT_FOUND"]


def test_keys_are_those_of_a_project_that_may_use_the_service(street: PayloadStreet) -> None:
    ours, _ = street.keys()
    body, _ = street.sealed(ours)

    other = ask(street, "decrypt", body, projectId="44444444-4444-4444-4444-444444444444")

    assert (other.status, other.error["ReasonCode"]) == (400, "ENCRYPT_PUBLIC_KEY_NOT_FOUND")
    assert payload_of(ask(street, "decrypt", body, serviceId=MTLS_ONLY)) == body  # which has no rules


@pytest.mark.parametrize(
    "changed",
    [
        {"payload": "%"},
        {"payload": None},
        {"serviceId": "x"},
        {"secret": 1},
        {"projectId": "p" * 65},
        {"projectId": "a\0b"},
        {"keyId": "k" * 65},
    ],
)
def test_what_is_no_task_is_refused(street: PayloadStreet, changed: dict[str, Any]) -> None:
    response = ask(street, "decrypt", PLAIN, **changed)

    assert (response.status, response.error["ReasonCode"]) == (400, "BAD_REQUEST")


def test_a_service_that_is_not_there_is_named(street: PayloadStreet) -> None:
    response = ask(street, "decrypt", PLAIN, serviceId=99)

    assert (response.status, response.error["ReasonCode"]) == (400, "BAD_REQUEST")
    assert "99" in response.error["Description"]


@pytest.mark.parametrize("length", [LIMIT + 1, 10 * LIMIT + 200_000])
def test_a_payload_that_is_too_long_is_refused(street: PayloadStreet, length: int) -> None:
    response = ask(street, "decrypt", b" " * length)

    assert response.status == 413


def test_the_keys_that_answers_are_signed_with_are_published(street: PayloadStreet) -> None:
    response = request(street.port, "GET", "/.well-known/payload-keys", [])

    assert response.status == 200
    keys = response.json()["keys"]
    assert [(key["kty"], key["alg"], key["use"]) for key in keys] == [("RSA", "PS256", "sig")] * 2
    assert all(set(key) == {"kty", "n", "e", "kid", "alg", "use"} for key in keys)
    assert "max-age" in (response.header("cache-control") or "")


@pytest.mark.parametrize(("method", "path"), [("GET", "/oauth/payload/decrypt"), ("POST", "/.well-known/payload-keys")])
def test_other_methods_are_not_served(street: PayloadStreet, method: str, path: str) -> None:
    assert request(street.port, method, path, []).status == 405

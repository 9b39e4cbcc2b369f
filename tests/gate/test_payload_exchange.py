"""Payloads through the gate: the upstream reads plain JSON, the client what was encrypted to it, and nobody else."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwe
from joserfc.jwk import RSAKey
from tests.clock import NOON
from tests.gate.payload_scene import (
    FIELD,
    HEADERS,
    JWE,
    LIMIT,
    ORDER_PATH,
    PLAIN,
    REQUEST,
    RESPONSE,
    SIGNATURE,
    SIGNED,
    PayloadStreet,
    opened,
)
from tests.gate.scene import ORDERS, PAYMENTS, PROJECT, SANDBOX
from tests.gate.street import Response

from credenza.domain.token_keys import IssuerKind
from credenza.gate.payload import minified
from credenza.store import schema
from credenza.store.changes import ChangeKind
from credenza.store.engine import reading, writing
from credenza.store.payload_lookup import Parties, ServiceKeySnapshot


@pytest.fixture(scope="module")
def common_street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PayloadStreet]:
    with opened(tmp_path_factory.mktemp("payloads")) as street:
        yield street


@pytest.fixture
def street(common_street: PayloadStreet) -> PayloadStreet:
    common_street.begin(JWE)
    return common_street


CARD = {"places": [{"element": "$.card", "encrypted": "$.secret"}]}
PARTS: dict[str, Any] = {"encryption": {"mode": "JWE", "requests": CARD, "responses": CARD}}
BY_CERTIFICATE: dict[str, Any] = {
    "encryption": {"mode": "FIELD", "encoding": "base64", "parameters": {"in": "BODY", "publicKeyFingerprint": None}}
}


def code(response: Response) -> str:
    return str(response.error["ReasonCode"])


def refused(street: PayloadStreet, response: Response) -> tuple[int, str, str, bytes]:
    """What a caller learns; and the upstream was not called."""
    assert street.upstream.seen == []
    error = response.error
    assert response.header("content-type") == "application/json"
    return response.status, error["Source"], error["ReasonCode"], msgspec.json.encode(error["Description"])


# ------------------------------------------------------------------------------------------------------ there and back


@pytest.mark.parametrize("rules", [JWE, FIELD, HEADERS, PARTS], ids=["jwe", "field", "headers", "part"])
def test_the_upstream_reads_plain_json_and_the_client_its_own_encrypted_answer(
    street: PayloadStreet, rules: dict[str, Any]
) -> None:
    street.rule(rules)
    ours, theirs = street.keys()

    response = street.send(ours)

    assert response.status == 200
    ((headers, body),) = street.upstream.seen
    assert json.loads(body) == json.loads(PLAIN)
    assert headers["content-length"] == str(len(body))
    assert headers["content-type"] == "application/json"
    assert b"5105105105105100" not in response.body
    assert json.loads(street.opened(response, theirs)) == json.loads(PLAIN)


def test_an_answer_is_a_jwe_that_others_read_too(street: PayloadStreet) -> None:
    ours, theirs = street.keys()

    response = street.send(ours)

    key = RSAKey.import_key(theirs.private_key)  # type: ignore[arg-type]
    token = jwe.decrypt_compact(response.json()["encryptedData"], key, algorithms=["RSA-OAEP-256", "A256GCM"])
    assert token.headers() == {
        "alg": "RSA-OAEP-256",
        "enc": "A256GCM",
        "kid": theirs.recipient.named("PUBLIC_KEY"),
        "cty": "application/json",
    }
    assert token.plaintext == PLAIN
    assert response.header("content-length") == str(len(response.body))
    assert response.header("content-type") == "application/json"


@pytest.mark.parametrize("form", ["PUBLIC_KEY", "CERTIFICATE", "KEY_ID"])
def test_a_key_is_found_by_either_fingerprint_and_by_its_id(street: PayloadStreet, form: str) -> None:
    street.rule({"encryption": {"mode": "JWE", "kid": form}})
    street.add(REQUEST)  # another one, so that the name counts
    ours, _ = street.keys()

    response = street.send(ours)

    assert response.status == 200
    assert street.upstream.seen[0][1] == PLAIN


def test_what_spoke_of_the_protection_does_not_reach_the_upstream_in_any_spelling(street: PayloadStreet) -> None:
    rules = {"encryption": {**HEADERS["encryption"], "signalHeader": "x-encrypted"}, "signature": {"requests": False}}
    street.rule(rules)
    ours, _ = street.keys()
    body, headers = street.sealed(ours)
    forged = [("X_IV", "ab"), ("X_Encrypted", "true"), ("X_Jws_Signature", "a..b"), ("x-jws-signature", "c..d")]
    forged += [("Content-Digest", "sha-256=:x:"), ("Accept-Encoding", "gzip"), ("Range", "bytes=0-1")]

    response = street.call(body, [*headers, *forged])

    assert response.status == 200
    arrived = {name.lower().replace("_", "-") for name in street.upstream.seen[0][0]}
    assert arrived.isdisjoint(
        {"x-iv", "x-encrypted-key", "x-oaep-hashing-algorithm", "x-public-key-fingerprint", "x-encrypted"}
        | {"x-jws-signature", "content-digest", "accept-encoding", "range", "authorization"}
    )
    assert response.header("x-encrypted") == "true"


def test_what_an_upstream_says_of_a_protection_that_is_not_its_own_does_not_reach_the_client(
    street: PayloadStreet,
) -> None:
    street.rule(HEADERS)
    ours, theirs = street.keys()
    street.upstream.headers += [(b"x-iv", b"00"), (b"x-jws-signature", b"a..b"), (b"etag", b'"plain"')]
    street.upstream.headers += [(b"content-range", b"bytes 0-28/29")]

    response = street.send(ours)

    assert response.header("x-iv") not in (None, "00")
    assert response.header("x-jws-signature") is None
    assert response.header("etag") is None
    assert response.header("content-range") is None
    assert json.loads(street.opened(response, theirs)) == json.loads(PLAIN)


def test_a_call_without_a_body_has_nothing_to_decrypt_and_its_answer_is_encrypted(street: PayloadStreet) -> None:
    _, theirs = street.keys()
    street.upstream.body = PLAIN

    response = street.call(method="GET")

    assert response.status == 200
    assert street.opened(response, theirs) == PLAIN


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_content_passes(street: PayloadStreet, status: int) -> None:
    ours, _ = street.keys()
    street.upstream.status, street.upstream.body = status, b""

    response = street.send(ours)

    assert (response.status, response.body) == (status, b"")


def test_an_answer_to_head_does_not_tell_how_long_the_plain_one_is(street: PayloadStreet) -> None:
    street.keys()
    street.upstream.body = PLAIN

    response = street.call(method="HEAD")

    assert response.status == 200
    assert response.header("content-length") is None


@pytest.mark.parametrize("status", [400, 404, 500])
def test_an_error_of_the_upstream_is_encrypted_as_well(street: PayloadStreet, status: int) -> None:
    ours, theirs = street.keys()
    street.upstream.status, street.upstream.body = status, b'{"error":"card 5105105105105100 is blocked"}'

    response = street.send(ours)

    assert response.status == status
    assert b"5105105105105100" not in response.body
    assert street.opened(response, theirs) == street.upstream.body


def test_an_error_need_not_have_the_elements_that_answers_have(street: PayloadStreet) -> None:
    street.rule(PARTS)
    ours, _ = street.keys()
    street.upstream.status, street.upstream.body = 404, b'{"error":"unknown"}'

    response = street.send(ours)

    assert (response.status, response.json()) == (404, {"error": "unknown"})


def test_services_without_rules_are_as_they_were(street: PayloadStreet) -> None:
    street.rule(None)

    response = street.call(b"not json", [("x-jws-signature", "theirs")])

    assert (response.status, response.body) == (200, b"not json")
    assert street.upstream.seen[0][0]["x-jws-signature"] == "theirs"


def test_what_is_optional_in_a_transition_may_come_in_plain(street: PayloadStreet) -> None:
    street.rule({"encryption": {"mode": "JWE", "responses": None, "refuseUnencrypted": False}})
    ours = street.add(REQUEST)

    assert street.call(PLAIN).body == PLAIN
    assert street.send(ours).body == PLAIN


def test_a_body_that_came_in_a_file_is_decrypted(street: PayloadStreet) -> None:
    ours, theirs = street.keys()
    large = msgspec.json.encode({"card": "5" * 9_000})

    response = street.send(ours, large)

    assert street.upstream.seen[0][1] == large
    assert street.opened(response, theirs) == large


# ------------------------------------------------------------------------------------------ what is not as it should be


def _changed_segment(number: int) -> Callable[[str], str]:
    def change(token: str) -> str:
        parts = token.split(".")
        octets = bytearray(urlsafe_b64decode(parts[number] + "=="))
        octets[len(octets) // 2] ^= 1
        parts[number] = urlsafe_b64encode(octets).rstrip(b"=").decode()
        return ".".join(parts)

    return change


def _changed_header(**members: Any) -> Callable[[str], str]:
    def change(token: str) -> str:
        header, _, rest = token.partition(".")
        told = json.loads(urlsafe_b64decode(header + "==")) | members
        return urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode() + "." + rest

    return change


def _short_tag(token: str) -> str:
    rest, _, tag = token.rpartition(".")
    return f"{rest}.{urlsafe_b64encode(urlsafe_b64decode(tag + '==')[:12]).rstrip(b'=').decode()}"


TAMPERED: dict[str, Callable[[str], str]] = {
    "header": _changed_header(cty="text/plain"),
    "wrapped key": _changed_segment(1),
    "initialization vector": _changed_segment(2),
    "ciphertext": _changed_segment(3),
    "tag": _changed_segment(4),
    "short tag": _short_tag,
    "wrong algorithm": _changed_header(alg="RSA-OAEP"),
    "direct": _changed_header(alg="dir"),
    "wrong enc": _changed_header(enc="A256CBC-HS512"),
    "compression": _changed_header(zip="DEF"),
    "critical extension": _changed_header(crit=["exp"], exp=1),
    "four parts": lambda token: token.rpartition(".")[0],
    "no token": lambda _: "no token",
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_jwe_that_was_tampered_with_is_refused_like_any_other(street: PayloadStreet, how: str) -> None:
    ours, _ = street.keys()
    token = json.loads(street.sealed(ours)[0])["encryptedData"]

    response = street.call(json.dumps({"encryptedData": TAMPERED[how](token)}).encode())

    assert refused(street, response) == (
        400,
        "Payload",
        "REQUEST_DECRYPT_FAILED",
        b'"The payload cannot be decrypted."',
    )


FIELDS_TAMPERED: dict[str, Callable[[dict[str, str]], dict[str, Any]]] = {
    "ciphertext": lambda it: {**it, "encryptedData": it["encryptedData"][:-32]},
    "last block": lambda it: {**it, "encryptedData": it["encryptedData"][:-32] + "00" * 16},
    "no hex": lambda it: {**it, "encryptedData": "zz" + it["encryptedData"]},
    "vector too short": lambda it: {**it, "iv": it["iv"][:24]},
    "wrapped key": lambda it: {**it, "encryptedKey": "00" * 256},
    "wrapped key too short": lambda it: {**it, "encryptedKey": it["encryptedKey"][:-2]},
    "no wrapped key": lambda it: {name: value for name, value in it.items() if name != "encryptedKey"},
    "wrong digest": lambda it: {**it, "oaepHashingAlgorithm": "SHA512"},
    "a number": lambda it: {**it, "iv": 1},
}


@pytest.mark.parametrize("how", FIELDS_TAMPERED)
def test_fields_that_were_tampered_with_are_refused_in_the_same_words(street: PayloadStreet, how: str) -> None:
    street.rule(FIELD)
    ours, _ = street.keys()
    fields = json.loads(street.sealed(ours)[0])

    response = street.call(json.dumps(FIELDS_TAMPERED[how](fields)).encode())

    assert refused(street, response) == (
        400,
        "Payload",
        "REQUEST_DECRYPT_FAILED",
        b'"The payload cannot be decrypted."',
    )


@pytest.mark.parametrize(
    "body",
    [
        PLAIN,
        b"[]",
        b"not json",
        b'{"encryptedData":1}',
        b"[" * 5_000,
        b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
        b'{"encryptedData":"a","encryptedData":"b"}',
        b"\xff",
    ],
    ids=["plain", "list", "text", "number", "deep list", "deep object", "twice", "no utf-8"],
)
def test_a_body_without_a_token_in_its_place_is_refused_in_the_same_words(street: PayloadStreet, body: bytes) -> None:
    street.keys()

    response = street.call(body)

    assert refused(street, response) == (
        400,
        "Payload",
        "REQUEST_DECRYPT_FAILED",
        b'"The payload cannot be decrypted."',
    )


@pytest.mark.parametrize("how", ["nothing", "two things"])
def test_a_place_that_matches_nothing_or_two_things_is_refused(street: PayloadStreet, how: str) -> None:
    street.rule(PARTS)
    ours, _ = street.keys()
    sealed = json.loads(street.sealed(ours)[0])
    body = {"amount": 1} if how == "nothing" else {**sealed, "card": {"number": "4111"}}

    response = street.call(json.dumps(body).encode())

    assert refused(street, response)[2] == "REQUEST_DECRYPT_FAILED"


def test_a_body_longer_than_payloads_may_be_is_refused(street: PayloadStreet) -> None:
    street.keys()

    response = street.call(b" " * (LIMIT + 1))

    assert (response.status, code(response)) == (413, "PAYLOAD_TOO_LARGE")
    assert street.upstream.seen == []


@pytest.mark.parametrize("gone", ["unknown", "revoked", "expired", "of another service"])
def test_a_key_that_is_not_there_for_this_is_not_found(street: PayloadStreet, gone: str) -> None:
    street.keys()
    ours = street.add(
        REQUEST,
        not_after=NOON - timedelta(seconds=1) if gone == "expired" else NOON + timedelta(days=1),
        service=PAYMENTS if gone == "of another service" else ORDERS,
        status="REVOKED" if gone in ("revoked", "unknown") else "ACTIVE",
    )
    body, headers = street.sealed(ours)
    if gone == "unknown":
        token = json.loads(body)["encryptedData"]
        body = json.dumps({"encryptedData": _changed_header(kid="0" * 64)(token)}).encode()

    response = street.call(body, headers)

    assert refused(street, response) == (
        400,
        "Payload",
        "DECRYPT_PRIVATE_KEY_NOT_FOUND",
        b'"The private key for this payload is not found."',
    )


def test_the_owner_of_the_credential_is_told_why_and_not_more_of_a_decryption_than_that_it_failed(
    street: PayloadStreet,
) -> None:
    ours, _ = street.keys()
    token = json.loads(street.sealed(ours)[0])["encryptedData"]
    client = street.scene.add_key()
    responses = [
        street.call(json.dumps({"encryptedData": TAMPERED[how](token)}).encode(), client=client)
        for how in ("tag", "wrapped key", "compression")
    ]

    found = [explanation(street, response) for response in responses]

    assert [each["code"] for each in found] == ["payload_undecrypted"] * 3
    steps = [{step["name"]: step for step in each["steps"]} for each in found]
    assert [each["signature"]["ok"] for each in steps] == [True] * 3
    assert [each["decryption key"]["ok"] for each in steps] == [True] * 3
    hints = [each["decryption"]["hint"] for each in steps]
    assert hints[0] == hints[1]
    assert "compression" in hints[2]


@pytest.mark.parametrize(
    ("rules", "asked"),
    [
        (JWE, {"key for answers", "decryption key", "decryption", "answer"}),
        ({**JWE, **SIGNED}, {"key for answers", "x-jws-signature", "decryption key", "decryption", "answer"}),
        ({"encryption": {"mode": "JWE", "responses": None}}, {"decryption key", "decryption"}),
    ],
    ids=["encrypted", "signed as well", "requests alone"],
)
def test_what_the_service_does_not_ask_for_is_called_so_and_not_fine(
    street: PayloadStreet, rules: dict[str, Any], asked: set[str]
) -> None:
    street.rule(rules)
    ours, _ = street.keys()
    body = street.sealed(ours)[0].replace(b'"ey', b'"fy')
    headers = [street.signature(street.add(SIGNATURE), body)]

    found = explanation(street, street.call(body, headers, client=street.scene.add_key()))

    steps = {step["name"]: step for step in found["steps"]}
    names = {"key for answers", "x-jws-signature", "decryption key", "decryption", "answer"}
    assert found["code"] == "payload_undecrypted"
    assert asked == {name for name in names if steps[name]["asked"]}
    assert {steps[name]["ok"] for name in names - asked} <= {None}
    assert steps["decryption"]["ok"] is False


def explanation(street: PayloadStreet, response: Response) -> Any:
    asyncio.run(street.desk.refusals.flush())
    with reading(street.scene.database.traces) as connection:
        rows = connection.execute(schema.refusals.select()).all()
    (found,) = [row for row in rows if row.id == response.header("credenza-refusal-id")]
    return json.loads(found.explanation)


def counted(street: PayloadStreet, run: Callable[[], object]) -> tuple[dict[str, int], set[tuple[int, int, int]]]:
    """What a gate counts of some calls: its decisions, and of the credential service, admitted and refused."""
    asyncio.run(street.desk.usage.flush())
    with writing(street.scene.database.traces) as connection:
        connection.execute(schema.callers.delete())
    before = dict(street.desk.metrics.decisions)
    run()
    asyncio.run(street.desk.usage.flush())
    with reading(street.scene.database.traces) as connection:
        rows = connection.execute(schema.callers.select()).all()
    after = street.desk.metrics.decisions
    outcomes = {name: count - before.get((place, name), 0) for (place, name), count in after.items()}
    return {name: more for name, more in outcomes.items() if more}, {
        (row.service_id, row.admitted, row.refused) for row in rows
    }


def test_a_call_whose_payload_is_refused_is_counted_once_as_refused(street: PayloadStreet) -> None:
    ours, _ = street.keys()
    tampered = {"encryptedData": TAMPERED["tag"](json.loads(street.sealed(ours)[0])["encryptedData"])}

    found = counted(street, lambda: street.call(json.dumps(tampered).encode()))

    assert found == ({"payload_undecrypted": 1}, {(0, 0, 1)})


def test_a_call_whose_payload_is_opened_is_counted_once_as_admitted(street: PayloadStreet) -> None:
    ours, _ = street.keys()

    found = counted(street, lambda: street.send(ours))

    assert found == ({"admitted": 1}, {(ORDERS, 1, 0)})


def test_a_call_whose_answer_is_kept_back_was_admitted(street: PayloadStreet) -> None:
    ours, _ = street.keys()
    street.upstream.body = b"no json"

    found = counted(street, lambda: street.send(ours))

    assert found == ({"admitted": 1, "payload_answer": 1}, {(ORDERS, 1, 0)})


# ------------------------------------------------------------------------------------------------------------- answers


def test_without_a_key_for_answers_the_upstream_is_not_even_called(street: PayloadStreet) -> None:
    ours = street.add(REQUEST)
    street.add(RESPONSE, status="INACTIVE")
    street.add(RESPONSE, status="REVOKED")

    response = street.send(ours)

    assert refused(street, response)[:3] == (400, "Payload", "ENCRYPT_PUBLIC_KEY_NOT_FOUND")


def test_a_key_that_is_revoked_while_the_upstream_works_encrypts_nothing(street: PayloadStreet) -> None:
    ours, theirs = street.keys()
    street.upstream.meanwhile = lambda: street.revoke(theirs)

    response = street.send(ours)

    assert (response.status, code(response)) == (502, "RESPONSE_ENCRYPT_FAILED")
    assert b"5105105105105100" not in response.body


def test_an_answer_is_encrypted_to_the_key_that_is_active_when_it_is_given(street: PayloadStreet) -> None:
    ours, before = street.keys()
    after = street.add(RESPONSE, status="INACTIVE")

    def swap() -> None:
        street.change(before, status="INACTIVE", inactive_since=NOON)
        street.change(after, status="ACTIVE")

    street.upstream.meanwhile = swap
    response = street.send(ours)

    assert street.opened(response, after) == PLAIN


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>5105105105105100</html>"),
        (500, b"Traceback: 5105105105105100"),
        (200, b'{"a":1,"a":5105105105105100}'),
    ],
)
def test_an_answer_that_is_no_json_is_not_sent_as_it_is(street: PayloadStreet, status: int, body: bytes) -> None:
    ours, _ = street.keys()
    street.upstream.status, street.upstream.body = status, body

    response = street.send(ours)

    assert (response.status, code(response)) == (502, "RESPONSE_ENCRYPT_FAILED")
    assert b"5105105105105100" not in response.body


def test_an_answer_without_the_element_that_is_to_be_encrypted_is_not_sent(street: PayloadStreet) -> None:
    street.rule(PARTS)
    ours, _ = street.keys()
    street.upstream.body = b'{"cards":["5105105105105100"]}'

    response = street.send(ours)

    assert (response.status, code(response)) == (502, "RESPONSE_ENCRYPT_FAILED")
    assert b"5105105105105100" not in response.body


@pytest.mark.parametrize("what", ["too long", "broken off", "coded"])
def test_an_answer_that_cannot_be_read_whole_is_not_sent(street: PayloadStreet, what: str) -> None:
    ours, _ = street.keys()
    street.upstream.body = json.dumps({"card": "5105105105105100" * (1_500 if what == "too long" else 1)}).encode()
    street.upstream.breaks = what == "broken off"
    street.upstream.headers += [(b"content-encoding", b"gzip")] if what == "coded" else []

    response = street.send(ours)

    assert response.status == 502
    assert b"5105105105105100" not in response.body


# ----------------------------------------------------------------------------------------------------------- signatures


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_a_signed_request_passes_and_its_answer_is_signed_with_a_published_key(
    street: PayloadStreet, algorithm: str
) -> None:
    street.rule(SIGNED)
    key = street.add(SIGNATURE)
    street.upstream.body = b'{ "a" : 1.50,\n "b": "\\u00e9\\/" }'

    response = street.call(PLAIN, [street.signature(key, PLAIN, algorithm=algorithm)])

    assert response.status == 200
    assert "x-jws-signature" not in street.upstream.seen[0][0]
    assert response.body == '{"a":1.50,"b":"é/"}'.encode()
    header, _, signature = (response.header("x-jws-signature") or "").partition("..")
    told = json.loads(urlsafe_b64decode(header + "=="))
    assert (told["alg"], told["crit"]) == ("PS256", ["iat"])
    keys = json.loads(street.issuers.key_set(SANDBOX, IssuerKind.PAYLOAD, now=NOON))
    (key,) = [RSAKey.import_key(each) for each in keys["keys"] if each["kid"] == told["kid"]]
    signing_input = f"{header}.{urlsafe_b64encode(response.body).rstrip(b'=').decode()}".encode()
    pss = padding.PSS(padding.MGF1(SHA256()), 32)
    key.public_key.verify(urlsafe_b64decode(signature + "=="), signing_input, pss, SHA256())


@pytest.mark.parametrize(("body", "digest"), [(b'{ "a": 1 }', None), (b'{"a":1}', "sha-256=:AAAA:")])
def test_a_digest_of_an_answer_goes_on_with_the_bytes_it_speaks_of_alone(
    street: PayloadStreet, body: bytes, digest: str | None
) -> None:
    street.rule(SIGNED)
    key = street.add(SIGNATURE)
    street.upstream.body = body
    street.upstream.headers += [(b"content-digest", b"sha-256=:AAAA:")]

    response = street.call(PLAIN, [street.signature(key, PLAIN)])

    assert response.body == b'{"a":1}'
    assert response.header("content-digest") == digest


def test_a_signature_of_a_call_without_body_is_over_its_path_and_query(street: PayloadStreet) -> None:
    street.rule({"signature": {"responses": False}})
    key = street.add(SIGNATURE)
    target = "/orders/1?a=b%20c&d"

    assert street.call(None, [street.signature(key, b"", target)], method="GET", target=target).status == 200
    assert street.call(None, [street.signature(key, b"", ORDER_PATH)], method="GET", target=target).status == 400


@pytest.mark.parametrize(
    "what",
    [
        "missing",
        "twice",
        "garbage",
        "other body",
        "other key",
        "unknown kid",
        "stale",
        "of the future",
        "revoked",
        "inactive",
        "expired",
        "encryption key",
        "algorithm",
    ],
)
def test_a_request_that_is_not_signed_as_it_must_be_is_refused_in_the_same_words(
    street: PayloadStreet, what: str
) -> None:
    street.rule({"signature": {"algorithms": ["PS256"], "responses": False}})
    key = street.add(
        REQUEST if what == "encryption key" else SIGNATURE,
        status={"revoked": "REVOKED", "inactive": "INACTIVE"}.get(what, "ACTIVE"),
        inactive_since=NOON if what == "inactive" else None,
        not_after=NOON - timedelta(hours=1) if what == "expired" else NOON + timedelta(days=1),
    )
    moment = {"stale": NOON - timedelta(seconds=361), "of the future": NOON + timedelta(seconds=61)}.get(what, NOON)
    signed = street.signature(
        street.add(SIGNATURE, status="INACTIVE") if what == "other key" else key,
        b"{}" if what == "other body" else PLAIN,
        kid="0" * 64 if what == "unknown kid" else key.id,
        now=moment,
        algorithm="RS256" if what == "algorithm" else "PS256",
    )
    headers = {"missing": [], "twice": [signed, signed], "garbage": [("x-jws-signature", "..")]}.get(what, [signed])

    response = street.call(PLAIN, headers)

    assert refused(street, response) == (
        400,
        "Payload",
        "REQUEST_SIGNATURE_FAILED",
        b'"The x-jws-signature of the request is missing or not accepted."',
    )


def test_a_key_that_was_replaced_is_accepted_for_the_grace_of_its_service(street: PayloadStreet) -> None:
    street.rule({"signature": {"graceS": 3600, "responses": False}})
    street.add(SIGNATURE)

    def status(ago: timedelta) -> int:
        replaced = street.add(SIGNATURE, status="INACTIVE", inactive_since=NOON - ago)
        return street.call(PLAIN, [street.signature(replaced, PLAIN)]).status

    assert status(timedelta(seconds=3599)) == 200
    assert status(timedelta(seconds=3600)) == 400


def test_the_signature_is_checked_before_anything_is_decrypted_and_covers_what_was_sent(street: PayloadStreet) -> None:
    street.rule({**JWE, "signature": {}})
    ours, theirs = street.keys()
    signing = street.add(SIGNATURE)
    body, _ = street.sealed(ours)

    good = street.call(body, [street.signature(signing, body)])
    unsigned = street.call(b"not even json")

    assert street.opened(good, theirs) == PLAIN
    assert code(unsigned) == "REQUEST_SIGNATURE_FAILED"
    assert len(street.upstream.seen) == 1
    signed = good.header("x-jws-signature")
    assert signed is not None


def test_what_is_written_again_is_what_javascript_writes() -> None:
    assert minified(b'{ "z" : [1, 2.0 ,"\\u00e9\\/\\u001f\\n"] }') == '{"z":[1,2.0,"é/\\u001f\\n"]}'.encode()
    assert minified(b"no json") == b"no json"
    assert minified(b"[" * 100_000 + b" ]" * 100_000) == b"[" * 100_000 + b" ]" * 100_000


# ------------------------------------------------------------------------------------------------------------ freshness


def test_a_revoked_key_is_not_found_by_the_next_call(street: PayloadStreet) -> None:
    ours, _ = street.keys()
    assert street.send(ours).status == 200

    street.revoke(ours)
    response = street.send(ours)

    assert code(response) == "DECRYPT_PRIVATE_KEY_NOT_FOUND"
    assert len(street.upstream.seen) == 1


def test_a_new_key_is_good_at_once_beside_the_one_in_use(street: PayloadStreet) -> None:
    ours, theirs = street.keys()
    street.send(ours)

    beside = street.add(REQUEST)

    assert street.opened(street.send(beside), theirs) == PLAIN
    assert street.opened(street.send(ours), theirs) == PLAIN


def test_an_entitlement_that_is_withdrawn_takes_the_keys_with_it(street: PayloadStreet) -> None:
    ours, _ = street.keys()
    assert street.send(ours).status == 200
    entitled = schema.project_services
    where = (entitled.c.project_id == PROJECT) & (entitled.c.service_id == ORDERS)

    street.scene.change(entitled, where, ChangeKind.PROJECT, PROJECT, status="PENDING_APPROVAL")
    try:
        assert street.send(ours).status == 401
    finally:
        street.scene.change(entitled, where, ChangeKind.PROJECT, PROJECT, status="APPROVED")


def test_rules_that_a_gate_cannot_read_let_nothing_through(street: PayloadStreet) -> None:
    places = schema.service_environments
    street.scene.change(
        places, places.c.service_id == ORDERS, ChangeKind.CATALOG, ORDERS, payload_rules='{"quantum":{}}'
    )

    response = street.call(PLAIN)

    assert refused(street, response)[:3] == (503, "Gateway", "SERVICE_UNAVAILABLE")


class Late:
    """A database that answers after something else has happened."""

    def __init__(self, source: Any, meanwhile: Callable[[], None]) -> None:
        self._source = source
        self._meanwhile = [meanwhile]

    def service_keys_now(self, parties: Parties) -> None:
        return None

    async def service_keys(self, parties: Parties) -> ServiceKeySnapshot:
        if self._meanwhile:
            self._meanwhile.pop()()
        found: ServiceKeySnapshot = await self._source.service_keys(parties)
        return found


def test_a_caller_who_is_revoked_while_keys_are_fetched_is_refused(
    street: PayloadStreet, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = street.keys()
    client, scene = street.scene.add_key(), street.scene
    late = Late(scene.payload_keys._source, lambda: scene.revoke(client))
    monkeypatch.setattr(scene.payload_keys, "_source", late)

    response = street.send(ours, client=client)

    assert refused(street, response)[:3] == (403, "Gateway", "AUTHENTICATION_FAILED")


def test_a_caller_who_waits_while_others_change_is_served_with_what_is_true_then(
    street: PayloadStreet, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = street.keys()
    late = Late(street.scene.payload_keys._source, lambda: street.revoke(theirs))
    monkeypatch.setattr(street.scene.payload_keys, "_source", late)

    response = street.send(ours)

    assert refused(street, response)[2] == "ENCRYPT_PUBLIC_KEY_NOT_FOUND"


def test_a_gate_without_the_key_encryption_key_decrypts_nothing(
    street: PayloadStreet, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = street.keys()
    monkeypatch.setattr(street.scene.payload_keys, "vault", None)

    response = street.send(ours)

    assert refused(street, response)[:3] == (503, "Gateway", "SERVICE_UNAVAILABLE")

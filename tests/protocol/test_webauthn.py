"""Passkeys: what a browser answers, and everything that is wrong with it. Web Authentication Level 3."""

import contextlib
import hashlib
import json
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from tests.authenticator import PRESENT, SoftAuthenticator, b64u, unb64u

from credenza.protocol import webauthn
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.webauthn import LARGEST_RESPONSE, Account, Site

ORIGIN = "https://desk.example.com"
SITE = Site("desk.example.com", ORIGIN)
ANN = Account(b"6f1c", "ann@example.org", "Ann")
CHALLENGE = b"a challenge of ours"
LIFE = timedelta(minutes=5)
CREATION = webauthn.creation_options(SITE, ANN, CHALLENGE, known=[], life=LIFE, rp_name="Credenza")
REQUEST = webauthn.request_options(SITE, CHALLENGE, life=LIFE)


def registered(key: SoftAuthenticator, **wrong: Any) -> webauthn.Registered:
    return webauthn.check_attestation(webauthn.parse_attestation(key.create(CREATION, **wrong)), SITE)


def sign_count(key: SoftAuthenticator, public_key: bytes, **wrong: Any) -> int:
    assertion = webauthn.parse_assertion(key.get(REQUEST, **wrong))
    return webauthn.check_assertion(assertion, SITE, credential_public_key=public_key)


@pytest.mark.parametrize(
    "private_key",
    [
        pytest.param(ec.generate_private_key(ec.SECP256R1()), id="ES256"),
        pytest.param(ed25519.Ed25519PrivateKey.generate(), id="EdDSA"),
        pytest.param(rsa.generate_private_key(65537, 2048), id="RS256"),
    ],
)
def test_a_passkey_that_was_registered_signs_in(private_key: Any) -> None:
    key = SoftAuthenticator(ORIGIN, private_key)

    found = registered(key)

    assert (found.credential_id, found.sign_count) == (key.credential_id, 0)
    assert sign_count(key, found.public_key) == 1
    assert sign_count(key, found.public_key) == 2


def test_options_ask_for_a_discoverable_key_that_knows_its_user() -> None:
    asked = json.loads(webauthn.creation_options(SITE, ANN, CHALLENGE, known=[b"old"], life=LIFE, rp_name="Desk"))

    assert asked["rp"] == {"id": "desk.example.com", "name": "Desk"}
    assert unb64u(asked["user"]["id"]) == ANN.handle
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert asked["attestation"] == "none"
    assert [unb64u(each["id"]) for each in asked["excludeCredentials"]] == [b"old"]
    assert {each["alg"] for each in asked["pubKeyCredParams"]} == {-7, -8, -257}


def test_a_request_names_no_passkey_unless_told_to() -> None:
    everybody = json.loads(REQUEST)
    one = json.loads(webauthn.request_options(SITE, CHALLENGE, allowed=[b"own"], life=LIFE))

    assert (everybody["allowCredentials"], everybody["userVerification"]) == ([], "required")
    assert [unb64u(each["id"]) for each in one["allowCredentials"]] == [b"own"]
    assert unb64u(everybody["challenge"]) == CHALLENGE


def test_a_self_attestation_counts_as_none() -> None:
    key = SoftAuthenticator(ORIGIN)
    plain = webauthn.parse_attestation(key.create(CREATION))
    data = key._authenticator_data("desk.example.com", 0x45) + key._attested({})
    signature = key.sign(data + hashlib.sha256(plain.client_data).digest())

    assert registered(key, statement=("packed", {"alg": -7, "sig": signature})).credential_id == key.credential_id


BAD_PLACES = [
    pytest.param({"origin": "https://evil.example.com"}, id="another origin"),
    pytest.param({"origin": "http://desk.example.com"}, id="the origin without TLS"),
    pytest.param({"origin": ORIGIN + ":8443"}, id="another port"),
    pytest.param({"rp_id": "example.com"}, id="another relying party"),
    pytest.param({"flags": PRESENT}, id="the user was not verified"),
    pytest.param({"flags": 0x04}, id="nobody was there"),
    pytest.param({"type": "webauthn.other"}, id="another ceremony"),
]


@pytest.mark.parametrize("wrong", BAD_PLACES)
def test_a_passkey_is_not_registered(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        registered(SoftAuthenticator(ORIGIN), **wrong)

    assert refused.value.reason == "attestation"


@pytest.mark.parametrize(
    "wrong",
    [
        *BAD_PLACES,
        pytest.param({"signature": b""}, id="no signature"),
        pytest.param({"signature": bytes(70)}, id="not a signature"),
        pytest.param({"signature": SoftAuthenticator(ORIGIN).sign(b"other")}, id="another key's signature"),
    ],
)
def test_an_assertion_proves_nothing(wrong: dict[str, Any]) -> None:
    key = SoftAuthenticator(ORIGIN)
    public_key = registered(key).public_key

    with pytest.raises(Refused) as refused:
        sign_count(key, public_key, **wrong)

    assert refused.value.reason == "assertion"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        pytest.param({"statement": ("fido-u2f", {})}, "attestation", id="a format that was not asked for"),
        pytest.param({"statement": ("packed", {"x5c": [b"1"], "sig": b"1", "alg": -7})}, "attestation", id="x5c"),
        pytest.param({"statement": ("packed", {"sig": b"1", "alg": -7})}, "attestation", id="a false self-attestation"),
        pytest.param({"statement": ("none", {"sig": b"1"})}, "attestation", id="none, and a signature"),
        pytest.param({"inner_id": b"another"}, "attestation", id="another id inside than outside"),
        pytest.param({"cose": {}}, "attestation", id="no key"),
        pytest.param({"cose": {1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)}}, "attestation", id="off the curve"),
        pytest.param({"cose": {1: 3, 3: -257, -1: b"\xff" * 128, -2: b"\1\0\1"}}, "key_size", id="RSA-1024"),
        pytest.param({"cose": {1: 3, 3: -257, -1: b"\xff" * 1024, -2: b"\1\0\1"}}, "key_size", id="RSA-8192"),
        pytest.param({"cose": {1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\3"}}, "weak_key", id="exponent 3"),
        pytest.param({"cose": {1: 3, 3: -65535, -1: b"\xff" * 256, -2: b"\1\0\1"}}, "attestation", id="RS1"),
    ],
)
def test_a_key_or_an_attestation_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        registered(SoftAuthenticator(ORIGIN), **wrong)

    assert refused.value.reason == reason


def test_a_key_on_another_curve_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        registered(SoftAuthenticator(ORIGIN, ec.generate_private_key(ec.SECP384R1())))

    assert refused.value.reason == "key_type"


def test_an_answer_without_a_key_is_no_registration() -> None:
    key = SoftAuthenticator(ORIGIN)
    made = json.loads(key.create(CREATION))
    bare = key._authenticator_data("desk.example.com", 0x05)
    made["response"]["attestationObject"] = b64u(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": bare}))

    with pytest.raises(Refused, match="holds no passkey"):
        webauthn.check_attestation(webauthn.parse_attestation(json.dumps(made)), SITE)


def changed(**members: Any) -> str:
    """An assertion with other members in its response; None takes one away."""
    made = json.loads(SoftAuthenticator(ORIGIN).get(REQUEST))
    made["response"] |= members
    made["response"] = {name: value for name, value in made["response"].items() if value is not None}
    return json.dumps(made)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        pytest.param("", "response", id="nothing"),
        pytest.param("[]", "response", id="no object"),
        pytest.param("{" * 5000, "response", id="too deep"),
        pytest.param(" " * LARGEST_RESPONSE + "{}", "response", id="too long"),
        pytest.param(changed(signature=None), "response", id="no signature"),
        pytest.param(changed(signature="a+b/"), "response", id="not base64url"),
        pytest.param(changed(signature=7), "response", id="a number"),
        pytest.param(changed(clientDataJSON=b64u(b"\xff")), "client data", id="client data that is no JSON"),
        pytest.param(
            changed(clientDataJSON=b64u(b'{"challenge": 1}')), "client data", id="a challenge that is no text"
        ),
        pytest.param(
            changed(clientDataJSON=b64u(b'{"challenge": "YQ", "challenge": "Yg"}')), "client data", id="two challenges"
        ),
        pytest.param(
            changed(clientDataJSON=b64u(b'{"challenge": "YQ", "crossOrigin": true}')), "client data", id="in a frame"
        ),
        pytest.param(SoftAuthenticator(ORIGIN).get(REQUEST, credential_id=b""), "response", id="an empty id"),
        pytest.param(SoftAuthenticator(ORIGIN).get(REQUEST, credential_id=bytes(1024)), "response", id="a long id"),
        pytest.param(
            SoftAuthenticator(ORIGIN).get(REQUEST).replace("public-key", "password"), "response", id="another type"
        ),
    ],
)
def test_an_answer_that_cannot_be_read_is_malformed(text: str, field: str) -> None:
    with pytest.raises(Malformed) as malformed:
        webauthn.parse_assertion(text)

    assert malformed.value.field == field


def test_an_assertion_need_not_say_whose_it_is() -> None:
    assert webauthn.parse_assertion(SoftAuthenticator(ORIGIN).get(REQUEST, user_handle=None)).user_handle is None


WHOLE = webauthn.parse_attestation(SoftAuthenticator(ORIGIN).create(CREATION))


@given(st.data())
def test_hostile_bytes_are_refused_and_nothing_else(data: st.DataObject) -> None:
    """One or a few changed bytes anywhere in an attestation: registered or refused, never another error."""
    octets = bytearray(WHOLE.attestation_object)
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    attestation = webauthn.Attestation(WHOLE.credential_id, WHOLE.client_data, bytes(octets), WHOLE.challenge)

    with contextlib.suppress(Refused):
        webauthn.check_attestation(attestation, SITE)


@given(st.binary(max_size=200))
def test_hostile_authenticator_data_is_refused(octets: bytes) -> None:
    key = SoftAuthenticator(ORIGIN)
    found = webauthn.parse_assertion(key.get(REQUEST))
    hostile = webauthn.Assertion(found.credential_id, found.client_data, octets, found.signature, None, found.challenge)

    with pytest.raises(Refused):
        webauthn.check_assertion(hostile, SITE, credential_public_key=registered(key).public_key)

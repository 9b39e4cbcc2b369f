"""Payloads in the SDK: callers write and read plain JSON, and on the wire it is encrypted, signed, authenticated."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.client.payload_service import PayloadService
from tests.client.token_server import Wire
from tests.clock import Clock
from tests.protocol.oauth1_calls import CONSUMER_KEY
from tests.protocol.payloads import KEY_ID, certificate_of, certificate_sha256, recipient_of

from credenza.client.auth import OAuth1Auth
from credenza.client.payload import AsyncPayloadTransport, Payloads, PayloadTransport, Signer
from credenza.client.payload_keys import (
    DecryptionKeys,
    read_decryption_key,
    read_key_set,
    read_public_key,
    read_recipient,
)
from credenza.protocol import jose, pkcs12, public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.payload import Sealed, Undecrypted
from credenza.protocol.payload_rules import (
    Direction,
    FieldRules,
    JweRules,
    ParameterHeaders,
    PayloadRules,
    Place,
    SignatureRules,
)

OURS = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # the platform's
THEIRS = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # the client's
URL = "https://api.example.com/payments?full=yes"
BODY = {"card": {"number": "4111111111111111"}, "amount": 12.5}
CARD = Direction(places=(Place(element="$.card", encrypted="$.sealed"),))
RULES = {
    "JWE": PayloadRules(encryption=JweRules()),
    "JWE in a place": PayloadRules(encryption=JweRules(requests=CARD, responses=CARD)),
    "field level": PayloadRules(encryption=FieldRules()),
    "field level in headers": PayloadRules(
        encryption=FieldRules(parameters=ParameterHeaders(), signal_header="x-encrypted")
    ),
    "signed": PayloadRules(signature=SignatureRules()),
    "signed JWE": PayloadRules(encryption=JweRules(), signature=SignatureRules()),
    "requests alone": PayloadRules(
        encryption=JweRules(responses=None), signature=SignatureRules(responses=False, algorithms=("PS256",))
    ),
    "nothing": PayloadRules(),
}


def service(rules: PayloadRules, clock: Clock, **named: Any) -> PayloadService:
    return PayloadService(rules, OURS, THEIRS, clock, **named)


def payloads(rules: PayloadRules, clock: Clock, **named: Any) -> Payloads:
    return Payloads(
        **{
            "rules": rules,
            "recipient": recipient_of(OURS),
            "keys": DecryptionKeys((read_decryption_key(pem(THEIRS)),)),
            "signer": Signer(THEIRS, "k1"),
            "verifiers": {KEY_ID: OURS.public_key()},
            "clock": clock.now,
            **named,
        }
    )


def signing(clock: Clock) -> OAuth1Auth:
    return OAuth1Auth(CONSUMER_KEY, THEIRS, clock=clock.now)


def client(serving: PayloadService, clock: Clock, **named: Any) -> httpx.Client:
    transport = PayloadTransport(payloads(serving.rules, clock, **named), auth=signing(clock), transport=Wire(serving))
    return httpx.Client(transport=transport)


def pem(key: Any) -> bytes:
    octets: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return octets


@pytest.mark.parametrize("name", RULES)
def test_caller_and_service_read_plain_json(name: str, clock: Clock) -> None:
    serving = service(RULES[name], clock)

    with client(serving, clock) as http:
        answer = http.post(URL, json=BODY)

    assert json.loads(serving.read[0]) == BODY
    assert answer.json() == BODY
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert json.loads(answer.request.content) == BODY, "the caller's own request is not touched"


@pytest.mark.parametrize("name", RULES)
def test_the_same_for_tasks(name: str, clock: Clock) -> None:
    serving = service(RULES[name], clock)

    async def call() -> httpx.Response:
        transport = AsyncPayloadTransport(payloads(serving.rules, clock), auth=signing(clock), transport=Wire(serving))
        async with httpx.AsyncClient(transport=transport) as http:
            return await http.post(URL, json=BODY)

    answer = asyncio.run(call())

    assert (json.loads(serving.read[0]), answer.json()) == (BODY, BODY)


def test_nothing_of_the_plain_text_is_on_the_wire(clock: Clock) -> None:
    serving = service(RULES["signed JWE"], clock)
    seen: list[httpx.Request] = []

    def watched(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return serving(request)

    transport = PayloadTransport(payloads(serving.rules, clock), auth=signing(clock), transport=Wire(watched))
    with httpx.Client(transport=transport) as http:
        http.post(URL, json=BODY)

    assert b"4111111111111111" not in seen[0].content
    assert seen[0].headers["Content-Length"] == str(len(seen[0].content))


def test_a_call_without_a_body_is_signed_and_nothing_of_it_encrypted(clock: Clock) -> None:
    serving = service(RULES["signed JWE"], clock, answer=lambda _: httpx.Response(200, content=b'{"a": 1}'))

    with client(serving, clock) as http:
        answer = http.get(URL)

    assert (serving.read, answer.json()) == ([b""], {"a": 1})


def test_each_call_is_encrypted_anew(clock: Clock) -> None:
    ours = payloads(RULES["JWE"], clock)

    one, other = (ours.seal_request(b"{}", "/") for _ in range(2))

    assert one.body != other.body


# ---------------------------------------------------------------------------------------------------------- answers


def test_a_refusal_from_before_the_service_is_read_as_it_is(clock: Clock) -> None:
    for content_type, body in (("application/json", b'{"Errors":{}}'), ("text/html", b"<h1>502</h1>")):
        answer = httpx.Response(502, content=body, headers={"Content-Type": content_type})
        serving = service(RULES["signed JWE"], clock, answer=lambda _, answer=answer: answer)
        with client(serving, clock) as http:
            assert http.post(URL, json=BODY).content == body


def test_a_refusal_of_the_service_itself_is_decrypted(clock: Clock) -> None:
    rules = RULES["JWE"]
    serving = service(rules, clock)
    sealed = serving._sealed(b'{"code":"DECLINED"}', "/")
    serving.answer = lambda _: httpx.Response(
        422, content=sealed.body, headers={"Content-Type": "application/problem+json"}
    )

    with client(serving, clock) as http:
        assert http.post(URL, json=BODY).json() == {"code": "DECLINED"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sealed: Sealed(sealed.body + b" ", sealed.headers),
        lambda sealed: Sealed(sealed.body),
        lambda _: Sealed(b'{"a":1}'),
    ],
    ids=["changed", "not signed", "plain"],
)
def test_an_answer_that_is_not_the_services_is_refused(spoil: Any, clock: Clock) -> None:
    serving = service(RULES["signed JWE"], clock, spoil=spoil)

    with client(serving, clock) as http, pytest.raises(Refused) as caught:
        http.post(URL, json=BODY)

    assert caught.value.reason == "signature"


def test_a_plain_answer_is_refused_where_an_encrypted_one_is_due(clock: Clock) -> None:
    serving = service(RULES["JWE"], clock, spoil=lambda _: Sealed(b'{"a":1}'))

    with client(serving, clock) as http, pytest.raises(Undecrypted) as caught:
        http.post(URL, json=BODY)

    assert caught.value.reason == "unencrypted"


@pytest.mark.parametrize(
    "verifiers", [{"another": OURS.public_key()}, {KEY_ID: THEIRS.public_key()}], ids=["unknown", "of another key"]
)
def test_an_answer_that_somebody_else_signed_is_refused(verifiers: Any, clock: Clock) -> None:
    serving = service(RULES["signed"], clock)

    with client(serving, clock, verifiers=verifiers) as http, pytest.raises(Refused) as caught:
        http.post(URL, json=BODY)

    assert caught.value.reason == "signature"


def test_an_answer_of_long_ago_is_refused(clock: Clock) -> None:
    old = service(RULES["signed"], clock)._sealed(b"{}", "/")
    clock.advance(timedelta(minutes=10))

    with pytest.raises(Refused) as caught:
        payloads(RULES["signed"], clock).open_response(old.body, old.headers.items(), "/")

    assert caught.value.reason == "stale"


def test_an_answer_without_content_is_signed_for_its_request(clock: Clock) -> None:
    sealed = service(RULES["signed JWE"], clock)._sealed(b"", "/a")
    ours = payloads(RULES["signed JWE"], clock)

    assert ours.open_response(b"", sealed.headers.items(), "/a") == b""
    with pytest.raises(Refused):
        ours.open_response(b"", sealed.headers.items(), "/b")


def test_keys_that_a_clock_an_hour_ahead_has_fetched_are_fetched_anew(clock: Clock) -> None:
    serving, asked = service(RULES["signed"], clock), []

    def answered(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/.well-known/payload-keys":
            return serving(request)
        asked.append(clock.now())
        return httpx.Response(200, json={"keys": [{**jose.jwk(OURS.public_key()), "kid": KEY_ID}]})

    ours = payloads(RULES["signed"], clock, verifiers=None)
    transport = PayloadTransport(ours, auth=signing(clock), transport=Wire(answered))
    with httpx.Client(transport=transport) as http:
        for set_back in (timedelta(0), timedelta(seconds=60), timedelta(hours=1)):
            clock.advance(-set_back)
            assert http.post(URL, json=BODY).json() == BODY

    assert len(asked) == 2


@pytest.mark.parametrize(
    ("status", "published"),
    [(503, b"{}"), (200, b""), (200, b"{}"), (200, b'{"keys":[{"kid":"k1","kty":"oct","k":"AA"}]}')],
    ids=["unavailable", "empty", "no set", "no public key"],
)
def test_without_published_keys_a_signed_answer_is_not_believed(status: int, published: bytes, clock: Clock) -> None:
    serving = service(RULES["signed"], clock)

    def answered(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/.well-known/payload-keys":
            return httpx.Response(status, content=published)
        return serving(request)

    ours = payloads(RULES["signed"], clock, verifiers=None)
    transport = PayloadTransport(ours, auth=signing(clock), transport=Wire(answered))
    with httpx.Client(transport=transport) as http, pytest.raises((Malformed, Refused)):
        http.post(URL, json=BODY)


def test_what_is_no_json_is_not_sent(clock: Clock) -> None:
    serving = service(RULES["JWE"], clock)

    with client(serving, clock) as http, pytest.raises(Malformed):
        http.post(URL, content=b"a=1")

    assert serving.read == []


@pytest.mark.parametrize("missing", ["recipient", "keys", "signer"])
def test_a_key_that_the_rules_ask_for_is_missed_at_once(missing: str, clock: Clock) -> None:
    with pytest.raises(ValueError, match=missing):
        payloads(RULES["signed JWE"], clock, **{missing: None})


# -------------------------------------------------------------------------------------------------------- key files

PASSWORD = "correct horse battery"
ENCRYPTED = BestAvailableEncryption(PASSWORD.encode())
PRIVATE_FILES: dict[str, tuple[bytes, str | None]] = {
    "PKCS#8 PEM": (pem(THEIRS), None),
    "PKCS#1 PEM": (THEIRS.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()), None),
    "PKCS#8 DER": (THEIRS.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), None),
    "PKCS#1 DER": (THEIRS.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()), None),
    "encrypted PEM": (THEIRS.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, ENCRYPTED), PASSWORD),
    "encrypted DER": (THEIRS.private_bytes(Encoding.DER, PrivateFormat.PKCS8, ENCRYPTED), PASSWORD),
    "PKCS#12": (
        pkcs12.write_pkcs12(THEIRS, certificate_of(THEIRS), (), alias="keyalias", password=PASSWORD),
        PASSWORD,
    ),
}
PUBLIC_FILES = {
    "certificate PEM": certificate_of(OURS).public_bytes(Encoding.PEM),
    "certificate DER": certificate_of(OURS).public_bytes(Encoding.DER),
    "public key PEM": OURS.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "public key DER": OURS.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
}


@pytest.mark.parametrize("form", PRIVATE_FILES)
def test_a_private_key_is_read_from_every_form(form: str) -> None:
    octets, password = PRIVATE_FILES[form]

    read = read_decryption_key(
        octets, password=password, certificate=certificate_of(THEIRS).public_bytes(Encoding.PEM), key_id=KEY_ID
    )

    spki_sha256 = public_key.spki_sha256(THEIRS.public_key())
    assert read.private_key.private_numbers() == THEIRS.private_numbers()
    assert read.names == {spki_sha256, certificate_sha256(THEIRS), KEY_ID}
    assert "private_key" not in repr(read)


@pytest.mark.parametrize("form", PUBLIC_FILES)
def test_a_public_key_is_read_from_every_form(form: str) -> None:
    read = read_recipient(PUBLIC_FILES[form], key_id=KEY_ID)

    assert read.public_key == OURS.public_key() == read_public_key(PUBLIC_FILES[form])
    assert read.certificate_sha256 == (certificate_sha256(OURS) if form.startswith("certificate") else None)


def test_keys_that_decrypt_nothing_and_damaged_ones_are_refused() -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    point = curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    for read, octets in ((read_decryption_key, pem(curve)), (read_recipient, point)):
        with pytest.raises(Refused) as caught:
            read(octets)
        assert caught.value.reason == "key_type"
    assert isinstance(read_public_key(point), ec.EllipticCurvePublicKey), "which may still sign"
    for octets in (b"", b"x", b"\x30\x03\x02\x01\x00"):
        with pytest.raises((Malformed, Refused)):
            read_recipient(octets)


def test_a_private_key_in_place_of_a_public_one_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        read_recipient(pem(OURS))

    assert caught.value.reason == "private_key"


def test_a_set_with_two_keys_of_one_kid_is_refused() -> None:
    published = [{**jose.jwk(key.public_key()), "kid": "k1"} for key in (OURS, THEIRS)]

    assert read_key_set(json.dumps({"keys": published[:1]}).encode()) == {"k1": OURS.public_key()}
    with pytest.raises(Malformed, match="one kid"):
        read_key_set(json.dumps({"keys": published}).encode())


def test_of_several_keys_a_message_has_to_name_one() -> None:
    one, other = read_decryption_key(pem(THEIRS), key_id="a"), read_decryption_key(pem(OURS), key_id="b")

    assert DecryptionKeys((one,)).find(None) is one.private_key
    both = DecryptionKeys((one, other))
    assert (both.find("a"), both.find("b"), both.find("c"), both.find(None)) == (
        one.private_key,
        other.private_key,
        None,
        None,
    )

"""Bodies are encrypted and decrypted where the rules say, or refused in one of two ways."""

import json
from collections.abc import Callable, Mapping
from os import urandom
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.payloads import KEY_ID, KeyRing, certificate_sha256, recipient_of

from credenza.protocol import payload, public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.payload import Outside, Recipient, Rules, Sealed, Undecrypted
from credenza.protocol.payload_rules import (
    Direction,
    FieldRules,
    JweRules,
    ParameterFields,
    ParameterHeaders,
    Place,
)

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS = KeyRing.of(KEY)
RECIPIENT = recipient_of(KEY)
KEY_SHA256 = public_key.spki_sha256(KEY.public_key())

JWE = JweRules()
FIELD = FieldRules()
HEADERS = FieldRules(parameters=ParameterHeaders())
BASE64 = FieldRules(encoding="base64", oaep_digest="SHA-512")
MODES: dict[str, Rules] = {"JWE": JWE, "field level": FIELD, "in headers": HEADERS, "base64": BASE64}
WHOLE = Direction()
CARD = Direction(places=(Place(element="$.card", encrypted="$.sealed"),))
BODY = b'{"card":{"number":"4111111111111111","amount":1.10},"note":null}'


def encrypted(rules: Rules, direction: Direction = WHOLE, body: bytes = BODY, to: Recipient = RECIPIENT) -> Sealed:
    return payload.encrypt(body, rules, direction, recipient=to, random=urandom)


def decrypted(
    body: bytes,
    rules: Rules = JWE,
    direction: Direction = WHOLE,
    headers: Mapping[str, str] | None = None,
    keys: KeyRing = KEYS,
) -> bytes:
    return payload.decrypt(body, (headers or {}).items(), rules, direction, keys=keys, random=urandom)


def refused(
    body: bytes,
    rules: Rules = JWE,
    direction: Direction = WHOLE,
    headers: Mapping[str, str] | None = None,
    keys: KeyRing = KEYS,
) -> Undecrypted:
    with pytest.raises(Undecrypted) as caught:
        decrypted(body, rules, direction, headers, keys)
    return caught.value


def changed(body: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    members = json.loads(body)
    change(members)
    return json.dumps(members).encode()


# ------------------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("body", [BODY, b"[1, 2]", b'{"a": [ ]}', b"{}", b'"text"', b"1.10", b"null"])
def test_a_whole_body_comes_back_as_it_was_written(mode: str, body: bytes) -> None:
    sealed = encrypted(MODES[mode], body=body)

    assert decrypted(sealed.body, MODES[mode], headers=sealed.headers) == body


@given(st.dictionaries(st.sampled_from(["card", "note", "x"]), st.integers() | st.text(st.characters(codec="utf-8"))))
def test_any_body_comes_back(members: dict[str, object]) -> None:
    body = json.dumps(members).encode()

    assert json.loads(decrypted(encrypted(JWE, body=body).body)) == members


@pytest.mark.parametrize("mode", MODES)
def test_what_the_rules_do_not_name_travels_as_it_was_written(mode: str) -> None:
    body = b'{ "note": 1.10, "card": {"number": "4111"}, "e": "\\u00e9" }'

    sealed = encrypted(MODES[mode], CARD, body)

    assert sealed.body.startswith(b'{"note":1.10,"e":"\\u00e9","sealed":{')
    assert decrypted(sealed.body, MODES[mode], CARD, sealed.headers) == (
        b'{"note":1.10,"e":"\\u00e9","card":{"number": "4111"}}'
    )


def test_an_empty_body_has_nothing_to_encrypt_or_to_decrypt() -> None:
    assert encrypted(JWE, body=b"") == Sealed(b"")
    assert decrypted(b"") == b""


def test_no_two_messages_share_a_key_or_a_vector() -> None:
    one, other = (json.loads(encrypted(FIELD).body) for _ in range(2))

    assert all(one[name] != other[name] for name in ("iv", "encryptedKey", "encryptedData"))


def test_two_places_share_neither_key_nor_vector_in_a_body() -> None:
    two = Direction(places=(Place(element="$.a", encrypted="$.c"), Place(element="$.b", encrypted="$.d")))

    sealed = json.loads(encrypted(FIELD, two, b'{"a":1,"b":1}').body)

    assert all(sealed["c"][name] != sealed["d"][name] for name in ("iv", "encryptedKey", "encryptedData"))


def test_a_text_is_read_with_and_without_quotation_marks() -> None:
    place = Place(element="$.pin", encrypted="$.sealed", text=True)
    bare = Direction(places=(place,))

    for sent, read in (
        (b"1234", b'"1234"'),
        (b'"1234"', b'"1234"'),
        (b"{x", b'"{x"'),
        ("Zoë".encode(), '"Zoë"'.encode()),
    ):
        assert payload._value(sent, place) == read
    assert decrypted(encrypted(FIELD, bare, b'{"pin":"12"}').body, FIELD, bare) == b'{"pin":"12"}'


def test_an_optional_element_may_be_missing() -> None:
    optional = Direction(places=(Place(element="$.card", encrypted="$.sealed", optional=True),))

    assert encrypted(JWE, optional, b'{"a":1}').body == b'{"a":1}'
    assert decrypted(b'{"a":1}', JWE, optional) == b'{"a":1}'


# --------------------------------------------------------------------------------------------------------- key names


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        (JweRules(kid="PUBLIC_KEY"), KEY_SHA256),
        (JweRules(kid="CERTIFICATE"), certificate_sha256(KEY)),
        (JweRules(kid="KEY_ID"), KEY_ID),
    ],
    ids=["public key", "certificate", "key id"],
)
def test_the_key_is_named_as_the_rules_say(rules: JweRules, name: str) -> None:
    sealed = encrypted(rules).body

    assert decrypted(sealed, keys=KeyRing(KEY, frozenset({name}))) == BODY
    assert refused(sealed, keys=KeyRing(KEY, frozenset())).outside is Outside.KEY_NOT_FOUND


@pytest.mark.parametrize("form", ["CERTIFICATE", "KEY_ID"])
def test_a_key_without_the_name_that_the_rules_want_is_not_encrypted_to(form: Any) -> None:
    with pytest.raises(Refused) as caught:
        encrypted(JweRules(kid=form), to=Recipient(KEY.public_key()))

    assert caught.value.reason == "key"


@pytest.mark.parametrize("known", [KEY_SHA256, certificate_sha256(KEY)], ids=["public key", "certificate"])
def test_of_two_fingerprints_one_has_to_be_known(known: str) -> None:
    both = FieldRules(parameters=ParameterFields(key_fingerprint="key", certificate_fingerprint="certificate"))

    assert decrypted(encrypted(both).body, both, keys=KeyRing(KEY, frozenset({known}))) == BODY


def test_a_fingerprint_in_capitals_is_the_same() -> None:
    sealed = changed(encrypted(FIELD).body, lambda b: b.update(publicKeyFingerprint=b["publicKeyFingerprint"].upper()))

    assert decrypted(sealed, FIELD) == BODY


def test_a_message_that_names_no_key_is_for_the_only_one() -> None:
    sealed = changed(encrypted(FIELD).body, lambda body: body.pop("publicKeyFingerprint"))

    assert decrypted(sealed, FIELD) == BODY
    only_by_name = KeyRing(KEY, frozenset({KEY_SHA256}))
    assert refused(sealed, FIELD, keys=only_by_name).outside is Outside.KEY_NOT_FOUND


@pytest.mark.parametrize("mode", MODES)
def test_an_unknown_key_is_told_and_named(mode: str) -> None:
    sealed = encrypted(MODES[mode], to=recipient_of(OTHER))

    told = refused(sealed.body, MODES[mode], headers=sealed.headers)

    assert (told.outside, told.reason) == (Outside.KEY_NOT_FOUND, "key_not_found")
    assert public_key.spki_sha256(OTHER.public_key()) in str(told)


# ---------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("mode", MODES)
def test_a_key_of_the_right_name_that_does_not_fit_fails_like_a_changed_message(mode: str) -> None:
    rules = MODES[mode]
    sealed = encrypted(rules)
    told = set()
    for _ in range(300):  # a random key finds a padding that is right by chance once in 256 times
        wrong = refused(sealed.body, rules, headers=sealed.headers, keys=KeyRing(OTHER, KEYS.names))
        told.add((wrong.outside, wrong.reason, str(wrong)))

    assert len(told) == 1
    assert next(iter(told))[:2] == (Outside.FAILED, "decryption")


@pytest.mark.parametrize("plaintext", [b"", b"{", b"\xff", b'{"a":1,"a":2}', b"[" * 65 + b"]" * 65, b"not json"])
@pytest.mark.parametrize("rules", [JWE, FIELD], ids=["JWE", "field level"])
def test_a_plaintext_that_is_no_json_fails_like_a_changed_message(rules: Rules, plaintext: bytes) -> None:
    sealer = (
        payload._JweSealer(RECIPIENT, urandom, rules)
        if isinstance(rules, JweRules)
        else payload._FieldSealer(RECIPIENT, urandom, rules)
    )
    ciphertext, parameters = sealer.seal(plaintext)

    told = refused(json.dumps({"encryptedData": ciphertext, **parameters}).encode(), rules)

    assert (told.outside, told.reason) == (Outside.FAILED, "decryption")


def test_changed_padding_and_changed_contents_are_told_alike() -> None:
    sealed = json.loads(encrypted(FIELD).body)
    told = set()
    for place in range(len(sealed["encryptedData"])):
        text = sealed["encryptedData"]
        digit = "0" if text[place] != "0" else "1"
        try:
            decrypted(json.dumps(sealed | {"encryptedData": text[:place] + digit + text[place + 1 :]}).encode(), FIELD)
        except Undecrypted as error:
            told.add((error.outside, error.reason, str(error)))

    assert len(told) == 1


@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_encrypted_is_refused(mode: str) -> None:
    for direction in (WHOLE, CARD):
        told = refused(BODY, MODES[mode], direction)
        assert (told.outside, told.reason) == (Outside.FAILED, "unencrypted")


def test_what_is_not_encrypted_passes_where_the_rules_let_it() -> None:
    lenient = JweRules(refuse_unencrypted=False)

    assert decrypted(BODY, lenient, CARD) == BODY
    assert decrypted(encrypted(lenient, CARD).body, lenient, CARD) != BODY
    assert refused(changed(encrypted(lenient).body, lambda b: b.update(encryptedData="x")), lenient).reason == "token"


def test_an_optional_element_sent_in_plain_is_refused() -> None:
    optional = Direction(places=(Place(element="$.card", encrypted="$.sealed", optional=True),))

    assert refused(BODY, JWE, optional).reason == "unencrypted"


def test_the_signal_says_whether_a_body_is_encrypted() -> None:
    strict = JweRules(signal_header="X-Encrypted")
    sealed = encrypted(strict)

    assert sealed.headers == {"X-Encrypted": "true"}
    assert decrypted(sealed.body, strict, headers={"x-encrypted": "TRUE"}) == BODY
    assert refused(sealed.body, strict).reason == "unencrypted"
    assert refused(sealed.body, strict, headers={"x-encrypted": "false"}).reason == "unencrypted"
    lenient = JweRules(signal_header="X-Encrypted", refuse_unencrypted=False)
    assert decrypted(sealed.body, lenient) == sealed.body, "without the signal it is what it is"


def both(body: dict[str, Any]) -> None:
    body["card"] = {"number": "1"}


def elsewhere(body: dict[str, Any]) -> None:
    body["card"] = 1


@pytest.mark.parametrize("change", [both, elsewhere])
def test_an_element_sent_twice_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    told = refused(changed(encrypted(JWE, CARD).body, change), JWE, CARD)

    assert (told.outside, told.reason) == (Outside.FAILED, "place")


@pytest.mark.parametrize("element", ["$", "$.card"])
@pytest.mark.parametrize("mode", MODES)
def test_a_member_sent_in_plain_beside_the_encrypted_ones_is_refused(mode: str, element: str) -> None:
    """Else it would reach the API as if its sender had encrypted it."""
    rules, into = MODES[mode], Direction(places=(Place(element=element, encrypted=element),))
    sealed = encrypted(rules, into)
    added = changed(sealed.body, lambda body: (body if element == "$" else body["card"]).update(more=1))

    told = refused(added, rules, into, sealed.headers)

    assert (told.outside, told.reason) == (Outside.FAILED, "place")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"x", "body"),
        (b'{"encryptedData":"a","encryptedData":"b"}', "duplicate"),
        (b"[" * 100 + b"]" * 100, "depth"),
        (b'"' + b"a" * 3_000_000 + b'"', "size"),
        (b"[]", "unencrypted"),
        (b"{}", "unencrypted"),
        (b'{"encryptedData":1}', "parameters"),
        (b'{"encryptedData":null}', "parameters"),
        (b'{"encryptedData":{"a":1}}', "parameters"),
        (b'{"encryptedData":""}', "token"),
        (b'{"encryptedData":"a.b.c.d.e"}', "header"),
        ('{"encryptedData":"é....x"}'.encode(), "header"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_a_body_that_is_none_is_refused(body: bytes, reason: str) -> None:
    told = refused(body)

    assert (told.outside, told.reason) == (Outside.FAILED, reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iv": None}, "parameters"),
        ({"encryptedKey": None}, "parameters"),
        ({"iv": 1}, "parameters"),
        ({"iv": ""}, "parameters"),
        ({"iv": "00 11"}, "parameters"),
        ({"iv": "é0"}, "parameters"),
        ({"iv": "0" * 31}, "parameters"),
        ({"iv": "0" * 24}, "decryption"),
        ({"iv": "0" * 64}, "decryption"),
        ({"encryptedKey": "00"}, "decryption"),
        ({"encryptedKey": "ff" * 256}, "decryption"),
        ({"encryptedData": "00" * 15}, "decryption"),
        ({"encryptedData": "00" * 32}, "decryption"),
        ({"oaepHashingAlgorithm": "SHA512"}, "algorithm"),
        ({"oaepHashingAlgorithm": "SHA1"}, "algorithm"),
        ({"oaepHashingAlgorithm": ""}, "algorithm"),
    ],
    ids=str,
)
def test_parameters_that_are_none_are_refused(change: dict[str, Any], reason: str) -> None:
    sealed = {name: each for name, each in (json.loads(encrypted(FIELD).body) | change).items() if each is not None}

    told = refused(json.dumps(sealed).encode(), FIELD)

    assert (told.outside, told.reason) == (Outside.FAILED, reason)


@pytest.mark.parametrize("label", ["SHA256", "SHA-256", "sha-256"])
def test_a_digest_is_known_with_a_dash_and_without(label: str) -> None:
    assert decrypted(changed(encrypted(FIELD).body, lambda b: b.update(oaepHashingAlgorithm=label)), FIELD) == BODY


def test_a_header_that_comes_twice_is_refused() -> None:
    sealed = encrypted(HEADERS)
    twice = [*sealed.headers.items(), ("X-IV", "00" * 16)]

    with pytest.raises(Undecrypted) as caught:
        payload.decrypt(sealed.body, twice, HEADERS, WHOLE, keys=KEYS, random=urandom)

    assert caught.value.reason == "parameters"


def test_a_header_of_something_else_may_come_twice() -> None:
    sealed = encrypted(HEADERS)
    headers = [*sealed.headers.items(), ("Accept", "a"), ("Accept", "b")]

    assert payload.decrypt(sealed.body, headers, HEADERS, WHOLE, keys=KEYS, random=urandom) == BODY


def test_the_headers_of_the_encryption_are_listed_in_lower_case() -> None:
    rules = FieldRules(parameters=ParameterHeaders(iv="X-IV", oaep_digest=None), signal_header="X-Encrypted")

    assert payload.header_names(rules) == {"x-iv", "x-encrypted-key", "x-public-key-fingerprint", "x-encrypted"}
    assert payload.header_names(FIELD) == frozenset()


@pytest.mark.parametrize("body", [b"{}", b'{"card":1,"sealed":{"encryptedData":"x"}}', b'{"card":1,"sealed":2}'])
def test_an_element_that_is_missing_or_whose_place_is_taken_is_not_encrypted(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        encrypted(JWE, CARD, body)

    assert caught.value.reason == "place"


def test_what_is_no_json_is_not_encrypted() -> None:
    with pytest.raises(Malformed):
        encrypted(JWE, body=b"<xml/>")

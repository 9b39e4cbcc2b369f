"""What a service says of payloads is read strictly, and written in one form."""

import json
from typing import Any

import pytest

from credenza.protocol import payload_rules
from credenza.protocol.errors import Malformed
from credenza.protocol.payload_rules import (
    Direction,
    FieldRules,
    JweRules,
    ParameterFields,
    ParameterHeaders,
    PayloadRules,
    Place,
    SignatureRules,
)

EVERYTHING = [
    PayloadRules(),
    PayloadRules(encryption=JweRules(), signature=SignatureRules()),
    PayloadRules(
        encryption=JweRules(requests=None, kid="KEY_ID", refuse_unencrypted=False, signal_header="x-encrypted")
    ),
    PayloadRules(
        encryption=JweRules(
            requests=Direction(places=(Place(element="$.a.b", encrypted="$.a.c", text=True, optional=True),)),
            responses=Direction(value_field="encryptedValue"),
        )
    ),
    PayloadRules(
        encryption=FieldRules(
            parameters=ParameterFields(key_fingerprint=None, certificate_fingerprint="publicKeyFingerprint"),
            encoding="base64",
            oaep_digest="SHA-512",
            aes_key_bits=256,
        )
    ),
    PayloadRules(
        encryption=FieldRules(parameters=ParameterHeaders(oaep_digest=None), oaep_digest="SHA-1", allow_sha1=True),
        signature=SignatureRules(requests=False, algorithms=("ES256",), max_age_s=60, grace_s=86400),
    ),
]


@pytest.mark.parametrize("number", range(len(EVERYTHING)))
def test_rules_are_read_back_as_they_were_written(number: int) -> None:
    rules = EVERYTHING[number]
    text = payload_rules.write(rules)

    assert rules == payload_rules.parse(text) == payload_rules.parse(json.dumps(json.loads(text), indent=1).encode())
    assert text == payload_rules.write(payload_rules.parse(text))


def test_what_is_not_said_is_what_the_libraries_do() -> None:
    rules = payload_rules.parse('{"encryption":{"mode":"FIELD"},"signature":{}}')

    assert rules == PayloadRules(
        encryption=FieldRules(
            requests=Direction(places=(Place(element="$", encrypted="$"),), value_field="encryptedData"),
            responses=Direction(),
            refuse_unencrypted=True,
            parameters=ParameterFields(iv="iv", encrypted_key="encryptedKey", oaep_digest="oaepHashingAlgorithm"),
            encoding="hex",
            oaep_digest="SHA-256",
            aes_key_bits=128,
        ),
        signature=SignatureRules(algorithms=("PS256", "RS256"), max_age_s=300, grace_s=0),
    )


@pytest.mark.parametrize(
    ("path", "steps"), [("$", ()), ("$.a.b", ("a", "b")), ("a.b", ("a", "b")), ("a-b_é", ("a-b_é",))]
)
def test_a_path_with_the_root_and_one_without_lead_to_the_same(path: str, steps: tuple[str, ...]) -> None:
    assert Place(element=path, encrypted="$").element_steps == steps


def jwe(places: list[dict[str, Any]]) -> dict[str, Any]:
    return {"encryption": {"mode": "JWE", "requests": {"places": places}}}


def field(**members: Any) -> dict[str, Any]:
    return {"encryption": {"mode": "FIELD", **members}}


ROOT = {"element": "$", "encrypted": "$"}


@pytest.mark.parametrize(
    ("rules", "at", "cure"),
    [
        ({"encrypted": {}}, "rules", "unknown field `encrypted`"),
        ({"encryption": {}}, "encryption", "missing required field `mode`"),
        ({"encryption": {"mode": "AES"}}, "encryption.mode", "'AES'"),
        (jwe([]), "encryption.requests.places", "length >= 1"),
        (jwe([{"element": "$"}]), "encryption.requests.places[0]", "`encrypted`"),
        (jwe([ROOT | {"element": "$.a[0]"}]), "encryption.requests.places[0].element", "$.card.number"),
        (jwe([ROOT | {"element": "$.*"}]), "encryption.requests.places[0].element", "$.card.number"),
        (jwe([ROOT | {"element": "$..a"}]), "encryption.requests.places[0].element", "$.card.number"),
        (jwe([ROOT | {"element": "a\n"}]), "encryption.requests.places[0].element", "$.card.number"),
        (jwe([ROOT | {"element": ""}]), "encryption.requests.places[0].element", "$.card.number"),
        (jwe([ROOT, {"element": "$.a", "encrypted": "$.b"}]), "encryption.requests", "holds another place"),
        (
            jwe([{"element": "$.a", "encrypted": "$.b"}, {"element": "$.c", "encrypted": "$.a.d"}]),
            "encryption.requests",
            "$.a holds another place",
        ),
        (
            jwe([{"element": "$.a", "encrypted": "$.b"}, {"element": "$.c", "encrypted": "b"}]),
            "encryption.requests",
            "two places",
        ),
        (jwe([{"element": f"$.a{n}", "encrypted": f"$.b{n}"} for n in range(21)]), "encryption.requests.places", "20"),
        (field(oaepDigest="SHA-1"), "encryption", "allowSha1"),
        (field(oaepDigest="MD5"), "encryption.oaepDigest", "MD5"),
        (field(encoding="base32"), "encryption.encoding", "base32"),
        (field(aesKeyBits=64), "encryption.aesKeyBits", "64"),
        (field(parameters={"in": "QUERY"}), "encryption.parameters.in", "QUERY"),
        (
            field(parameters={"in": "BODY", "iv": "encryptedKey"}),
            "encryption.parameters",
            "encryptedKey stands for two",
        ),
        (field(parameters={"in": "BODY", "iv": "encryptedData"}), "encryption", "encryptedData stands for two"),
        (
            field(parameters={"in": "HEADERS", "iv": "X-Encrypted-Key"}),
            "encryption.parameters",
            "x-encrypted-key stands for two",
        ),
        (field(signalHeader="Content-Length"), "encryption", "content-length says something else"),
        (field(parameters={"in": "HEADERS", "iv": "Authorization"}), "encryption", "authorization says something else"),
        (field(parameters={"in": "HEADERS"}, signalHeader="X-IV"), "encryption", "x-iv stands for two"),
        ({"encryption": {"mode": "JWE", "signalHeader": "x-jws-signature"}}, "encryption", "says something else"),
        ({"encryption": {"mode": "JWE", "signalHeader": "X-Credenza-Key-Id"}}, "encryption", "says something else"),
        (field(parameters={"in": "HEADERS", "iv": "x iv"}), "encryption.parameters.iv", "letters, digits and dashes"),
        (field(requests={"valueField": "a.b"}), "encryption.requests.valueField", "name of a member"),
        ({"signature": {"algorithms": []}}, "signature.algorithms", "length >= 1"),
        ({"signature": {"algorithms": ["HS256"]}}, "signature.algorithms[0]", "HS256"),
        ({"signature": {"maxAgeS": 0}}, "signature.maxAgeS", ">= 1"),
        ({"signature": {"graceS": -1}}, "signature.graceS", ">= 0"),
        ({"signature": {"requests": "yes"}}, "signature.requests", "bool"),
        ([], "rules", "object"),
    ],
)
def test_what_is_wrong_is_named_with_its_cure(rules: object, at: str, cure: str) -> None:
    with pytest.raises(Malformed) as caught:
        payload_rules.parse(json.dumps(rules))

    assert caught.value.field == at
    assert cure in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", '{"signature":null,"signature":{}}', "[" * 1000, "NaN"])
def test_what_is_no_strict_json_is_no_rules(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        payload_rules.parse(text)

    assert caught.value.field == "rules"

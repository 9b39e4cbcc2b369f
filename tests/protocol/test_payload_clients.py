"""The client library that exists: what it encrypts is read, and it reads what we encrypt. It runs unmodified."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from os import urandom
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.protocol.payloads import KeyRing, certificate_of, recipient_of

from credenza.protocol import payload
from credenza.protocol.payload import Recipient, Sealed
from credenza.protocol.payload_rules import (
    Direction,
    FieldRules,
    JweRules,
    ParameterFields,
    ParameterHeaders,
    Place,
)

CLIENTS_PYTHON = Path(__file__).parents[2] / ".clients" / "bin" / "python"

BODY = {"card": {"number": "4111111111111111", "amount": 12.5, "holder": 'Zoë "O\'Neill" 名'}, "note": None}
PLACES = {
    "the whole body": (Place(element="$", encrypted="$"),),
    "an object in its own place": (Place(element="$.card", encrypted="$.card"),),
    "an object in another place": (Place(element="$.card", encrypted="$.sealed"),),
    "an object at the root": (Place(element="card", encrypted="$"),),
    "a string": (Place(element="$.card.number", encrypted="$.card.sealed", text=True),),
    "two elements": (
        Place(element="$.card.number", encrypted="$.card.sealed", text=True),
        Place(element="$.card.amount", encrypted="$.amount"),
    ),
}
BOTH = {"key_fingerprint": "encryptionKeyFingerprint", "certificate_fingerprint": "encryptionCertificateFingerprint"}
PARAMETERS = {
    "named by the key": ParameterFields(),
    "named by the certificate": ParameterFields(key_fingerprint=None, certificate_fingerprint="publicKeyFingerprint"),
    "named by both": ParameterFields(**BOTH),
    "not named, digest unsaid": ParameterFields(key_fingerprint=None, oaep_digest=None, encrypted_key="key"),
    "in headers, by the key": ParameterHeaders(),
    "in headers, by the certificate": ParameterHeaders(
        iv="X-Iv", key_fingerprint=None, certificate_fingerprint="X-Certificate", oaep_digest=None
    ),
}
RULES: dict[str, JweRules | FieldRules] = {
    "JWE": JweRules(),
    "JWE, named by the certificate": JweRules(kid="CERTIFICATE"),
    **{f"field level, {name}": FieldRules(parameters=parameters) for name, parameters in PARAMETERS.items()},
    "field level, base64 and SHA-512": FieldRules(encoding="base64", oaep_digest="SHA-512"),
    "field level, SHA-1": FieldRules(oaep_digest="SHA-1", allow_sha1=True),
    "field level, AES-256": FieldRules(aes_key_bits=256),
}


@dataclass(frozen=True)
class Client:
    """The library, given the rules of a service as its own configuration."""

    run: Callable[[dict[str, Any]], dict[str, Any]]
    certificate: Path
    key: Path

    def encrypt(self, body: Any, rules: JweRules | FieldRules, direction: Direction) -> Sealed:
        answer = self._act("encrypt", body, {}, rules, direction)
        return Sealed(json.dumps(answer["body"]).encode(), answer["headers"])

    def decrypt(self, sealed: Sealed, rules: JweRules | FieldRules, direction: Direction) -> Any:
        answer = self._act("decrypt", sealed.body.decode(), sealed.headers, rules, direction)
        return json.loads(answer["body"])

    def _act(
        self, act: str, body: Any, headers: Mapping[str, str], rules: JweRules | FieldRules, direction: Direction
    ) -> dict[str, Any]:
        pairs = {place.element.removeprefix("$."): place.encrypted.removeprefix("$.") for place in direction.places}
        config = {
            "paths": {"$": {"toEncrypt": pairs, "toDecrypt": {to: element for element, to in pairs.items()}}},
            "encryptedValueFieldName": direction.value_field,
            "encryptionCertificate": str(self.certificate),
            "decryptionKey": str(self.key),
        }
        mode = "JWE"
        if isinstance(rules, FieldRules):
            mode, names = "Mastercard", rules.parameters
            config |= {
                "ivFieldName": names.iv,
                "encryptedKeyFieldName": names.encrypted_key,
                "oaepPaddingDigestAlgorithmFieldName": names.oaep_digest,
                "encryptionKeyFingerprintFieldName": names.key_fingerprint,
                "encryptionCertificateFingerprintFieldName": names.certificate_fingerprint,
                "oaepPaddingDigestAlgorithm": rules.oaep_digest,
                "dataEncoding": rules.encoding,
                "useHttpHeaders": isinstance(names, ParameterHeaders),
            }
        return self.run({"act": act, "type": mode, "config": config, "body": body, "headers": dict(headers)})


@pytest.fixture(scope="module")
def keys(rsa_key: RSAPrivateKey) -> KeyRing:
    return KeyRing.of(rsa_key)


@pytest.fixture(scope="module")
def recipient(rsa_key: RSAPrivateKey) -> Recipient:
    return recipient_of(rsa_key)


@pytest.fixture(scope="module")
def client(rsa_key: RSAPrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    if not CLIENTS_PYTHON.exists():
        pytest.skip("the client libraries are not installed")
    place = tmp_path_factory.mktemp("client")
    certificate, key = place / "certificate.pem", place / "key.pem"
    certificate.write_bytes(certificate_of(rsa_key).public_bytes(Encoding.PEM))
    key.write_bytes(rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    script = Path(__file__).with_name("mastercard_client_encryption.py")
    with subprocess.Popen(
        [CLIENTS_PYTHON, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        source, sink = process.stdout, process.stdin

        def run(asked: dict[str, Any]) -> dict[str, Any]:
            print(json.dumps(asked), file=sink, flush=True)
            answer: dict[str, Any] = json.loads(source.readline())
            return answer

        yield Client(run, certificate, key)
        sink.close()


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("name", RULES)
def test_what_the_library_encrypts_is_read(name: str, places: str, client: Client, keys: KeyRing) -> None:
    rules, direction = RULES[name], Direction(places=PLACES[places], value_field="encryptedValue")

    sealed = client.encrypt(BODY, rules, direction)
    body = payload.decrypt(sealed.body, sealed.headers.items(), rules, direction, keys=keys, random=urandom)

    assert json.loads(body) == BODY
    assert b"4111111111111111" not in sealed.body


def left_behind(body: dict[str, Any]) -> None:
    """Take away the ciphertext that the library leaves next to what it has decrypted from a JWE."""
    for name in ("encryptedData", "sealed", "amount"):
        body.pop(name, None)
    body["card"].pop("sealed", None)


@pytest.mark.parametrize(
    ("name", "places"),
    # A JWE in the element's own place is deleted by the library together with what it has decrypted from it.
    [(n, p) for n in RULES for p in PLACES if not (n.startswith("JWE") and p == "an object in its own place")],
)
def test_the_library_reads_what_is_encrypted(name: str, places: str, client: Client, recipient: Recipient) -> None:
    rules, direction = RULES[name], Direction(places=PLACES[places])

    sealed = payload.encrypt(json.dumps(BODY).encode(), rules, direction, recipient=recipient, random=urandom)
    body = client.decrypt(sealed, rules, direction)

    if isinstance(rules, JweRules):
        left_behind(body)
    assert body == BODY


def test_a_list_that_the_library_encrypts_is_read(client: Client, keys: KeyRing) -> None:
    sealed = client.encrypt([1, {"a": 2}], JweRules(), Direction())

    body = payload.decrypt(sealed.body, (), JweRules(), Direction(), keys=keys, random=urandom)

    assert json.loads(body) == [1, {"a": 2}]


def test_the_vector_of_16_bytes_that_the_library_makes_is_read_and_ours_of_12_by_it(
    client: Client, recipient: Recipient
) -> None:
    theirs = json.loads(client.encrypt(BODY, JweRules(), Direction()).body)["encryptedData"]
    ours = json.loads(
        payload.encrypt(json.dumps(BODY).encode(), JweRules(), Direction(), recipient=recipient, random=urandom).body
    )["encryptedData"]

    assert [len(token.split(".")[2]) for token in (theirs, ours)] == [22, 16]

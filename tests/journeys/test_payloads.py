"""Payloads end to end: the libraries that partners have encrypt and sign, the API reads plain JSON, and nothing stops
while keys are rolled, on both databases."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509 import load_der_x509_certificate
from tests.forked import ForkedServer
from tests.gate.payload_scene import Teller
from tests.gate.scene import Client
from tests.gate.street import served
from tests.installation import SANDBOX, Installation, furnish, now, settings, upgrade
from tests.servers import PostgreSQLServer

from credenza.actions import service_keys, services
from credenza.actions.service_key_admission import ByPublicKey, MadeHere
from credenza.cli import local
from credenza.domain.model import AuthenticationType, Credential, CredentialKind, Project, Service
from credenza.protocol import detached_jws, payload, payload_rules
from credenza.protocol.payload import Recipient
from credenza.protocol.payload_rules import PayloadRules

CLIENTS_PYTHON = Path(__file__).parents[2] / ".clients" / "bin" / "python"
REQUEST, RESPONSE, SIGNATURE = (
    CredentialKind.REQUEST_ENCRYPTION,
    CredentialKind.RESPONSE_ENCRYPTION,
    CredentialKind.REQUEST_SIGNATURE,
)
BODY = {"card": {"number": "5105105105105100", "holder": "Jérôme"}, "amount": 12.5}

needs_library = pytest.mark.skipif(
    not CLIENTS_PYTHON.exists(),
    reason="the client libraries need Python 3.11 or 3.12 (make setup says which was found)",
)

CARD = {"places": [{"element": "$.card", "encrypted": "$.sealed"}]}
BY_CERTIFICATE = {"keyFingerprint": None, "certificateFingerprint": "fingerprint"}
RULES: dict[str, dict[str, Any]] = {
    "JWE": {"mode": "JWE"},
    "JWE, one element": {"mode": "JWE", "requests": CARD, "responses": CARD},
    "JWE, named by the certificate": {"mode": "JWE", "kid": "CERTIFICATE"},
    "field level": {"mode": "FIELD"},
    "field level, one element, named by the certificate": {
        "mode": "FIELD",
        "requests": CARD,
        "responses": CARD,
        "encoding": "base64",
        "parameters": {"in": "BODY", **BY_CERTIFICATE},
    },
    "field level in headers": {"mode": "FIELD", "parameters": {"in": "HEADERS"}},
}

Library = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Street:
    server: ForkedServer
    installation: Installation
    upstream: Teller
    port: int
    directory: Path


@dataclass(frozen=True)
class Pair:
    """A project and a service between which payloads travel."""

    street: Street
    service: Service
    project: Project
    client: Client
    rules: PayloadRules
    prefix: str

    @property
    def url(self) -> str:
        return f"{self.street.server.origin}{self.prefix}/7"

    def add(self, kind: CredentialKind) -> tuple[Credential, rsa.RSAPrivateKey | None]:
        made, key = self.street.installation, None
        name = f"{kind} {secrets.token_hex(4)}"
        if kind is REQUEST:
            new: ByPublicKey | MadeHere = MadeHere(name)
        else:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            new = ByPublicKey(kind, name, pem)
        place = (made.platform, made.actor, self.project.id, self.service.id)
        return service_keys.add(*place, new, SANDBOX, now=now()), key

    def activate(self, key: Credential) -> None:
        made = self.street.installation
        place = (made.platform, made.actor, self.project.id, self.service.id)
        service_keys.activate(*place, key.id, now=now())

    def revoke(self, key: Credential) -> None:
        made = self.street.installation
        place = (made.platform, made.actor, self.project.id, self.service.id)
        service_keys.revoke(*place, key.id, reason="rolled", now=now())

    # ------------------------------------------------------------------------------------------------ our own client

    def post(self, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        sent = {
            "Content-Type": "application/json",
            "Authorization": self.client.sign("POST", self.url, body, now=now()),
        }
        return httpx.post(self.url, content=body, headers={**sent, **headers}, timeout=60, trust_env=False)

    def seal(self, key: Credential) -> tuple[bytes, dict[str, str]]:
        encryption = self.rules.encryption
        assert encryption is not None
        assert encryption.requests is not None
        public_key = load_der_x509_certificate(key.certificate_der).public_key()
        assert isinstance(public_key, rsa.RSAPublicKey)
        sealed = payload.encrypt(
            json.dumps(BODY).encode(),
            encryption,
            encryption.requests,
            recipient=Recipient(public_key),
            random=secrets.token_bytes,
        )
        return sealed.body, dict(sealed.headers)

    def open(self, answer: httpx.Response, keys: PrivateKeys) -> Any:
        encryption = self.rules.encryption
        assert encryption is not None
        assert encryption.responses is not None
        plain = payload.decrypt(
            answer.content,
            answer.headers.items(),
            encryption,
            encryption.responses,
            keys=keys,
            random=secrets.token_bytes,
        )
        return json.loads(plain)

    def signature(self, key: Credential, private_key: rsa.RSAPrivateKey | None, body: bytes) -> dict[str, str]:
        assert private_key is not None
        return {"x-jws-signature": detached_jws.sign(body, private_key, algorithm="PS256", kid=key.id, now=now())}


class PrivateKeys:
    """The partner's, each of whom an answer may be for."""

    def __init__(self) -> None:
        self._keys: dict[str, rsa.RSAPrivateKey] = {}

    def add(self, key: rsa.RSAPrivateKey | None) -> None:
        assert key is not None
        self._keys[Recipient(key.public_key()).named("PUBLIC_KEY")] = key

    def find(self, fingerprint: str | None) -> rsa.RSAPrivateKey | None:
        return None if fingerprint is None else self._keys.get(fingerprint)


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def street(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQLServer
) -> Iterator[Street]:
    changed = {} if request.param == "SQLite" else {"database_url": postgresql.create_database()}
    chosen, upstream = settings(tmp_path_factory.mktemp("street"), **changed), Teller()
    if chosen.database_url:
        upgrade(chosen.database_url)
    with served(upstream) as port, ForkedServer(chosen) as server, furnish(chosen) as made:
        yield Street(server, made, upstream, port, tmp_path_factory.mktemp("partner"))


def pair(street: Street, rules: dict[str, Any]) -> Pair:
    """A new service with these rules, and a project that uses it."""
    made, prefix = street.installation, f"/cards{secrets.token_hex(4)}"
    upstream = f"http://127.0.0.1:{street.port}"
    service = made.add_service(f"Cards {prefix}", prefix, AuthenticationType.OAUTH10A, upstream)
    text = json.dumps(rules)
    services.set_payload_rules(made.platform, local.OPERATOR, service.id, SANDBOX, text, now=now())
    project, client = made.add_project(service=service)
    street.upstream.seen.clear()
    return Pair(street, service, project, client, payload_rules.parse(text), prefix)


@contextmanager
def library(client: Client) -> Iterator[Library]:
    """A process with the unmodified libraries."""
    program = [str(CLIENTS_PYTHON), str(Path(__file__).with_name("payload_partner.py"))]
    pem = client.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        source, sink = process.stdout, process.stdin
        print(json.dumps({"pem": pem, "consumer_key": client.consumer_key}), file=sink, flush=True)

        def call(asked: dict[str, Any]) -> dict[str, Any]:
            print(json.dumps(asked), file=sink, flush=True)
            answer: dict[str, Any] = json.loads(source.readline())
            return answer

        yield call
        sink.close()


def configuration(rules: dict[str, Any], certificate: Path, key: Path) -> dict[str, Any]:
    """The rules of a service as the library's users write them down."""
    to, element = ("sealed", "card") if "requests" in rules else ("$", "$")
    config = {
        "paths": {"$": {"toEncrypt": {element: to}, "toDecrypt": {to: element}}},
        "encryptedValueFieldName": "encryptedData",
        "encryptionCertificate": str(certificate),
        "decryptionKey": str(key),
    }
    if rules["mode"] == "JWE":
        return config
    names = {"in": "BODY", **rules.get("parameters", {})}
    in_headers = names["in"] == "HEADERS"
    return config | {
        "ivFieldName": "x-iv" if in_headers else "iv",
        "encryptedKeyFieldName": "x-encrypted-key" if in_headers else "encryptedKey",
        "oaepPaddingDigestAlgorithmFieldName": "x-oaep-hashing-algorithm" if in_headers else "oaepHashingAlgorithm",
        "encryptionKeyFingerprintFieldName": None
        if "keyFingerprint" in names
        else "x-public-key-fingerprint"
        if in_headers
        else "publicKeyFingerprint",
        "encryptionCertificateFingerprintFieldName": names.get("certificateFingerprint"),
        "oaepPaddingDigestAlgorithm": "SHA-256",
        "dataEncoding": rules.get("encoding", "hex"),
        "useHttpHeaders": in_headers,
    }


@needs_library
@pytest.mark.parametrize("name", RULES)
def test_the_api_reads_in_plain_what_mastercards_library_encrypts_and_the_library_reads_the_answer(
    street: Street, name: str
) -> None:
    between = pair(street, {"encryption": RULES[name]})
    ours, _ = between.add(REQUEST)
    _, theirs = between.add(RESPONSE)
    assert theirs is not None
    certificate, key = street.directory / f"{ours.id}.pem", street.directory / f"{ours.id}.key"
    certificate.write_bytes(load_der_x509_certificate(ours.certificate_der).public_bytes(Encoding.PEM))
    key.write_bytes(theirs.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    asked = {
        "type": "JWE" if RULES[name]["mode"] == "JWE" else "Mastercard",
        "config": configuration(RULES[name], certificate, key),
        "url": between.url,
        "body": BODY,
    }

    with library(between.client) as call:
        first = call(asked)
        between.add(REQUEST)  # so that the last one may go
        between.revoke(ours)
        second = call(asked)

    assert first.get("status") == 200, first
    assert "5105105105105100" not in first["sent"] + first["answer"]
    ((_, read),) = street.upstream.seen
    assert json.loads(read) == BODY
    plain = first["plain"]
    plain.pop("encryptedData", None)  # which the library leaves beside what it has decrypted from a JWE
    plain.pop("sealed", None)
    assert plain == BODY
    assert (second["status"], "DECRYPT_PRIVATE_KEY_NOT_FOUND" in second["answer"]) == (400, True)


def test_signed_payloads_are_verified_and_answers_signed_with_what_is_published(street: Street) -> None:
    between = pair(street, {"signature": {}})
    key, private_key = between.add(SIGNATURE)
    body = json.dumps(BODY).encode()

    answer = between.post(body, between.signature(key, private_key, body))
    unsigned = between.post(body, {})

    assert answer.status_code == 200
    url = f"{street.server.origin}/.well-known/payload-keys"
    published = httpx.get(url, timeout=60, trust_env=False).json()["keys"]
    kid = detached_jws.parse(answer.headers["x-jws-signature"]).header.kid
    assert kid in {each["kid"] for each in published}
    assert unsigned.json()["Errors"]["Error"][0]["ReasonCode"] == "REQUEST_SIGNATURE_FAILED"


@pytest.mark.parametrize("rounds", [2])
def test_keys_are_rolled_and_no_call_is_lost(street: Street, rounds: int) -> None:
    between = pair(street, {"encryption": {"mode": "JWE"}, "signature": {"graceS": 600}})
    held = PrivateKeys()
    ours, _ = between.add(REQUEST)
    theirs, opening = between.add(RESPONSE)
    signing, signer = between.add(SIGNATURE)
    held.add(opening)
    answers: list[httpx.Response] = []

    def call(to: Credential, by: Credential, signer: rsa.RSAPrivateKey | None) -> None:
        body, headers = between.seal(to)
        answers.append(between.post(body, {**headers, **between.signature(by, signer, body)}))
        assert answers[-1].status_code == 200, answers[-1].text
        assert between.open(answers[-1], held) == BODY

    for _ in range(rounds):
        next_ours, _ = between.add(REQUEST)
        next_theirs, next_opening = between.add(RESPONSE)
        next_signing, next_signer = between.add(SIGNATURE)
        held.add(next_opening)
        call(ours, signing, signer)
        call(next_ours, signing, signer)
        between.activate(next_theirs)
        between.activate(next_signing)
        call(ours, signing, signer)  # within the grace
        call(next_ours, next_signing, next_signer)
        between.revoke(ours)
        between.revoke(theirs)
        between.revoke(signing)
        call(next_ours, next_signing, next_signer)
        refused = between.post(*_sealed_and_signed(between, ours, next_signing, next_signer))
        assert refused.json()["Errors"]["Error"][0]["ReasonCode"] == "DECRYPT_PRIVATE_KEY_NOT_FOUND"
        ours, theirs, signing, signer = next_ours, next_theirs, next_signing, next_signer

    assert len(answers) == 5 * rounds
    assert len(street.upstream.seen) == 5 * rounds


def _sealed_and_signed(
    between: Pair, to: Credential, by: Credential, signer: rsa.RSAPrivateKey | None
) -> tuple[bytes, dict[str, str]]:
    body, headers = between.seal(to)
    return body, {**headers, **between.signature(by, signer, body)}

"""A service whose payloads have rules, an upstream that tells what it read, and a client that keeps the rules."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.clock import NOON
from tests.gate.scene import (
    AUTHORITY,
    ORDERS,
    ORGANIZATION,
    PROJECT,
    SANDBOX,
    VAULT,
    Client,
    Scene,
    another_key,
    desk,
    furnished,
)
from tests.gate.street import Response, request, served

from credenza.actions.token_keys import ensure
from credenza.domain import secret_text
from credenza.domain.model import PLATFORM
from credenza.domain.service_keys import purpose
from credenza.domain.tokens import SECRET_PREFIXES
from credenza.gate.app import GateApp, Limits, Origin
from credenza.gate.desk import Desk
from credenza.gate.forward import Forwarder
from credenza.gate.freshness import SqliteFreshness
from credenza.gate.issuers import Issuers
from credenza.gate.payload import Payloads
from credenza.gate.payload_app import PayloadApp
from credenza.gate.payload_exchange import PayloadExchange
from credenza.gate.resource_servers import ResourceServers
from credenza.protocol import detached_jws, payload, payload_rules
from credenza.protocol.payload import Recipient
from credenza.store import schema
from credenza.store.changes import ChangeKind
from credenza.store.engine import writing

REQUEST, RESPONSE, SIGNATURE = "REQUEST_ENCRYPTION", "RESPONSE_ENCRYPTION", "REQUEST_SIGNATURE"
ORDER_PATH = "/orders/1"
PLAIN = b'{"card":{"number":"5105105105105100","name":"J\xc3\xa9r\xc3\xb4me"},"amount":12.50}'
JWE: Mapping[str, Any] = {"encryption": {"mode": "JWE"}}
FIELD: Mapping[str, Any] = {"encryption": {"mode": "FIELD"}}
HEADERS: Mapping[str, Any] = {"encryption": {"mode": "FIELD", "parameters": {"in": "HEADERS"}}}
SIGNED: Mapping[str, Any] = {"signature": {}}
LIMIT = 20_000
PEPPER = b"p" * 32
SERVER, SECRET = "ledger", secret_text.write(SECRET_PREFIXES[SANDBOX], b"s" * 32)


@dataclass(frozen=True)
class ServiceKey:
    """A service credential and its private half, whoever has that."""

    id: str
    private_key: RSAPrivateKey
    certificate_sha256: str

    @property
    def recipient(self) -> Recipient:
        return Recipient(self.private_key.public_key(), self.certificate_sha256, self.id)

    def find(self, fingerprint: str | None) -> RSAPrivateKey | None:
        return self.private_key


@dataclass
class Teller:
    """An upstream that says what it was told to say, and remembers what it was asked."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [(b"content-type", b"application/json")])
    body: bytes | None = None
    breaks: bool = False
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    meanwhile: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.seen.append(({name.decode(): value.decode("latin-1") for name, value in scope["headers"]}, body))
        if self.meanwhile is not None:
            self.meanwhile()
        answer = body if self.body is None else self.body
        length = [(b"content-length", b"%d" % (len(answer) + 9 * self.breaks))]
        await send({"type": "http.response.start", "status": self.status, "headers": [*self.headers, *length]})
        await send({"type": "http.response.body", "body": answer, "more_body": self.breaks})


class PayloadStreet:
    def __init__(self, scene: Scene, upstream: Teller, front: Desk, issuers: Issuers, port: int) -> None:
        self.scene = scene
        self.upstream = upstream
        self.desk = front
        self.issuers = issuers
        self.port = port
        self.client = scene.add_key()

    # ------------------------------------------------------------------------------------------------ what there is

    def rule(self, rules: Mapping[str, Any] | None) -> None:
        """Give Orders rules of payloads, and the keys that its project has only to begin with."""
        text = None if rules is None else payload_rules.write(payload_rules.parse(msgspec.json.encode(rules)))
        places = schema.service_environments
        self.scene.change(places, places.c.service_id == ORDERS, ChangeKind.CATALOG, ORDERS, payload_rules=text)
        self.rules = payload_rules.parse(text or "{}")

    def begin(self, rules: Mapping[str, Any] | None) -> None:
        """Begin anew with these rules: no service credentials, and an upstream that echoes."""
        with writing(self.scene.database.records) as connection:
            connection.execute(schema.service_private_keys.delete())
            connection.execute(schema.credentials.delete().where(schema.credentials.c.service_id.is_not(None)))
        self.upstream.__init__()  # type: ignore[misc]  # as it was
        self.note()
        self.rule(rules)

    def note(self) -> None:
        self.scene.note(ChangeKind.SERVICE_KEY, PROJECT)

    def add(
        self,
        kind: str,
        *,
        status: str = "ACTIVE",
        not_after: datetime = NOON + timedelta(days=395),
        inactive_since: datetime | None = None,
        service: int = ORDERS,
    ) -> ServiceKey:
        private_key, identity = another_key(), str(uuid4())
        spki = private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        certificate = secrets.token_hex(32)
        self.scene.add(
            schema.credentials,
            organization_id=ORGANIZATION,
            id=identity,
            kind=kind,
            project_id=PROJECT,
            service_id=service,
            environment=SANDBOX,
            client_id="_" * 48,
            alias="key",
            status=status,
            key_algorithm="RSA-2048",
            public_key_der=spki,
            spki_sha256=sha256(spki).hexdigest(),
            certificate_der=b"",
            certificate_sha256=certificate,
            not_before=NOON - timedelta(days=1),
            not_after=not_after,
            inactive_since=inactive_since,
            created_at=NOON - timedelta(days=1),
            revoked_at=NOON if status == "REVOKED" else None,
            revoked_reason="",
        )
        if kind == REQUEST:
            pkcs8 = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            self.scene.add(
                schema.service_private_keys,
                organization_id=ORGANIZATION,
                credential_id=identity,
                wrapped_private_key=VAULT.wrap(purpose(identity), pkcs8),
            )
        self.note()
        return ServiceKey(identity, private_key, certificate)

    def change(self, key: ServiceKey, **values: Any) -> None:
        """Change a service credential as the management plane does."""
        row = schema.credentials.c.id == key.id
        self.scene.change(schema.credentials, row, ChangeKind.SERVICE_KEY, PROJECT, **values)

    def revoke(self, key: ServiceKey) -> None:
        self.change(key, status="REVOKED", revoked_at=self.scene.clock.now())

    def keys(self) -> tuple[ServiceKey, ServiceKey]:
        """A key for requests and one for answers."""
        return self.add(REQUEST), self.add(RESPONSE)

    # ------------------------------------------------------------------------------------------------------- calls

    def sealed(self, key: ServiceKey, body: bytes = PLAIN) -> tuple[bytes, list[tuple[str, str]]]:
        """Encrypt a request as its rules want it."""
        encryption = self.rules.encryption
        assert encryption is not None
        assert encryption.requests is not None
        sealed = payload.encrypt(
            body, encryption, encryption.requests, recipient=key.recipient, random=secrets.token_bytes
        )
        return sealed.body, list(sealed.headers.items())

    def opened(self, response: Response, key: ServiceKey) -> bytes:
        """Decrypt an answer as its rules want it."""
        encryption = self.rules.encryption
        assert encryption is not None
        assert encryption.responses is not None
        return payload.decrypt(
            response.body, response.headers, encryption, encryption.responses, keys=key, random=secrets.token_bytes
        )

    def signature(self, key: ServiceKey, body: bytes, target: str = ORDER_PATH, **changed: Any) -> tuple[str, str]:
        arguments: dict[str, Any] = {"algorithm": "PS256", "kid": key.id, "now": self.scene.clock.now(), **changed}
        signed = detached_jws.payload(body, target)
        return "x-jws-signature", detached_jws.sign(signed, key.private_key, **arguments)

    def call(
        self,
        body: bytes | None = None,
        headers: list[tuple[str, str]] | None = None,
        *,
        method: str = "POST",
        target: str = ORDER_PATH,
        client: Client | None = None,
    ) -> Response:
        signed = (client or self.client).sign(
            method, f"https://{AUTHORITY}{target}", body or b"", now=self.scene.clock.now()
        )
        sent = [("Authorization", signed), ("Content-Type", "application/json"), *(headers or [])]
        return request(self.port, method, target, sent, body)

    def send(self, key: ServiceKey, body: bytes = PLAIN, **more: Any) -> Response:
        """Encrypt and call."""
        return self.call(*self.sealed(key, body), **more)


@contextmanager
def opened(directory: Path) -> Iterator[PayloadStreet]:
    teller = Teller()
    with served(teller) as upstream_port, furnished(directory, f"http://127.0.0.1:{upstream_port}") as scene:
        issuers = _issuers(scene)
        scene.freshness = SqliteFreshness(scene.reader, scene.keyring, scene.routes, issuers)
        front, forwarder = desk(scene), Forwarder(timeout=timedelta(seconds=20))
        payloads = Payloads(scene.payload_keys, issuers, scene.freshness, random=secrets.token_bytes, limit_bytes=LIMIT)
        servers = ResourceServers(issuers, scene.freshness, _Peppered())
        api = PayloadApp(SANDBOX, payloads, servers, scene.routes, issuers, scene.keyring, front, clock=scene.clock.now)
        app = GateApp(
            Origin.parse(SANDBOX, f"https://{AUTHORITY}"),
            front,
            forwarder,
            limits=Limits(body_bytes=300_000, body_memory_bytes=8_000, body_deadline_s=20),
            corners=[api],
            payloads=PayloadExchange(payloads, scene.keyring, front, clock=scene.clock.now),
        )
        scene.add(
            schema.resource_servers,
            organization_id=PLATFORM,
            id=SERVER,
            environment=SANDBOX,
            name="Ledger",
            prefix=SECRET[:14],
            secret_hash=secret_text.keyed_hash(PEPPER, SECRET),
            created_at=NOON,
        )
        with served(app, forwarder) as port:
            yield PayloadStreet(scene, teller, front, issuers, port)


class _Peppered:
    async def hash_secret(self, secret: str) -> str:
        return secret_text.keyed_hash(PEPPER, secret)


def _issuers(scene: Scene) -> Issuers:
    """Keys that sign answers, which the first service with rules has made."""
    places = schema.service_environments
    with writing(scene.database.records) as connection:
        connection.execute(places.update().where(places.c.service_id == ORDERS).values(payload_rules="{}"))
        ensure(connection, VAULT, rotation=timedelta(days=30), now=NOON)
        connection.execute(places.update().values(payload_rules=None))
    return Issuers(VAULT)

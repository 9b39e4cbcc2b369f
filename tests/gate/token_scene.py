"""A token server on a scene whose project speaks both protocols, and a client that asks it for tokens."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import insert
from tests.clock import NOON
from tests.gate.scene import ORDERS, ORGANIZATION, PAYMENTS, PROJECT, SANDBOX, VAULT, Client, Scene

from credenza.actions.token_keys import ensure
from credenza.gate.ids import ids
from credenza.gate.issuers import Issuers
from credenza.gate.possession import Nonces
from credenza.gate.token_faults import Fault
from credenza.gate.token_server import Denial, Granted, TokenCall, TokenServer
from credenza.protocol import client_assertion, dpop, jose
from credenza.store import schema
from credenza.store.changes import ChangeKind
from credenza.store.engine import writing

ISSUER = "https://api.example.com"
URI = f"{ISSUER}/oauth/token"
NONCE_SECRET = b"n" * 32
PROOF_KEY = ec.generate_private_key(ec.SECP256R1())
NOW_S = int(NOON.timestamp())


class Desk:
    """A token server on a scene with one project that speaks both, and a client that asks it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        projects = schema.projects
        scene.change(projects, projects.c.id == PROJECT, ChangeKind.PROJECT, PROJECT, dual=True)
        with writing(scene.database.records) as connection:
            ensure(connection, VAULT, rotation=timedelta(days=30), now=NOON)
            for name, service in (("orders:read", ORDERS), ("orders:write", ORDERS), ("payments:pay", PAYMENTS)):
                connection.execute(
                    insert(schema.service_scopes).values(organization_id=ORGANIZATION, scope=name, service_id=service)
                )
        self.issuers = Issuers(VAULT)
        self.load()
        self.client = scene.add_key()
        self.server = self.make()

    def load(self) -> None:
        reader, now = self.scene.reader, self.scene.clock.now()
        self.issuers.replace(reader.token_keys(), reader.introspectors(), reader.revoked_tokens(now=now))

    def make(self, *, require_nonce: bool = False) -> TokenServer:
        self.scene.freshness.look()
        return TokenServer(
            keyring=self.scene.keyring,
            routes=self.scene.routes,
            issuers=self.issuers,
            freshness=self.scene.freshness,
            replay=self.scene.replay,
            nonces=Nonces(NONCE_SECRET, require_nonce),
            ids=ids(),
        )

    def ask(self, call: TokenCall | None = None) -> Granted | Denial:
        return asyncio.run(self.server.grant(call or self.call(), clock=self.scene.clock.now))

    def granted(self, call: TokenCall | None = None) -> Granted:
        answer = self.ask(call)
        assert isinstance(answer, Granted), answer
        return answer

    def denied(self, call: TokenCall) -> Fault:
        answer = self.ask(call)
        assert isinstance(answer, Denial), answer
        return answer.fault

    def call(self, *, form: dict[str, str] | None = None, body: bytes | None = None, **changed: Any) -> TokenCall:
        usual = {
            "grant_type": "client_credentials",
            "client_assertion_type": client_assertion.ASSERTION_TYPE,
            "client_assertion": self.assertion(),
        }
        told = {name: value for name, value in {**usual, **(form or {})}.items() if value is not None}
        values: dict[str, Any] = {
            "id": "call",
            "environment": SANDBOX,
            "issuer": ISSUER,
            "uri": URI,
            "query": "",
            "content_type": "application/x-www-form-urlencoded",
            "body": urlencode(told).encode() if body is None else body,
            "authorization": (),
            "proofs": (self.proof(),),
        }
        return TokenCall(**{**values, **changed})

    def assertion(self, client: Client | None = None, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        client = client or self.client
        client_id, key_id = client.consumer_key.split("!")
        now_s = int(self.scene.clock.now().timestamp())
        usual = {"iss": client_id, "sub": client_id, "aud": ISSUER, "jti": secrets.token_hex(8)}
        times = {"iat": now_s, "exp": now_s + 90}
        return jose.sign(
            {"typ": "JWT", "kid": key_id} | (header or {}), {**usual, **times, **claims}, client.private_key
        )

    def proof(self, *, key: jose.PrivateKey = PROOF_KEY, **claims: Any) -> str:
        now_s = int(self.scene.clock.now().timestamp())
        usual = {"jti": secrets.token_hex(8), "htm": "POST", "htu": URI, "iat": now_s}
        return jose.sign({"typ": dpop.TYPE, "jwk": jose.jwk(key.public_key())}, {**usual, **claims}, key)

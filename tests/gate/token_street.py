"""A project that speaks both protocols, and a gate that decides its calls and signs who made them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.gate.scene import PAYMENTS, PROJECT, SANDBOX, Scene, call
from tests.gate.token_scene import ISSUER, NONCE_SECRET, Desk

from credenza.domain.token_keys import IssuerKind
from credenza.gate import desk
from credenza.gate.bearer import Audience, TokenVerifier
from credenza.gate.decision import Admitted, Call
from credenza.gate.issuers import Issuers
from credenza.gate.metrics import Metrics
from credenza.gate.oauth1 import Verifier
from credenza.gate.possession import Nonces
from credenza.gate.refusals import Refusals
from credenza.gate.signed_identity import IdentitySigner
from credenza.gate.usage import Usage
from credenza.protocol import dpop
from credenza.store.changes import ChangeKind
from credenza.store.engine_traces import EngineTraces

LIFE = timedelta(seconds=30)
TARGET = "/payments/42?full=yes"
URL = f"{ISSUER}{TARGET}"

Fields = list[tuple[str, str]]


class TokenStreet(Desk):
    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        scene.entitle(PAYMENTS, SANDBOX)
        scene.note(ChangeKind.CATALOG, "entitled")
        scene.note(ChangeKind.PROJECT, PROJECT)
        self.server = self.make()
        self.token = self.granted().access_token
        self.desk = self.desk_of(self.issuers)

    def desk_of(self, issuers: Issuers, *, require_nonce: bool = False) -> desk.Desk:
        scene = self.scene
        shared = {
            "keyring": scene.keyring,
            "routes": scene.routes,
            "freshness": scene.freshness,
            "replay": scene.replay,
        }
        tokens = TokenVerifier(
            **shared,
            issuers=self.issuers,
            audiences=(Audience(SANDBOX, ISSUER),),
            nonces=Nonces(NONCE_SECRET, require_nonce),
        )
        return desk.Desk(
            Verifier(**shared, tokens=tokens),
            clock=scene.clock.now,
            usage=Usage(EngineTraces(scene.database.traces), report=_fail),
            refusals=Refusals(EngineTraces(scene.database.traces), clock=scene.clock.now, report=_fail),
            metrics=Metrics(),
            signer=IdentitySigner(issuers, {SANDBOX: ISSUER}, life=LIFE),
        )

    def oauth1(self, method: str = "GET") -> Fields:
        return [("Authorization", self.client.sign(method, URL))]

    def oauth2(self, method: str = "GET", **claims: Any) -> Fields:
        usual = {"htm": method, "htu": f"{ISSUER}/payments/42", "ath": dpop.access_token_hash(self.token)}
        proof = self.proof(**{**usual, **claims})
        return [("Authorization", f"DPoP {self.token}"), ("DPoP", proof)]

    def key_set(self) -> KeySet:
        return KeySet.import_key_set(
            msgspec.json.decode(self.issuers.key_set(SANDBOX, IssuerKind.FAPI2, now=self.scene.clock.now()))
        )

    def check(self, identity: str) -> dict[str, Any]:
        """What an upstream does, with a library that is not ours."""
        token = jwt.decode(identity, self.key_set(), algorithms=["ES256"])
        assert token.header["typ"] == "credenza-identity+jwt"
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self.scene.clock.now().timestamp()),
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": f"urn:credenza:service:{PAYMENTS}"},
            exp={"essential": True},
        )
        registry.validate(token.claims)
        return dict(token.claims)

    def decide(self, made: Call) -> Admitted:
        decision = asyncio.run(self.desk.decide(made))
        assert isinstance(decision, Admitted), decision
        return decision

    def identity(self) -> str:
        """The identity of a call that was admitted."""
        return self.decide(call(self.oauth1()[0][1], TARGET)).signed


def _fail(error: Exception) -> None:
    raise error

"""A service behind its gate, in memory: it admits signed calls, opens their payloads and protects its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from os import urandom

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from tests.clock import Clock
from tests.protocol.payloads import KEY_ID, KeyRing, recipient_of

from credenza.protocol import detached_jws, oauth1, payload
from credenza.protocol.payload import Sealed
from credenza.protocol.payload_rules import PayloadRules


@dataclass
class PayloadService:
    """`ours` decrypts requests and signs answers; `theirs` is the client's key, for all that it does."""

    rules: PayloadRules
    ours: RSAPrivateKey
    theirs: RSAPrivateKey
    clock: Clock
    answer: Callable[[bytes], httpx.Response] = lambda body: httpx.Response(200, content=body)
    spoil: Callable[[Sealed], Sealed] = lambda sealed: sealed
    read: list[bytes] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        target = request.url.raw_path.decode()
        self._admit(request, target)
        answer = self.answer(self._plain(request, target))
        if answer.status_code >= 400:
            return answer
        sealed = self.spoil(self._sealed(answer.content, target))
        headers = {"Content-Type": "application/json", **sealed.headers}
        return httpx.Response(answer.status_code, headers=headers, content=sealed.body)

    def _admit(self, request: httpx.Request, target: str) -> None:
        path, _, query = target.partition("?")
        sent = oauth1.Request(request.method, request.url.scheme, request.url.netloc.decode(), path, query)
        oauth1.check(
            sent,
            oauth1.parse(request.headers["Authorization"]),
            self.theirs.public_key(),
            body_sha256=sha256(request.content).digest(),
            now=self.clock.now(),
            max_skew=timedelta(minutes=5),
        )

    def _plain(self, request: httpx.Request, target: str) -> bytes:
        body, signature, encryption = request.content, self.rules.signature, self.rules.encryption
        if signature and signature.requests:
            detached_jws.check(
                detached_jws.parse(request.headers["x-jws-signature"]),
                detached_jws.payload(body, target),
                self.theirs.public_key(),
                algorithms=signature.algorithms,
                now=self.clock.now(),
                max_age=timedelta(seconds=signature.max_age_s),
                skew=timedelta(),
            )
        if encryption and encryption.requests:
            headers, keys = request.headers.multi_items(), KeyRing.of(self.ours)
            body = payload.decrypt(body, headers, encryption, encryption.requests, keys=keys, random=urandom)
        self.read.append(body)
        return body

    def _sealed(self, body: bytes, target: str) -> Sealed:
        sealed, signature, encryption = Sealed(body), self.rules.signature, self.rules.encryption
        if encryption and encryption.responses:
            recipient = recipient_of(self.theirs)
            sealed = payload.encrypt(body, encryption, encryption.responses, recipient=recipient, random=urandom)
        if signature and signature.responses:
            signed = detached_jws.payload(sealed.body, target)
            value = detached_jws.sign(signed, self.ours, algorithm="PS256", kid=KEY_ID, now=self.clock.now())
            return Sealed(sealed.body, {**sealed.headers, "x-jws-signature": value})
        return sealed

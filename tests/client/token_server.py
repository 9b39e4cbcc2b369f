"""A token server and a resource behind it, as strict as the gate and small enough to be read: for tests of the SDK."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from tests.clock import Clock

from credenza.client.metadata import WELL_KNOWN
from credenza.protocol import access_token, client_assertion, dpop, jose
from credenza.protocol.access_token import Claims, Confirmation
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.public_key import PublicKey

ISSUER = "https://api.test"
CLIENT_ID = "c" * 48
KID = "ab" * 16 + "0" * 16


class TokenServer:
    """Answers with its metadata, POST /oauth/token and, with a token, everything else. `nonce` makes proofs without it
    be refused."""

    def __init__(self, clock: Clock, keys: dict[str | None, PublicKey]) -> None:
        self.clock = clock
        self.keys = keys
        self.nonce = ""
        self.metadata = httpx.Response(200, json={"issuer": ISSUER, "token_endpoint": f"{ISSUER}/oauth/token"})
        self.metadata_requests: list[httpx.Request] = []
        self.life = timedelta(seconds=900)
        self.revoked: set[str] = set()
        self.token_requests: list[httpx.Request] = []
        self.calls: list[httpx.Request] = []
        self.bodies: list[bytes] = []
        self.seen: set[str] = set()
        self.answer_instead: Callable[[httpx.Request], httpx.Response | None] = lambda _request: None
        self._key = ec.generate_private_key(ec.SECP256R1())

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        if request.url.path == WELL_KNOWN:
            self.metadata_requests.append(request)
            return httpx.Response(
                self.metadata.status_code, headers=self.metadata.headers, content=self.metadata.content
            )
        (self.token_requests if request.url.path == "/oauth/token" else self.calls).append(request)
        instead = self.answer_instead(request)
        if instead is not None:
            return instead
        try:
            return self._token(request) if request.url.path == "/oauth/token" else self._resource(request)
        except (Malformed, Refused) as error:
            return httpx.Response(400, json={"error": "invalid_client", "error_description": str(error)})

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = dict(parse_qsl(request.content.decode(), strict_parsing=True))
        assert form["grant_type"] == "client_credentials"
        assert form["client_assertion_type"] == client_assertion.ASSERTION_TYPE
        assertion = client_assertion.parse(form["client_assertion"])
        client_assertion.check_claims(assertion, issuer=ISSUER, now=self.clock.now())
        key = self.keys[assertion.kid]
        jose.check(assertion.token, key, jose.algorithm_of(key))
        self._once(assertion.jti)
        proof = self._proof(request, None)
        if proof.claims.nonce != (self.nonce or None):
            return self._challenged(400, json={"error": "use_dpop_nonce"})
        scope = form.get("scope", "")
        token = self._issue(proof.jkt, scope)
        life_s = int(self.life.total_seconds())
        answer = {"access_token": token, "token_type": "DPoP", "expires_in": life_s, "scope": scope}
        return self._answer(200, json=answer)

    def _resource(self, request: httpx.Request) -> httpx.Response:
        scheme, _, token = request.headers["Authorization"].partition(" ")
        assert scheme == "DPoP"
        proof = self._proof(request, dpop.access_token_hash(token))
        _, claims = access_token.parse(token)
        assert claims.cnf.jkt == proof.jkt
        if proof.claims.nonce != (self.nonce or None):
            challenge = 'DPoP error="use_dpop_nonce", algs="ES256 PS256"'
            return self._challenged(401, headers={"WWW-Authenticate": challenge})
        if claims.jti in self.revoked or claims.exp <= self.clock.now().timestamp():
            return self._answer(401, headers={"WWW-Authenticate": 'DPoP error="invalid_token", algs="ES256 PS256"'})
        self.bodies.append(request.content)
        return self._answer(200, text="hello")

    def _proof(self, request: httpx.Request, ath: str | None) -> dpop.Proof:
        proof = dpop.parse(request.headers["DPoP"])
        dpop.check_claims(proof, method=request.method, uri=str(request.url), now=self.clock.now(), ath=ath)
        dpop.check_signature(proof)
        self._once(proof.jti)
        return proof

    def _once(self, jti: str) -> None:
        assert jti not in self.seen, "an assertion or a proof was sent twice"
        self.seen.add(jti)

    def _issue(self, jkt: str, scope: str) -> str:
        now_s = int(self.clock.now().timestamp())
        claims = Claims(
            iss=ISSUER,
            exp=now_s + int(self.life.total_seconds()),
            aud=ISSUER,
            sub=CLIENT_ID,
            client_id=CLIENT_ID,
            iat=now_s,
            jti=f"token {len(self.seen)}",
            scope=scope,
            cnf=Confirmation(jkt=jkt),
        )
        return access_token.issue(claims, self._key, kid="k")

    def revoke(self, token: str) -> None:
        self.revoked.add(access_token.parse(token)[1].jti)

    def _answer(self, status: int, **content: Any) -> httpx.Response:
        response = httpx.Response(status, **content)
        if self.nonce:
            response.headers["DPoP-Nonce"] = self.nonce
        return response

    def _challenged(self, status: int, **content: Any) -> httpx.Response:
        return self._answer(status, **content)


class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Takes a request's body as a socket does: once, and without keeping it."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self._answer = answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        return self._answer(_received(request, b"".join(request.stream)))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        return self._answer(_received(request, b"".join([chunk async for chunk in request.stream])))


def _received(request: httpx.Request, body: bytes) -> httpx.Request:
    return httpx.Request(request.method, request.url, headers=request.headers, content=body)

"""ASGI middleware of a resource server: nobody calls it without a token of the issuer, shown by the token's holder.

    app = TokenMiddleware(app, issuer="https://api.example.com", public_url="https://parcels.example.com",
                          scopes={"parcels:read"})

RFC 9068 section 4, RFC 9449 section 7 and RFC 8705 section 3, from the issuer's published keys alone: no gate stands
before it. With `introspect_as` it also asks the issuer, and follows what was revoked within `max_staleness`.
`scope["credenza"]` is the `TokenCaller`; Authorization and DPoP do not arrive, nor does what a client sends as
X-Credenza-….

A token that is bound to a certificate comes as Bearer, over a connection with that certificate: `certificate` says
which a call was made with. The server has to tell (ASGI TLS extension); behind a proxy it is
`asgi.certificate_of_proxy`.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from credenza.client import asgi
from credenza.client.asgi import App, Receive, Scope, Send, values
from credenza.client.errors import IssuerUnavailable
from credenza.client.issuer import Issuer
from credenza.client.issuer_keys import IssuerKeys
from credenza.client.proof_memory import MemoryFull, ProofMemory
from credenza.client.standings import Standings
from credenza.protocol import access_token, dpop, jose
from credenza.protocol.access_token import Claims
from credenza.protocol.dpop import Proof
from credenza.protocol.errors import Malformed, Refused
from credenza.wire.decisions import CLIENT_ID, KEY_ID

MAX_STALENESS: Final = timedelta(seconds=10)
PROOFS_REMEMBERED: Final = 250_000

_PARAMETER = re.compile(rb"(?:^|&)access_token=")


@dataclass(frozen=True, slots=True)
class TokenCaller:
    """Who calls, proven. `scopes` are what the token is good for; `token_id` is its `jti`."""

    client_id: str
    key_id: str
    scopes: frozenset[str]
    token_id: str
    expires_at: datetime


class _Denied(Exception):  # noqa: N818 - an answer, not an error of ours
    def __init__(self, status: int, reason_code: str, description: str, *, error: str = "", scope: str = "") -> None:
        super().__init__(description)
        self.status = status
        self.reason_code = reason_code
        self.description = description
        self.headers = (
            (("WWW-Authenticate", dpop.challenge(error, scope=scope)),) if status != 503 else (("Retry-After", "1"),)
        )


class _Unheld(_Denied):
    """A token that is bound to a certificate comes without it."""

    def __init__(self, description: str) -> None:
        super().__init__(401, "INVALID_TOKEN", description, error="invalid_token")
        self.headers = (("WWW-Authenticate", access_token.challenge("invalid_token")),)


def _system_clock() -> datetime:
    return datetime.now(UTC)


def _ticks() -> float:
    """Seconds on a clock that nobody sets; on Linux it goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class TokenMiddleware:
    """`public_url` is what clients put before the path that arrives here, a prefix that a proxy takes away included.
    `scopes` are those of this API, of which a token needs one. `introspect_as`: id and secret of a resource server.

    Answers 503 while the issuer cannot be asked. A proof is taken once by each process, which remembers
    `proofs_remembered` of the last four minutes and refuses calls beyond. Raises InsecureUrl.
    """

    def __init__(
        self,
        app: App,
        *,
        issuer: str,
        public_url: str,
        scopes: Collection[str],
        introspect_as: tuple[str, str] | None = None,
        max_staleness: timedelta = MAX_STALENESS,
        proofs_remembered: int = PROOFS_REMEMBERED,
        certificate: Callable[[Scope], bytes] = asgi.certificate,
        verify: ssl.SSLContext | bool = True,
        clock: Callable[[], datetime] = _system_clock,
        ticks: Callable[[], float] = _ticks,
    ) -> None:
        if not scopes or isinstance(scopes, str):
            raise ValueError("name the scopes of this API: a token without one is for other APIs of the platform")
        self._app = app
        self._issuer = issuer
        self._public_url = public_url.rstrip("/")
        self._scopes = frozenset(scopes)
        self._asked = Issuer(issuer, credentials=introspect_as, verify=verify)
        self._keys = IssuerKeys(self._asked.key_set, ticks=ticks)
        asks = introspect_as is not None
        self._standings = Standings(self._asked.introspect, max_age=max_staleness, ticks=ticks) if asks else None
        self._proofs = ProofMemory(proofs_remembered)
        self._certificate = certificate
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await asgi.close_websocket(send)
        elif scope["type"] == "http":
            await self._decide(scope, receive, send)
        else:
            await self._live(scope, receive, send)

    async def aclose(self) -> None:
        """Close the connections to the issuer; the end of the application's lifespan does it too."""
        await self._asked.aclose()

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            await self.aclose()

    async def _decide(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            caller = await self._caller(scope)
        except _Denied as denied:
            await asgi.send_refusal(send, denied.status, denied.reason_code, denied.description, denied.headers)
            return
        told = ((CLIENT_ID, caller.client_id), (KEY_ID, caller.key_id))
        await self._app(asgi.admitted(scope, caller, told), receive, send)

    async def _caller(self, scope: Scope) -> TokenCaller:
        """Prove the token, then its holder, then that nobody has taken either away; remember the proof last."""
        sent, scheme = _credentials(scope)
        claims = await self._claims(sent)
        proof = self._proof_of_holder(scope, sent, scheme, claims)
        scopes = await self._good_for(sent, claims)
        now = self._clock()
        self._check_ended(claims, now)  # asking takes a moment
        if scopes.isdisjoint(self._scopes):
            needed = " ".join(sorted(self._scopes))
            text = f"The token is good for none of these scopes: {needed}."
            raise _Denied(403, "INSUFFICIENT_SCOPE", text, error="insufficient_scope", scope=needed)
        if proof is not None:
            self._remember(proof, now)
        return TokenCaller(claims.client_id, claims.key_id, scopes, claims.jti, claims.expires_at)

    async def _claims(self, sent: str) -> Claims:
        try:
            token, claims = access_token.parse(sent)
            key = await self._keys.find(token.header.kid or "")
            if key is None:
                raise _invalid("The token is signed by no key that the issuer publishes.")
            jose.check(token, key, jose.algorithm_of(key))
        except IssuerUnavailable as failure:
            raise _away() from failure
        except (Malformed, Refused) as failure:
            raise _invalid(str(failure)) from failure
        self._check_ended(claims, self._clock())
        return claims

    def _check_ended(self, claims: Claims, now: datetime) -> None:
        try:
            # Tokens are for their environment, and its issuer's origin names it (settled 20).
            access_token.check_claims(claims, issuer=self._issuer, audience=self._issuer, now=now)
        except Refused as failure:
            raise _invalid(str(failure)) from failure

    def _proof_of_holder(self, scope: Scope, sent: str, scheme: str, claims: Claims) -> Proof | None:
        """Prove that the caller holds what the token is bound to; a certificate needs no proof in a header."""
        if claims.cnf.token_type == "DPoP":
            if scheme != "dpop":
                raise _invalid("The token is bound to a key: send it as Authorization: DPoP, with a proof.")
            return self._proof(scope, sent, claims)
        if scheme != "bearer":
            raise _Unheld("The token is bound to a certificate: send it as Authorization: Bearer, over mutual TLS.")
        certificate = self._certificate(scope)
        if not certificate or access_token.bound_to_certificate(certificate) != claims.cnf:
            # RFC 8705 3: also for one that was issued again for the same key.
            raise _Unheld("The connection is not made with the certificate that the token is bound to.")
        return None

    def _proof(self, scope: Scope, sent: str, claims: Claims) -> Proof:
        """Prove that the caller holds the key that the token is bound to (RFC 9449 7.1)."""
        proofs = values(scope, b"dpop")
        if len(proofs) != 1 or not proofs[0]:
            text = "One DPoP header with a proof has to come with the token."
            raise _Denied(400, "MALFORMED_OAUTH_REQ", text, error="invalid_dpop_proof")
        uri = self._public_url + scope["raw_path"].decode("latin-1")
        try:
            proof = dpop.parse(proofs[0].decode("latin-1"))
            ath = dpop.access_token_hash(sent)
            dpop.check_claims(proof, method=scope["method"], uri=uri, now=self._clock(), ath=ath)
            if proof.jkt != claims.cnf.jkt:
                raise _invalid("The proof is by another key than the token is bound to.")
            dpop.check_signature(proof)
        except (Malformed, Refused) as failure:
            raise _invalid(str(failure), error="invalid_dpop_proof") from failure
        return proof

    async def _good_for(self, sent: str, claims: Claims) -> frozenset[str]:
        """What the token may be used for. Without introspection one that is not narrowed says nothing of this API."""
        if self._standings is None:
            return frozenset(claims.scope.split())
        try:
            standing = await self._standings.of(sent)
        except IssuerUnavailable as failure:
            raise _away() from failure
        if not standing.active:
            raise _invalid("The token is not good any more.")
        return frozenset(standing.scope.split())

    def _remember(self, proof: Proof, now: datetime) -> None:
        try:
            is_new = self._proofs.first_seen(proof, now=now)
        except MemoryFull as failure:
            raise _Denied(503, "SERVICE_UNAVAILABLE", "Too many calls at once. Try again shortly.") from failure
        if not is_new:
            text = "The DPoP proof was used before: make a new one for every request."
            raise _invalid(text, error="invalid_dpop_proof")


def _credentials(scope: Scope) -> tuple[str, str]:
    """Read the token and its scheme (RFC 6750 2.1, RFC 9449 7.1): once, in the header, the scheme in any case."""
    sent = values(scope, b"authorization")
    if not sent:
        raise _Denied(401, "UNAUTHORIZED", "A token is needed: Authorization: DPoP, with a proof.")
    scheme, _, token = sent[0].decode("latin-1").partition(" ")
    if len(sent) > 1 or not token or " " in token.strip():
        text = "One Authorization header with one token is needed."
        raise _Denied(400, "INVALID_AUTH_HEADER", text, error="invalid_request")
    if _PARAMETER.search(scope["query_string"]) is not None:
        # RFC 6750 2: a token is sent in one way, and never where it is written into logs.
        text = "A token is sent in the Authorization header alone."
        raise _Denied(400, "BAD_REQUEST", text, error="invalid_request")
    return token.strip(), scheme.lower()


def _invalid(description: str, *, error: str = "invalid_token") -> _Denied:
    return _Denied(401, "INVALID_TOKEN", description, error=error)


def _away() -> _Denied:
    text = "It cannot be told at the moment whether the call may be admitted. Try again shortly."
    return _Denied(503, "SERVICE_UNAVAILABLE", text)

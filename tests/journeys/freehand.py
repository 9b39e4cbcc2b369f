"""A client that signs what it is told, right or wrong, and sends it over TLS to a real server."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from tests.journeys.oauth2_street import Partner, Street

from credenza.protocol import client_assertion, dpop, jose
from credenza.protocol.jose import PrivateKey

Headers = Sequence[tuple[str, str]]
Signer = Callable[[bytes], bytes]


class Variant(NamedTuple):
    """One of the four ways of FAPI 2.0: how the client authenticates, and what its tokens are bound to."""

    method: str
    binding: str

    @property
    def certificate(self) -> bool:
        return "tls_client_auth" in self or "certificate" in self

    def __str__(self) -> str:
        return f"{self.method}, {self.binding}"


USUAL = Variant("private_key_jwt", "DPoP")
VARIANTS = [
    Variant(method, bound) for method in ("private_key_jwt", "tls_client_auth") for bound in ("DPoP", "certificate")
]


@dataclass(frozen=True, slots=True)
class Freehand:
    """A partner of a street. What is passed as None is left out of what is sent or signed."""

    street: Street
    partner: Partner
    dpop_key: PrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    variant: Variant = USUAL

    @property
    def endpoint(self) -> str:
        return f"{self.street.server.origin}/oauth/token"

    def assertion(
        self, *, header: dict[str, Any] | None = None, key: PrivateKey | None = None, ahead_s: float = 0, **claims: Any
    ) -> str:
        """`ahead_s` is how far the client's clock is ahead."""
        return jose.sign(
            _without_none({"typ": "JWT", "kid": self.partner.key_id} | (header or {})),
            self.assertion_claims(ahead_s=ahead_s, **claims),
            key or self.partner.private_key,
        )

    def assertion_claims(self, *, ahead_s: float = 0, **claims: Any) -> dict[str, Any]:
        now_s, client_id = int(time.time() + ahead_s), self.partner.client_id
        who = {"iss": client_id, "sub": client_id, "aud": self.street.server.origin, "jti": secrets.token_hex(8)}
        return _without_none(who | {"iat": now_s, "exp": now_s + 90} | claims)

    def proof(
        self,
        method: str = "POST",
        uri: str = "",
        *,
        token: str | None = None,
        header: dict[str, Any] | None = None,
        key: PrivateKey | None = None,
        ahead_s: float = 0,
        **claims: Any,
    ) -> str:
        key = key or self.dpop_key
        usual = {"htm": method, "htu": uri or self.endpoint, "jti": secrets.token_hex(8)}
        usual |= {"iat": int(time.time() + ahead_s), "ath": dpop.access_token_hash(token) if token else None}
        head = {"typ": dpop.TYPE, "jwk": jose.jwk(key.public_key())} | (header or {})
        return jose.sign(_without_none(head), _without_none(usual | claims), key)

    def ask(self, *, proofs: Sequence[str] | None = None, headers: Headers = (), **form: Any) -> httpx.Response:
        """Ask for a token; `form` changes or takes away what is usually sent."""
        told = _without_none({"grant_type": "client_credentials"} | self.authentication() | form)
        if proofs is None:
            proofs = [self.proof()] if self.variant.binding == "DPoP" else []
        sent = [*headers, *(("DPoP", each) for each in proofs)]
        with self.http() as http:
            return http.post(self.endpoint, data=told, headers=sent)

    def authentication(self) -> dict[str, str]:
        if self.variant.method == "tls_client_auth":
            return {"client_id": self.partner.client_id}
        return {"client_assertion_type": client_assertion.ASSERTION_TYPE, "client_assertion": self.assertion()}

    def http(self) -> httpx.Client:
        """With the partner's certificate, where the variant has a use for it."""
        return self.street.client(certificate=self.partner.certificate if self.variant.certificate else None)

    def token(self, **form: Any) -> str:
        answer = self.ask(**form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def call(
        self,
        token: str,
        *,
        url: str = "",
        method: str = "GET",
        scheme: str = "",
        proofs: Sequence[str] | None = None,
        headers: Headers = (),
        **request: Any,
    ) -> httpx.Response:
        """Call the API with a token."""
        url = url or self.street.parcel
        is_dpop = self.variant.binding == "DPoP"
        if proofs is None:
            proofs = [self.proof(method, url, token=token)] if is_dpop else []
        scheme = scheme or ("DPoP" if is_dpop else "Bearer")
        sent = [("Authorization", f"{scheme} {token}"), *headers, *(("DPoP", each) for each in proofs)]
        with self.http() as http:
            return http.request(method, url, headers=sent, **request)


def signed_by_hand(header: dict[str, Any], claims: dict[str, Any], signer: Signer) -> str:
    """A token with any `alg`: what the one door to JOSE would not sign."""
    head, payload = (jose.encode(json.dumps(each).encode()) for each in (header, claims))
    return b".".join([head, payload, jose.encode(signer(head + b"." + payload))]).decode()


def hmac_with(secret: bytes) -> Signer:
    return lambda octets: hmac.digest(secret, octets, "sha256")


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and `error`, of the body or of the challenge."""
    challenge = answer.headers.get("www-authenticate", "")
    if "error=" in challenge:
        return answer.status_code, challenge.partition('error="')[2].partition('"')[0]
    return answer.status_code, answer.json().get("error", "")


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}

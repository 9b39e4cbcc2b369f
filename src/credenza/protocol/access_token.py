"""JWT access tokens: RFC 9068, bound to their holder's key (`cnf`, RFC 7800) by DPoP (RFC 9449 6) or a certificate
(RFC 8705 3.1).

A token names the credential that fetched it. Whoever enforces it looks that record up: the live record always wins.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final

import msgspec

from credenza.protocol import jose
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import PrivateKey

TYPE: Final = "at+jwt"
_TYPES = frozenset({TYPE, f"application/{TYPE}"})


class Confirmation(msgspec.Struct, frozen=True, rename={"x5t_s256": "x5t#S256"}, omit_defaults=True):
    """Which key the holder must show: a DPoP key's thumbprint, or a certificate's. Neither for a Bearer token."""

    jkt: str = ""
    x5t_s256: str = ""

    @property
    def token_type(self) -> str:
        """How the token is sent (RFC 9449 5; RFC 8705 3 binds a Bearer token)."""
        return "DPoP" if self.jkt else "Bearer"


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9068 2.2. `key_id` is the credential that authenticated the client, `certificate_sha256` its thumbprint (hex)
    where it is a TLS certificate, and `secret_id` says by which of its secrets. Times are seconds since 1970."""

    iss: str
    exp: int
    aud: str
    sub: str
    client_id: str
    iat: int
    jti: str
    key_id: str = ""
    certificate_sha256: str = ""
    scope: str = ""
    cnf: Confirmation = Confirmation()
    secret_id: str = ""

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self.exp, UTC)


def issue(claims: Claims, key: PrivateKey, *, kid: str) -> str:
    """Sign a token. `kid` names the key among those the issuer publishes."""
    return jose.sign_payload(_header(kid, jose.algorithm_of(key)), msgspec.json.encode(claims), key)


def parse(access_token: str) -> tuple[jose.Compact, Claims]:
    """Read a token (RFC 9068 4). Raises Malformed, also for a token of another type (an assertion, a proof)."""
    token = jose.parse(access_token)
    if token.header.typ.lower() not in _TYPES:
        raise Malformed("access_token", f"The typ of an access token is {TYPE}.")
    return token, jose.read(token.payload, Claims, "access_token")


def bound_to_certificate(certificate_der: bytes) -> Confirmation:
    """Name the certificate whose holder alone may show a token (RFC 8705 3.1)."""
    return Confirmation(x5t_s256=jose.encode(sha256(certificate_der).digest()).decode("ascii"))


def challenge(error: str = "", *, scope: str = "") -> str:
    """Write WWW-Authenticate for who came with a Bearer token: that scheme's words (RFC 6750 3), and that DPoP is taken
    as well (RFC 9449 7.1)."""
    named = ", ".join(f'{name}="{value}"' for name, value in (("error", error), ("scope", scope)) if value)
    return f'Bearer {named}, DPoP algs="{" ".join(jose.Algorithm)}"'


def bearer_challenge(error: str = "") -> str:
    """Write WWW-Authenticate where nothing but a Bearer token is taken (RFC 6750 3)."""
    return f'Bearer error="{error}"' if error else 'Bearer realm="api"'


def check_claims(claims: Claims, *, issuer: str, audience: str, now: datetime) -> None:
    """Refuse a token of another issuer, for another resource, or past its end. Raises Refused("issuer" | "audience" |
    "expired"). No skew is given: the issuer's clock is the enforcer's."""
    if claims.iss != issuer:
        raise Refused("issuer", f"The token is of the issuer {claims.iss[:200]!r}, not of {issuer!r}.")
    if claims.aud != audience:
        raise Refused("audience", f"The token is for {claims.aud[:200]!r}, not for {audience!r}.")
    if claims.exp <= now.timestamp():
        raise Refused("expired", f"The token ended at {claims.expires_at:%FT%TZ}; it is {now:%FT%TZ}.")


@lru_cache(maxsize=16)
def _header(kid: str, algorithm: jose.Algorithm) -> bytes:
    return jose.write_header({"typ": TYPE, "kid": kid}, algorithm)

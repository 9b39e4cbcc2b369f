"""Client assertions: `private_key_jwt` of RFC 7523 as FAPI 2.0 section 5.3.2.1 narrows it.

Order of use, by cost: `parse`, look the client and its key up, `check_claims`, `jose.check`, and then remember `jti`
until `remembered_until`: an assertion is good once, and a forger must not be able to use it up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from credenza.protocol import jose
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import PrivateKey

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE: Final = timedelta(seconds=300)
USUAL_LIFE: Final = timedelta(seconds=90)
SKEW: Final = timedelta(seconds=10)
"""FAPI 2.0 5.3.2.1-13: clocks 10 s ahead must be accepted, 60 s refused; nothing in between is asked for."""

_SKEW_S, _LONGEST_LIFE_S = SKEW.total_seconds(), LONGEST_LIFE.total_seconds()
_LONGEST_ID = 128
# RFC 7523 2.2 asks for no `typ`; one that names another kind of token is that token, sent to the wrong place.
_TYPES = frozenset({"", "jwt", "client-authentication+jwt"})


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str
    jti: str
    exp: int | float
    iat: int | float | None = None
    nbf: int | float | None = None


class ClientAssertion(msgspec.Struct, frozen=True):
    """What a client says of itself; nothing of it is proven before `jose.check`. Times are seconds since 1970."""

    token: jose.Compact
    client_id: str
    kid: str | None
    audience: str
    jti: str
    expires_s: float
    earliest_s: float
    """The later of `iat` and `nbf`, or zero."""


def parse(assertion: str) -> ClientAssertion:
    """Read an assertion. Raises Malformed; an `aud` that is a list is one (FAPI 2.0 5.3.2.1-8)."""
    token = jose.parse(assertion)
    if token.header.typ.lower().removeprefix("application/") not in _TYPES:
        raise Malformed("client_assertion", f"A token of the type {token.header.typ[:30]!r} is no client assertion.")
    claims = jose.read(token.payload, _Claims, "client_assertion")
    if claims.iss != claims.sub:
        raise Malformed("client_assertion", "iss and sub of a client assertion are both the client id.")
    if not 1 <= len(claims.jti) <= _LONGEST_ID or len(claims.iss) > _LONGEST_ID:
        raise Malformed("client_assertion", f"jti and iss have 1 to {_LONGEST_ID} characters.")
    return ClientAssertion(
        token=token,
        client_id=claims.iss,
        kid=token.header.kid,
        audience=claims.aud,
        jti=claims.jti,
        expires_s=float(claims.exp),
        earliest_s=max(float(claims.iat or 0), float(claims.nbf or 0)),
    )


def check_claims(assertion: ClientAssertion, *, issuer: str, now: datetime) -> None:
    """Refuse an assertion for somebody else, or of another time. Raises Refused("audience" | "expired" | "not_yet" |
    "too_long"). The texts tell both clocks, for the owner of the client alone."""
    now_s = now.timestamp()
    if assertion.audience != issuer:
        raise Refused("audience", f"aud is {assertion.audience[:200]!r}; it has to be {issuer!r}, as one string.")
    if assertion.expires_s <= now_s - _SKEW_S:
        raise Refused(
            "expired", f"exp is {now_s - assertion.expires_s:.0f} s past by the server's clock, {now:%FT%TZ}."
        )
    if assertion.earliest_s > now_s + _SKEW_S:
        ahead = assertion.earliest_s - now_s
        raise Refused("not_yet", f"iat or nbf is {ahead:.0f} s ahead of the server's clock, {now:%FT%TZ}.")
    if assertion.expires_s > now_s + _LONGEST_LIFE_S:
        left = assertion.expires_s - now_s
        raise Refused("too_long", f"exp is {left:.0f} s away; at most {_LONGEST_LIFE_S:.0f} s are accepted.")


def remembered_until(assertion: ClientAssertion) -> float:
    """Until when, in seconds since 1970, the `jti` must not come again."""
    return assertion.expires_s + _SKEW_S


def write(*, client_id: str, kid: str | None, issuer: str, key: PrivateKey, jti: str, now: datetime) -> str:
    """Sign an assertion for one token request to one issuer, good for USUAL_LIFE."""
    issued_s = int(now.timestamp())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": jti,
        "iat": issued_s,
        "exp": issued_s + int(USUAL_LIFE.total_seconds()),
    }
    return jose.sign({"typ": "JWT"} | ({"kid": kid} if kid else {}), claims, key)

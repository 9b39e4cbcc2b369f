"""ID tokens: OpenID Connect Core 1.0 section 3.1.3.7, with authlib's rules about claims (extra `sso`).

The algorithm is one that the provider's metadata names and this list allows, and the key is the one of the provider's
set that fits it: nothing else in the token chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from authlib.oidc.core import CodeIDToken
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.errors import JoseError

from credenza.protocol import jose
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import Algorithm, Compact
from credenza.protocol.public_key import PublicKey

# RFC 8725 3.1. RS256 is what OpenID Connect Core 1.0 section 15.1 has every provider sign with.
KEY_TYPES: Final = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
_LEEWAY_S: Final = 60
_LONGEST_SUBJECT: Final = 255  # OpenID Connect Core 1.0 section 2


class Jwk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key of the provider's set (RFC 7517 4): the members that say what it is and what for."""

    kty: str
    kid: str = ""
    use: str = "sig"
    alg: str = ""
    crv: str = ""
    x: str = ""
    y: str = ""
    n: str = ""
    e: str = ""


class Claims(msgspec.Struct, frozen=True):
    """What is read of an ID token, or of the userinfo endpoint's answer."""

    sub: str
    email: str = ""
    email_verified: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must say. `algorithms`: what the provider signs with, by its metadata."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: frozenset[str]
    proven_since: datetime | None = None


class UnknownKey(Refused):
    """The key that signed is not in the set: the provider may have made a new one since it was fetched."""


def check(token: str, keys: Sequence[Jwk], expected: Expected, *, now: datetime) -> Claims:
    """Prove that the provider says this, to us, in answer to this sign-in, and now.

    Raises Malformed, UnknownKey, and Refused("algorithm" | "key" | "signature" | "claims").
    """
    compact = jose.parse(token)
    if compact.header.alg not in KEY_TYPES or compact.header.alg not in expected.algorithms:
        raise Refused("algorithm", f"The ID token is signed with {compact.header.alg[:20]!r}.")
    _check_signature(compact, _key(compact, keys))
    _check_claims(compact, expected, now)
    return jose.read(compact.payload, Claims, "ID token")


def _key(compact: Compact, keys: Sequence[Jwk]) -> PublicKey:
    header = compact.header
    fitting = [
        each
        for each in keys
        if each.kty == KEY_TYPES[header.alg]
        and each.use == "sig"
        and each.alg in ("", header.alg)
        and header.kid in (None, each.kid)
    ]
    if not fitting:
        raise UnknownKey("key", "The ID token is signed by a key that the provider does not publish.")
    if len(fitting) > 1:
        raise Refused("key", "Several of the provider's keys could have signed the ID token.")
    (found,) = fitting
    return jose.parse_jwk(msgspec.json.encode(msgspec.structs.replace(found, alg="", kid="")))


def _check_signature(compact: Compact, key: PublicKey) -> None:
    if compact.header.alg != "RS256":
        jose.check(compact, key, Algorithm(compact.header.alg))
        return
    assert isinstance(key, rsa.RSAPublicKey), "chosen by its type"
    try:
        key.verify(compact.signature, compact.signing_input, padding.PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise Refused("signature", "The ID token's signature does not match.") from error


def _check_claims(compact: Compact, expected: Expected, now: datetime) -> None:
    claims = jose.read(compact.payload, dict[str, Any], "ID token")
    options = {
        "iss": {"essential": True, "value": expected.issuer},
        "aud": {"essential": True, "value": expected.client_id},
    }
    params = {"nonce": expected.nonce, "client_id": expected.client_id}
    try:
        CodeIDToken(claims, {"alg": compact.header.alg}, options, params).validate(int(now.timestamp()), _LEEWAY_S)
    except (JoseError, TypeError, ValueError) as error:
        raise Refused("claims", f"The ID token is not for this sign-in: {error}") from error
    if expected.proven_since is not None:
        _check_proven(claims.get("auth_time"), expected.proven_since)
    if not isinstance(claims["sub"], str) or not 1 <= len(claims["sub"]) <= _LONGEST_SUBJECT:
        raise Malformed("ID token", f"The ID token's subject has 1 to {_LONGEST_SUBJECT} characters.")


def _check_proven(auth_time: object, since: datetime) -> None:
    """OpenID Connect Core 1.0 section 3.1.2.1: who asks with max_age is told when, and has to look."""
    if not isinstance(auth_time, int) or auth_time < since.timestamp() - _LEEWAY_S:
        raise Refused("claims", "The provider has not asked the person again who they are.")

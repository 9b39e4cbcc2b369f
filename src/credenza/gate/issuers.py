"""What a gate knows of the token server: the keys that sign and are published, who may introspect, what was revoked.

Read whole, when it begins and whenever a change concerns it: it is small. Private keys are unwrapped as they are read,
so a gate that issues tokens has the key-encryption key; one that only checks them has not, and no private key.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from credenza.domain import token_keys
from credenza.domain.model import EnvironmentName
from credenza.domain.token_keys import IssuerKind, TokenKey
from credenza.domain.tokens import hash_jti
from credenza.protocol import jose
from credenza.protocol.jose import PrivateKey
from credenza.protocol.public_key import PublicKey
from credenza.store.token_lookup import (
    Introspector,
    IntrospectorSnapshot,
    RevocationSnapshot,
    SigningKey,
    TokenKeySnapshot,
)

EVER = datetime.fromtimestamp(0, UTC)
"""Revocations are read from here on: those of tokens that have ended are deleted every few minutes anyway."""

# Whose keys follow each other: an environment's issuer.
_Line: TypeAlias = tuple[EnvironmentName, IssuerKind]


class Vault(Protocol):
    """Unwraps what the database holds, with a key that is not in it."""

    def unwrap(self, purpose: str, wrapped: bytes) -> bytes: ...


@dataclass(slots=True)
class ReadyKey:
    """A key of an issuer, with its private half where this gate may have it."""

    key: TokenKey
    public: PublicKey
    private: PrivateKey | None = field(default=None, repr=False)


class Issuers:
    """`vault` is None at a gate that issues nothing. Times are the caller's: what signs depends on them."""

    def __init__(self, vault: Vault | None = None) -> None:
        self._vault = vault
        self._keys: dict[str, ReadyKey] = {}
        self._lines: dict[_Line, list[ReadyKey]] = {}
        self._introspectors: Mapping[str, Introspector] = {}
        self._revoked: Mapping[str, datetime] = {}

    def replace(self, keys: TokenKeySnapshot, introspectors: IntrospectorSnapshot, revoked: RevocationSnapshot) -> None:
        known = self._keys
        self._keys = {each.key.kid: self._ready(each, known.get(each.key.kid)) for each in keys.keys}
        self._lines = _lines(self._keys.values())
        self._introspectors = {each.secret_hash: each for each in introspectors.servers}
        self._revoked = revoked.revoked

    def signing(self, environment: EnvironmentName, issuer: IssuerKind, *, now: datetime) -> ReadyKey | None:
        """Find the key that signs now; None where there is none, or this gate may not have it."""
        for each in self._lines.get((environment, issuer), ()):
            if each.private is not None and each.key.signs(now):
                return each
        return None

    def published(
        self, environment: EnvironmentName, issuer: IssuerKind, kid: str, *, now: datetime
    ) -> PublicKey | None:
        """Find a key that a token of the issuer may be signed with."""
        found = self._keys.get(kid)
        if found is None or not _is_of(found.key, environment, issuer) or not found.key.published(now):
            return None
        return found.public

    def key_set(self, environment: EnvironmentName, issuer: IssuerKind, *, now: datetime) -> bytes:
        """Write the issuer's public keys as a JWK Set (RFC 7517 5)."""
        keys = [
            {**jose.jwk(each.public), "kid": each.key.kid, "alg": each.key.algorithm, "use": "sig"}
            for each in self._lines.get((environment, issuer), ())
            if each.key.published(now)
        ]
        return msgspec.json.encode({"keys": keys})

    def is_revoked(self, jti: str) -> bool:
        return bool(self._revoked) and hash_jti(jti) in self._revoked

    def introspector(self, environment: EnvironmentName, secret_hash: str) -> Introspector | None:
        """Find who a secret belongs to, by its hash: looking up what nobody can guess leaks nothing by its time."""
        found = self._introspectors.get(secret_hash)
        if found is None or found.environment is not environment:
            return None
        return found if hmac.compare_digest(found.secret_hash, secret_hash) else None

    def _ready(self, found: SigningKey, known: ReadyKey | None) -> ReadyKey:
        if known is not None:
            return ReadyKey(found.key, known.public, known.private)
        return ReadyKey(found.key, jose.parse_jwk(found.key.public_jwk.encode()), self._private(found))

    def _private(self, found: SigningKey) -> PrivateKey | None:
        if self._vault is None:
            return None
        der = self._vault.unwrap(token_keys.purpose(found.key.kid), found.wrapped_private_key)
        key = load_der_private_key(der, None)
        assert isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey), "tokens are signed with ES256, answers PS256"
        return key


def _lines(keys: Iterable[ReadyKey]) -> dict[_Line, list[ReadyKey]]:
    found: dict[_Line, list[ReadyKey]] = {}
    for each in keys:
        found.setdefault((each.key.environment, each.key.issuer), []).append(each)
    return found


def _is_of(key: TokenKey, environment: EnvironmentName, issuer: IssuerKind) -> bool:
    return key.environment is environment and key.issuer is issuer

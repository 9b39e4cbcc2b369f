"""The gate's questions about tokens, in the manner of `lookup`: which keys sign, who may ask, what was revoked.
`embedded` and `postgresql` put them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from credenza.domain.model import ChangeNumber, EnvironmentName
from credenza.domain.token_keys import IssuerKind, TokenKey
from credenza.store.instants import at_micros
from credenza.store.lookup import Rows

TOKEN_KEYS = """
SELECT change_counter.number, token_keys.kid, token_keys.environment, token_keys.issuer, token_keys.generation,
    token_keys.algorithm, token_keys.public_jwk, token_keys.published_at, token_keys.signs_from,
    token_keys.signs_until, token_keys.published_until, token_keys.wrapped_private_key
FROM change_counter
LEFT JOIN token_keys ON token_keys.retired_at IS NULL
ORDER BY token_keys.generation
"""

RESOURCE_SERVERS = """
SELECT change_counter.number, resource_servers.id, resource_servers.environment, resource_servers.name,
    resource_servers.secret_hash
FROM change_counter
LEFT JOIN resource_servers ON resource_servers.removed_at IS NULL
"""

REVOKED_TOKENS = """
SELECT change_counter.number, revoked_tokens.jti_hash, revoked_tokens.expires_at
FROM change_counter
LEFT JOIN revoked_tokens ON revoked_tokens.expires_at > {now}
"""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of a token server with its private half, wrapped for `token_keys.purpose(kid)`."""

    key: TokenKey
    wrapped_private_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenKeySnapshot:
    """Every key that is not retired; which of them sign and which are published, `TokenKey` says."""

    number: ChangeNumber
    keys: tuple[SigningKey, ...]


@dataclass(frozen=True, slots=True)
class Introspector:
    """A resource server that may ask; `secret_hash` is an HMAC-SHA256 under the pepper, in hex."""

    id: str
    environment: EnvironmentName
    name: str
    secret_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class IntrospectorSnapshot:
    number: ChangeNumber
    servers: tuple[Introspector, ...]


@dataclass(frozen=True, slots=True)
class RevocationSnapshot:
    """Tokens that were revoked and have not ended yet: when they end, by the hash of their `jti`."""

    number: ChangeNumber
    revoked: Mapping[str, datetime]


def token_key_snapshot(rows: Rows) -> TokenKeySnapshot:
    return TokenKeySnapshot(rows[0][0], tuple(_signing_key(row) for row in rows if row[1] is not None))


def introspector_snapshot(rows: Rows) -> IntrospectorSnapshot:
    servers = (Introspector(row[1], EnvironmentName(row[2]), row[3], row[4]) for row in rows if row[1] is not None)
    return IntrospectorSnapshot(rows[0][0], tuple(servers))


def revocation_snapshot(rows: Rows) -> RevocationSnapshot:
    return RevocationSnapshot(rows[0][0], {row[1]: at_micros(row[2]) for row in rows if row[1] is not None})


def _signing_key(row: tuple[Any, ...]) -> SigningKey:
    key = TokenKey(
        kid=row[1],
        environment=EnvironmentName(row[2]),
        issuer=IssuerKind(row[3]),
        generation=row[4],
        algorithm=row[5],
        public_jwk=row[6],
        published_at=at_micros(row[7]),
        signs_from=at_micros(row[8]),
        signs_until=None if row[9] is None else at_micros(row[9]),
        published_until=None if row[10] is None else at_micros(row[10]),
    )
    return SigningKey(key, bytes(row[11]))

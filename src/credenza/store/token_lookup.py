"""The gate's questions about tokens, in the manner of `lookup`: who a client is, which keys sign, who may ask, what was
revoked. `embedded` and `postgresql` put them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from credenza.domain.model import ChangeNumber, EnvironmentName, ProjectType, Status
from credenza.domain.token_keys import IssuerKind, TokenKey
from credenza.store.lookup import Rows
from credenza.store.schema import at_micros

# An environment of a project with each key that it still has, then with each scope of the services that it may call.
CLIENT = """
WITH client AS (
    SELECT environments.client_id, environments.organization_id, environments.project_id, environments.name,
        projects.name AS project_name, projects.type, projects.dual
    FROM environments JOIN projects ON projects.id = environments.project_id AND projects.deleted_at IS NULL
    WHERE environments.client_id = {client_id}
)
SELECT change_counter.number, client.client_id, client.organization_id, client.project_id, client.name,
    client.project_name, client.type, client.dual,
    credentials.id, credentials.status, credentials.not_before, credentials.not_after, credentials.key_algorithm,
    NULL AS scope
FROM change_counter
LEFT JOIN client ON 1 = 1
LEFT JOIN credentials ON credentials.project_id = client.project_id AND credentials.environment = client.name
    AND credentials.kind = 'SIGNING_KEY' AND credentials.status <> 'REVOKED'
UNION ALL
SELECT change_counter.number, client.client_id, client.organization_id, client.project_id, client.name,
    client.project_name, client.type, client.dual,
    NULL, NULL, NULL, NULL, NULL,
    service_scopes.scope
FROM change_counter
JOIN client ON 1 = 1
JOIN project_services ON project_services.project_id = client.project_id
    AND project_services.environment = client.name AND project_services.status = 'APPROVED'
JOIN services ON services.id = project_services.service_id AND services.status = 'LIVE'
JOIN service_environments ON service_environments.service_id = services.id
    AND service_environments.environment = client.name
JOIN service_scopes ON service_scopes.service_id = services.id
"""

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
class ClientKey:
    """A signing key of a client, as far as choosing among them needs it. `key_algorithm` is RSA-2048, EC-P256, ..."""

    key_id: str
    status: Status
    not_before: datetime
    not_after: datetime
    key_algorithm: str


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """What a client id stands for: one environment of a project. `keys` are those that are not revoked, expired ones
    among them; `scopes` those of the services that it may call."""

    client_id: str
    organization_id: str
    project_id: str
    project_name: str
    environment: EnvironmentName
    project_type: ProjectType
    dual: bool
    keys: tuple[ClientKey, ...]
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class ClientSnapshot:
    """A client as it was at a number; or that there is none, or none any more."""

    number: ChangeNumber
    record: ClientRecord | None


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


def client_snapshot(rows: Rows) -> ClientSnapshot:
    number, client_id = rows[0][:2]
    if client_id is None:
        return ClientSnapshot(number, None)
    keys = tuple(_client_key(row) for row in rows if row[8] is not None)
    scopes = frozenset(row[13] for row in rows if row[13] is not None)
    return ClientSnapshot(number, _client(rows[0], keys, scopes))


def token_key_snapshot(rows: Rows) -> TokenKeySnapshot:
    return TokenKeySnapshot(rows[0][0], tuple(_signing_key(row) for row in rows if row[1] is not None))


def introspector_snapshot(rows: Rows) -> IntrospectorSnapshot:
    servers = (Introspector(row[1], EnvironmentName(row[2]), row[3], row[4]) for row in rows if row[1] is not None)
    return IntrospectorSnapshot(rows[0][0], tuple(servers))


def revocation_snapshot(rows: Rows) -> RevocationSnapshot:
    return RevocationSnapshot(rows[0][0], {row[1]: at_micros(row[2]) for row in rows if row[1] is not None})


def _client(row: tuple[Any, ...], keys: tuple[ClientKey, ...], scopes: frozenset[str]) -> ClientRecord:
    return ClientRecord(
        client_id=row[1],
        organization_id=row[2],
        project_id=row[3],
        environment=EnvironmentName(row[4]),
        project_name=row[5],
        project_type=ProjectType(row[6]),
        dual=bool(row[7]),
        keys=keys,
        scopes=scopes,
    )


def _client_key(row: tuple[Any, ...]) -> ClientKey:
    return ClientKey(row[8], Status(row[9]), at_micros(row[10]), at_micros(row[11]), row[12])


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

"""Keys that sign tokens. Their private halves are wrapped, and only the gate's `lookup` reads them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from credenza.domain.model import PLATFORM, EnvironmentName
from credenza.domain.token_keys import IssuerKind, TokenKey
from credenza.store.schema import service_environments, token_keys
from credenza.store.upsert import insert_if_absent

_COLUMNS = (
    token_keys.c.kid,
    token_keys.c.environment,
    token_keys.c.issuer,
    token_keys.c.generation,
    token_keys.c.algorithm,
    token_keys.c.public_jwk,
    token_keys.c.published_at,
    token_keys.c.signs_from,
    token_keys.c.signs_until,
    token_keys.c.published_until,
    token_keys.c.retired_at,
)


def insert_key(connection: Connection, key: TokenKey, *, wrapped_private_key: bytes) -> bool:
    """Insert a key unless another node was first with its generation; say whether it was inserted."""
    row = {
        "organization_id": PLATFORM,
        "kid": key.kid,
        "environment": key.environment,
        "issuer": key.issuer,
        "generation": key.generation,
        "algorithm": key.algorithm,
        "public_jwk": key.public_jwk,
        "wrapped_private_key": wrapped_private_key,
        "published_at": key.published_at,
        "signs_from": key.signs_from,
    }
    return insert_if_absent(connection, token_keys, row)


def list_line(connection: Connection, environment: EnvironmentName, issuer: IssuerKind) -> tuple[TokenKey, ...]:
    """List the keys of one issuer, the oldest first; held to the commit, so that one actor at a time changes them."""
    query = select(*_COLUMNS).where(token_keys.c.environment == environment, token_keys.c.issuer == issuer)
    rows = connection.execute(query.order_by(token_keys.c.generation).with_for_update())
    return tuple(map(_key, rows))


def list_all(connection: Connection) -> tuple[TokenKey, ...]:
    """List every key, the newest of each issuer first."""
    order = (token_keys.c.environment.desc(), token_keys.c.issuer, token_keys.c.generation.desc())
    return tuple(map(_key, connection.execute(select(*_COLUMNS).order_by(*order))))


def environments_with_payload_rules(connection: Connection) -> tuple[EnvironmentName, ...]:
    """List where some service has rules of payloads, which may want answers signed."""
    environment = service_environments.c.environment
    query = select(environment).where(service_environments.c.payload_rules.is_not(None)).distinct()
    return tuple(sorted(map(EnvironmentName, connection.scalars(query))))


def find(connection: Connection, kid: str) -> TokenKey | None:
    row = connection.execute(select(*_COLUMNS).where(token_keys.c.kid == kid)).one_or_none()
    return None if row is None else _key(row)


def set_times(connection: Connection, key: TokenKey) -> None:
    """Store when a key signs, ends and was retired."""
    connection.execute(
        update(token_keys)
        .where(token_keys.c.kid == key.kid)
        .values(
            signs_from=key.signs_from,
            signs_until=key.signs_until,
            published_until=key.published_until,
            retired_at=key.retired_at,
        )
    )


def delete_gone(connection: Connection, *, now: datetime) -> int:
    """Delete keys that nobody needs any more. Retired ones stay: a restored backup must not bring them back."""
    gone = token_keys.c.published_until <= now
    return connection.execute(delete(token_keys).where(gone, token_keys.c.retired_at.is_(None))).rowcount


def _key(row: Row[*tuple[Any, ...]]) -> TokenKey:
    return TokenKey(
        kid=row.kid,
        environment=EnvironmentName(row.environment),
        issuer=IssuerKind(row.issuer),
        generation=row.generation,
        algorithm=row.algorithm,
        public_jwk=row.public_jwk,
        published_at=row.published_at,
        signs_from=row.signs_from,
        signs_until=row.signs_until,
        published_until=row.published_until,
        retired_at=row.retired_at,
    )

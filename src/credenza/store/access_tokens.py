"""Personal access tokens (hashed)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from credenza.domain.model import OrganizationId, UserId
from credenza.store.prepared import Prepared
from credenza.store.schema import access_tokens, memberships, users


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A personal access token without its secret. `prefix` is enough to recognise it."""

    id: str
    organization_id: OrganizationId
    user_id: UserId
    name: str
    prefix: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


_COLUMNS = (
    access_tokens.c.id,
    access_tokens.c.organization_id,
    access_tokens.c.user_id,
    access_tokens.c.name,
    access_tokens.c.prefix,
    access_tokens.c.scopes,
    access_tokens.c.created_at,
    access_tokens.c.expires_at,
    access_tokens.c.revoked_at,
)

_USABLE = Prepared(
    select(*_COLUMNS)
    .join(users, users.c.id == access_tokens.c.user_id)
    .join(
        memberships,
        (memberships.c.user_id == access_tokens.c.user_id)
        & (memberships.c.organization_id == access_tokens.c.organization_id),
    )
    .where(
        access_tokens.c.token_hash == bindparam("of_hash"),
        access_tokens.c.revoked_at.is_(None),
        access_tokens.c.expires_at > bindparam("now"),
        users.c.disabled_at.is_(None),
    )
)


def insert_token(connection: Connection, token: AccessToken, *, token_hash: str) -> None:
    connection.execute(
        insert(access_tokens).values(
            organization_id=token.organization_id,
            id=token.id,
            user_id=token.user_id,
            name=token.name,
            prefix=token.prefix,
            token_hash=token_hash,
            scopes=json.dumps(sorted(token.scopes)),
            created_at=token.created_at,
            expires_at=token.expires_at,
            revoked_at=None,
        )
    )


def find_usable(connection: Connection, token_hash: str, *, now: datetime) -> AccessToken | None:
    """Find a token that is neither revoked nor expired, of an enabled user who is still a member."""
    row = _USABLE.first(connection, {"of_hash": token_hash, "now": now})
    return None if row is None else _token(row)


def list_of_user(
    connection: Connection, organization_id: OrganizationId, user_id: UserId | None
) -> tuple[AccessToken, ...]:
    query = select(*_COLUMNS).where(access_tokens.c.organization_id == organization_id)
    if user_id is not None:
        query = query.where(access_tokens.c.user_id == user_id)
    return tuple(map(_token, connection.execute(query.order_by(access_tokens.c.created_at))))


def find(connection: Connection, organization_id: OrganizationId, token_id: str) -> AccessToken | None:
    query = select(*_COLUMNS).where(access_tokens.c.organization_id == organization_id, access_tokens.c.id == token_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _token(row)


def mark_revoked(connection: Connection, token_id: str, *, now: datetime) -> None:
    connection.execute(
        update(access_tokens)
        .where(access_tokens.c.id == token_id, access_tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def _token(row: Row[*tuple[Any, ...]]) -> AccessToken:
    return AccessToken(
        id=row.id,
        organization_id=OrganizationId(row.organization_id),
        user_id=UserId(row.user_id),
        name=row.name,
        prefix=row.prefix,
        scopes=frozenset(json.loads(row.scopes)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )

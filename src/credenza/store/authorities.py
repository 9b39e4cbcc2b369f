"""Our own certificate authorities, and those above them.

An environment has one issuing authority that signs, at most one that comes next, and any number that are retired. What
stands above an imported one is kept as retired roots: it signs nothing here, and chains are built from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from credenza.domain.model import PLATFORM, AuthorityId, EnvironmentName
from credenza.store.certificates import AuthorityRole
from credenza.store.prepared import Prepared
from credenza.store.schema import authorities
from credenza.store.upsert import insert_if_absent


@dataclass(frozen=True, slots=True)
class Authority:
    """Its private key is wrapped by the key-encryption key, or in a PKCS#11 token at `key_uri`, or nowhere near."""

    id: AuthorityId
    environment: EnvironmentName
    role: AuthorityRole
    parent_id: AuthorityId | None
    certificate_der: bytes = field(repr=False)
    wrapped_private_key: bytes = field(repr=False)
    key_uri: str
    created_at: datetime
    signs_from: datetime | None
    retired_at: datetime | None

    @property
    def has_key(self) -> bool:
        return bool(self.wrapped_private_key or self.key_uri)

    @property
    def signs(self) -> bool:
        return self.signs_from is not None and self.retired_at is None


_COLUMNS = (
    authorities.c.id,
    authorities.c.environment,
    authorities.c.role,
    authorities.c.parent_id,
    authorities.c.certificate_der,
    authorities.c.wrapped_private_key,
    authorities.c.key_uri,
    authorities.c.created_at,
    authorities.c.signs_from,
    authorities.c.retired_at,
)
_BY_ID = Prepared(select(*_COLUMNS).where(authorities.c.id == bindparam("of_id")))
_UNRETIRED = select(*_COLUMNS).where(
    authorities.c.environment == bindparam("of_environment"),
    authorities.c.role == bindparam("of_role"),
    authorities.c.retired_at.is_(None),
)
_SIGNING = Prepared(_UNRETIRED.where(authorities.c.signs_from.is_not(None)))
_NEXT = Prepared(_UNRETIRED.where(authorities.c.signs_from.is_(None)))
_ORDER = (authorities.c.environment.desc(), authorities.c.role.desc(), authorities.c.created_at, authorities.c.id)


def insert_authority(connection: Connection, authority: Authority) -> bool:
    """Insert it unless the environment already has one in its place: signing, or next; say whether it was inserted."""
    row = {
        "organization_id": PLATFORM,
        "id": authority.id,
        "environment": authority.environment,
        "role": authority.role,
        "parent_id": authority.parent_id,
        "certificate_der": authority.certificate_der,
        "wrapped_private_key": authority.wrapped_private_key,
        "key_uri": authority.key_uri,
        "created_at": authority.created_at,
        "signs_from": authority.signs_from,
        "retired_at": authority.retired_at,
    }
    return insert_if_absent(connection, authorities, row)


def find(connection: Connection, authority_id: str) -> Authority | None:
    return _only(_BY_ID.first(connection, {"of_id": authority_id}))


def find_signing(connection: Connection, environment: EnvironmentName, role: AuthorityRole) -> Authority | None:
    return _only(_SIGNING.first(connection, {"of_environment": environment, "of_role": role}))


def find_next(connection: Connection, environment: EnvironmentName, role: AuthorityRole) -> Authority | None:
    return _only(_NEXT.first(connection, {"of_environment": environment, "of_role": role}))


def list_all(connection: Connection) -> tuple[Authority, ...]:
    """List every authority: by environment, the issuing ones after the roots, the oldest first."""
    return tuple(map(_authority, connection.execute(select(*_COLUMNS).order_by(*_ORDER))))


def lock(connection: Connection, environment: EnvironmentName) -> None:
    """Hold the authorities of an environment to the commit, so that one actor at a time changes them."""
    connection.execute(select(authorities.c.id).where(authorities.c.environment == environment).with_for_update())


def mark_signing(connection: Connection, authority_id: AuthorityId, *, now: datetime) -> None:
    """Let the next one sign. The one before it must be retired first."""
    connection.execute(update(authorities).where(authorities.c.id == authority_id).values(signs_from=now))


def mark_retired(connection: Connection, authority_id: AuthorityId, *, now: datetime) -> None:
    connection.execute(update(authorities).where(authorities.c.id == authority_id).values(retired_at=now))


def _only(row: Row[*tuple[Any, ...]] | None) -> Authority | None:
    return None if row is None else _authority(row)


def _authority(row: Row[*tuple[Any, ...]]) -> Authority:
    return Authority(
        id=AuthorityId(row.id),
        environment=EnvironmentName(row.environment),
        role=AuthorityRole(row.role),
        parent_id=row.parent_id,
        certificate_der=row.certificate_der,
        wrapped_private_key=row.wrapped_private_key,
        key_uri=row.key_uri,
        created_at=row.created_at,
        signs_from=row.signs_from,
        retired_at=row.retired_at,
    )

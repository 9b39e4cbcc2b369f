"""Passkeys: the public halves of keys that people sign in with, and how often each says it was used."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from credenza.domain.model import PLATFORM, UserId
from credenza.store.schema import identities, passkeys, passwords, users
from credenza.store.upsert import insert_if_absent


@dataclass(frozen=True, slots=True)
class Passkey:
    """`credential_id` is the authenticator's name for it, `name` the person's. `public_key` is a COSE key."""

    id: str
    user_id: UserId
    credential_id: bytes
    public_key: bytes = field(repr=False)
    sign_count: int
    name: str
    created_at: datetime
    last_used_at: datetime | None


_COLUMNS = (
    passkeys.c.id,
    passkeys.c.user_id,
    passkeys.c.credential_id,
    passkeys.c.public_key,
    passkeys.c.sign_count,
    passkeys.c.name,
    passkeys.c.created_at,
    passkeys.c.last_used_at,
)


def insert_passkey(connection: Connection, passkey: Passkey) -> bool:
    """Insert it unless somebody has registered it before; say whether it was inserted."""
    row = {
        "organization_id": PLATFORM,
        "id": passkey.id,
        "user_id": passkey.user_id,
        "credential_id": passkey.credential_id,
        "public_key": passkey.public_key,
        "sign_count": passkey.sign_count,
        "name": passkey.name,
        "created_at": passkey.created_at,
        "last_used_at": passkey.last_used_at,
    }
    return insert_if_absent(connection, passkeys, row)


def list_of_user(connection: Connection, user_id: UserId) -> tuple[Passkey, ...]:
    query = select(*_COLUMNS).where(passkeys.c.user_id == user_id).order_by(passkeys.c.created_at, passkeys.c.id)
    return tuple(map(_passkey, connection.execute(query)))


def find(connection: Connection, user_id: UserId, passkey_id: str) -> Passkey | None:
    query = select(*_COLUMNS).where(passkeys.c.user_id == user_id, passkeys.c.id == passkey_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _passkey(row)


def find_by_credential_id(connection: Connection, credential_id: bytes) -> Passkey | None:
    row = connection.execute(select(*_COLUMNS).where(passkeys.c.credential_id == credential_id)).one_or_none()
    return None if row is None else _passkey(row)


def mark_used(connection: Connection, passkey_id: str, *, sign_count: int, now: datetime) -> bool:
    """Keep the counter of this use, and say whether it went forward. Authenticators that do not count say 0 always."""
    forward = passkeys.c.sign_count < sign_count if sign_count else passkeys.c.sign_count == 0
    statement = update(passkeys).where(passkeys.c.id == passkey_id, forward)
    return connection.execute(statement.values(sign_count=sign_count, last_used_at=now)).rowcount == 1


def rename(connection: Connection, passkey_id: str, name: str) -> None:
    connection.execute(update(passkeys).where(passkeys.c.id == passkey_id).values(name=name))


def delete_passkey(connection: Connection, passkey_id: str) -> None:
    connection.execute(delete(passkeys).where(passkeys.c.id == passkey_id))


def lock_ways_in(connection: Connection, user_id: UserId) -> None:
    """Hold the user's row to the commit: passkeys come and go one at a time."""
    connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update()).one_or_none()


def has_another_way_in(connection: Connection, user_id: UserId, *, but_passkey: str = "", but_issuer: str = "") -> bool:
    """Say whether the user can sign in without this passkey or provider: by another one, or a password."""
    ways = (
        select(passkeys.c.id).where(passkeys.c.user_id == user_id, passkeys.c.id != but_passkey),
        select(passwords.c.user_id).where(passwords.c.user_id == user_id),
        select(identities.c.user_id).where(identities.c.user_id == user_id, identities.c.issuer != but_issuer),
    )
    return any(connection.execute(way.limit(1)).one_or_none() is not None for way in ways)


def _passkey(row: Row[*tuple[Any, ...]]) -> Passkey:
    return Passkey(
        id=row.id,
        user_id=UserId(row.user_id),
        credential_id=row.credential_id,
        public_key=row.public_key,
        sign_count=row.sign_count,
        name=row.name,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )

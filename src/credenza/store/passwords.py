"""Passwords of people, as slow hashes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select, update

from credenza.domain.model import PLATFORM, UserId
from credenza.store.schema import passwords
from credenza.store.upsert import insert_into


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """`stands_alone`: it is long enough to be the only proof."""

    hash: str = field(repr=False)
    stands_alone: bool
    changed_at: datetime


def find(connection: Connection, user_id: UserId) -> StoredPassword | None:
    query = select(passwords.c.hash, passwords.c.stands_alone, passwords.c.changed_at)
    row = connection.execute(query.where(passwords.c.user_id == user_id)).one_or_none()
    return None if row is None else StoredPassword(row.hash, row.stands_alone, row.changed_at)


def put(connection: Connection, user_id: UserId, password: StoredPassword) -> None:
    """Store a user's password in the place of an earlier one."""
    row = {"hash": password.hash, "stands_alone": password.stands_alone, "changed_at": password.changed_at}
    statement = insert_into(connection, passwords).values(organization_id=PLATFORM, user_id=user_id, **row)
    connection.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=row))


def replace_hash(connection: Connection, user_id: UserId, *, old: str, new: str) -> None:
    """Store another hash of the same password, unless the password was changed meanwhile."""
    connection.execute(
        update(passwords).where(passwords.c.user_id == user_id, passwords.c.hash == old).values(hash=new)
    )

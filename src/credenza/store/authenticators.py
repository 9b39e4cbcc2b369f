"""Time-based codes (RFC 6238), one secret a user, and the recovery codes that stand in for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from credenza.domain.model import PLATFORM, UserId
from credenza.store.schema import authenticators, recovery_codes
from credenza.store.upsert import insert_into


@dataclass(frozen=True, slots=True)
class Authenticator:
    """`last_step` is the newest time step whose code was used. It counts as a second factor once it is confirmed."""

    wrapped_secret: bytes = field(repr=False)
    last_step: int
    confirmed_at: datetime | None


def find(connection: Connection, user_id: UserId) -> Authenticator | None:
    query = select(authenticators.c.wrapped_secret, authenticators.c.last_step, authenticators.c.confirmed_at)
    row = connection.execute(query.where(authenticators.c.user_id == user_id)).one_or_none()
    return None if row is None else Authenticator(row.wrapped_secret, row.last_step, row.confirmed_at)


def put_unconfirmed(connection: Connection, user_id: UserId, wrapped_secret: bytes, *, now: datetime) -> bool:
    """Store a new secret, in the place of one that was never confirmed; say whether there is none confirmed."""
    row = {"wrapped_secret": wrapped_secret, "last_step": 0, "created_at": now}
    statement = insert_into(connection, authenticators).values(organization_id=PLATFORM, user_id=user_id, **row)
    statement = statement.on_conflict_do_update(
        index_elements=["user_id"], set_=row, where=authenticators.c.confirmed_at.is_(None)
    )
    return connection.execute(statement.returning(authenticators.c.user_id)).one_or_none() is not None


def confirm(connection: Connection, user_id: UserId, *, step: int, now: datetime) -> bool:
    """Let it count from now on; say whether it did not already."""
    statement = update(authenticators).where(
        authenticators.c.user_id == user_id, authenticators.c.confirmed_at.is_(None)
    )
    return connection.execute(statement.values(confirmed_at=now, last_step=step)).rowcount == 1


def use_step(connection: Connection, user_id: UserId, step: int) -> bool:
    """Use up a time step and all before it; say whether it was still good."""
    statement = update(authenticators).where(authenticators.c.user_id == user_id, authenticators.c.last_step < step)
    return connection.execute(statement.values(last_step=step)).rowcount == 1


def delete_all(connection: Connection, user_id: UserId) -> bool:
    """Delete the secret and the recovery codes; say whether there was a secret."""
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    return connection.execute(delete(authenticators).where(authenticators.c.user_id == user_id)).rowcount == 1


def replace_recovery_codes(connection: Connection, user_id: UserId, hashes: Iterable[str]) -> None:
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    rows = [{"organization_id": PLATFORM, "user_id": user_id, "code_hash": each} for each in hashes]
    connection.execute(insert(recovery_codes), rows)


def use_recovery_code(connection: Connection, user_id: UserId, code_hash: str, *, now: datetime) -> bool:
    """Use up a recovery code; say whether it was still good."""
    statement = update(recovery_codes).where(
        recovery_codes.c.user_id == user_id, recovery_codes.c.code_hash == code_hash, recovery_codes.c.used_at.is_(None)
    )
    return connection.execute(statement.values(used_at=now)).rowcount == 1


def count_recovery_codes(connection: Connection, user_id: UserId) -> int:
    """Count those that are still good."""
    query = select(func.count()).where(recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None))
    return int(connection.execute(query).scalar_one())

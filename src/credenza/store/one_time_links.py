"""One-time links, found by the hash of their token: each is good once, for one purpose, until its time is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, delete, func, insert, select, update

from credenza.domain.model import PLATFORM, UserId
from credenza.store.schema import one_time_links


class Purpose(StrEnum):
    """SECOND_FACTOR stands for a right password that waits for the code."""

    FIRST_ADMIN = "first-admin"
    SECOND_FACTOR = "second-factor"
    PASSWORD_RESET = "password-reset"
    SIGN_IN = "sign-in"


@dataclass(frozen=True, slots=True)
class Link:
    """Whose it is, None for the first admin's, and whether it can still be used."""

    user_id: UserId | None
    expires_at: datetime
    used: bool


def insert_link(
    connection: Connection, token_hash: str, purpose: Purpose, user_id: UserId | None, *, expires_at: datetime
) -> None:
    connection.execute(
        insert(one_time_links).values(
            organization_id=PLATFORM,
            token_hash=token_hash,
            purpose=purpose,
            user_id=user_id,
            expires_at=expires_at,
            used_at=None,
        )
    )


def find(connection: Connection, token_hash: str, purpose: Purpose) -> Link | None:
    """Find a link, used and too old ones included."""
    query = select(one_time_links.c.user_id, one_time_links.c.expires_at, one_time_links.c.used_at)
    query = query.where(one_time_links.c.token_hash == token_hash, one_time_links.c.purpose == purpose)
    row = connection.execute(query).one_or_none()
    return None if row is None else Link(row.user_id, row.expires_at, row.used_at is not None)


def hold(connection: Connection, purpose: Purpose) -> None:
    """Let nobody else use a link of this purpose to the end of the transaction."""
    links = select(one_time_links.c.token_hash).where(one_time_links.c.purpose == purpose)
    connection.execute(links.order_by(one_time_links.c.token_hash).with_for_update()).all()


def use(connection: Connection, token_hash: str, purpose: Purpose, *, now: datetime) -> bool:
    """Use up a link; say whether it was still good."""
    statement = update(one_time_links).where(
        one_time_links.c.token_hash == token_hash,
        one_time_links.c.purpose == purpose,
        one_time_links.c.used_at.is_(None),
        one_time_links.c.expires_at > now,
    )
    return connection.execute(statement.values(used_at=now)).rowcount == 1


def use_all(connection: Connection, user_id: UserId, *, now: datetime) -> None:
    """Use up whatever links a user has."""
    statement = update(one_time_links).where(one_time_links.c.user_id == user_id, one_time_links.c.used_at.is_(None))
    connection.execute(statement.values(used_at=now))


def count_expiring_after(connection: Connection, user_id: UserId, purpose: Purpose, after: datetime) -> int:
    """Count a user's links by their end, used ones included: links of one purpose live equally long."""
    query = select(func.count()).where(
        one_time_links.c.user_id == user_id, one_time_links.c.purpose == purpose, one_time_links.c.expires_at > after
    )
    return int(connection.execute(query).scalar_one())


def delete_expired(connection: Connection, *, before: datetime) -> int:
    return connection.execute(delete(one_time_links).where(one_time_links.c.expires_at <= before)).rowcount

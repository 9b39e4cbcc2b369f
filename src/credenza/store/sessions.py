"""Sign-ins: one row per browser, found by the hash of its token."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from credenza.domain.model import PLATFORM, Session, SignInMethod, User, UserId
from credenza.store.schema import sessions, users

_COLUMNS = (
    sessions.c.id,
    sessions.c.method,
    sessions.c.address,
    sessions.c.user_agent,
    sessions.c.created_at,
    sessions.c.last_seen_at,
    sessions.c.proven_at,
    sessions.c.expires_at,
    users.c.id.label("user_id"),
    users.c.email,
    users.c.name,
    users.c.created_at.label("user_created_at"),
)


def insert_session(connection: Connection, session: Session, *, token_hash: str) -> None:
    connection.execute(
        insert(sessions).values(
            organization_id=PLATFORM,
            id=session.id,
            token_hash=token_hash,
            user_id=session.user.id,
            method=session.method,
            address=session.address,
            user_agent=session.user_agent,
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            proven_at=session.proven_at,
            expires_at=session.expires_at,
            ended_at=None,
        )
    )


def find_by_token(connection: Connection, token_hash: str) -> Session | None:
    """Find a session that has not ended, of an enabled user. Whether it is still live is the caller's to judge."""
    row = connection.execute(_open().where(sessions.c.token_hash == token_hash)).one_or_none()
    return None if row is None else _session(row)


def find(connection: Connection, user_id: UserId, session_id: str) -> Session | None:
    query = _open().where(sessions.c.id == session_id, sessions.c.user_id == user_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _session(row)


def list_of_user(connection: Connection, user_id: UserId, *, now: datetime) -> tuple[Session, ...]:
    """List the user's open sessions, the one seen last first."""
    query = _open().where(sessions.c.user_id == user_id, sessions.c.expires_at > now)
    return tuple(map(_session, connection.execute(query.order_by(sessions.c.last_seen_at.desc(), sessions.c.id))))


def mark_seen(connection: Connection, session_id: str, *, now: datetime) -> None:
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(last_seen_at=now))


def mark_proven(connection: Connection, session_id: str, *, token_hash: str, now: datetime) -> None:
    """Note a new proof of who it is. The token changes with it (ASVS 7.2.4)."""
    statement = update(sessions).where(sessions.c.id == session_id)
    connection.execute(statement.values(token_hash=token_hash, proven_at=now, last_seen_at=now))


def mark_ended(connection: Connection, session_id: str, *, now: datetime) -> None:
    statement = update(sessions).where(sessions.c.id == session_id, sessions.c.ended_at.is_(None))
    connection.execute(statement.values(ended_at=now))


def mark_all_ended(connection: Connection, user_id: UserId, *, but: str = "", now: datetime) -> int:
    """End all sessions of a user but one; say how many."""
    statement = update(sessions).where(
        sessions.c.user_id == user_id, sessions.c.id != but, sessions.c.ended_at.is_(None)
    )
    return connection.execute(statement.values(ended_at=now)).rowcount


def delete_expired(connection: Connection, *, before: datetime) -> int:
    return connection.execute(delete(sessions).where(sessions.c.expires_at <= before)).rowcount


def _open() -> Any:
    return (
        select(*_COLUMNS)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.ended_at.is_(None), users.c.disabled_at.is_(None))
    )


def _session(row: Row[*tuple[Any, ...]]) -> Session:
    return Session(
        id=row.id,
        user=User(UserId(row.user_id), row.email, row.name, row.user_created_at, None),
        method=SignInMethod(row.method),
        address=row.address,
        user_agent=row.user_agent,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        proven_at=row.proven_at,
        expires_at=row.expires_at,
    )

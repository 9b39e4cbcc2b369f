"""Calendar feeds: who looks at which organization through a URL that nobody can guess."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from credenza.domain.model import OrganizationId, UserId
from credenza.store.schema import calendar_feeds


@dataclass(frozen=True, slots=True)
class CalendarFeed:
    id: str
    organization_id: OrganizationId
    user_id: UserId
    created_at: datetime


_COLUMNS = (
    calendar_feeds.c.id,
    calendar_feeds.c.organization_id,
    calendar_feeds.c.user_id,
    calendar_feeds.c.created_at,
)
_LIVE = calendar_feeds.c.revoked_at.is_(None)


def insert_feed(connection: Connection, feed: CalendarFeed, *, token_hash: str) -> None:
    row = {each.name: getattr(feed, each.name) for each in _COLUMNS}
    connection.execute(insert(calendar_feeds).values(**row, token_hash=token_hash))


def find_by_token(connection: Connection, token_hash: str) -> CalendarFeed | None:
    row = connection.execute(select(*_COLUMNS).where(calendar_feeds.c.token_hash == token_hash, _LIVE)).one_or_none()
    return None if row is None else _feed(row)


def list_of_user(
    connection: Connection, organization_id: OrganizationId, user_id: UserId | None
) -> tuple[CalendarFeed, ...]:
    """List a user's feeds, or everybody's."""
    query = select(*_COLUMNS).where(calendar_feeds.c.organization_id == organization_id, _LIVE)
    if user_id is not None:
        query = query.where(calendar_feeds.c.user_id == user_id)
    return tuple(map(_feed, connection.execute(query.order_by(calendar_feeds.c.created_at, calendar_feeds.c.id))))


def mark_revoked(connection: Connection, feed_id: str, *, now: datetime) -> None:
    connection.execute(update(calendar_feeds).where(calendar_feeds.c.id == feed_id, _LIVE).values(revoked_at=now))


def _feed(row: Row[*tuple[Any, ...]]) -> CalendarFeed:
    return CalendarFeed(row.id, OrganizationId(row.organization_id), UserId(row.user_id), row.created_at)

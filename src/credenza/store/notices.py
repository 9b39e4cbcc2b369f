"""That a credential's end comes near: said once a credential, end and day of the list; and the inbox it lies in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, or_, select, update

from credenza.domain.model import (
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    ProjectId,
    Status,
    UserId,
)
from credenza.domain.notices import InboxItem, Notice
from credenza.store.schema import credentials, inbox, memberships, notices, organizations, projects
from credenza.store.upsert import insert_if_absent

_NOTICE = (
    notices.c.id,
    notices.c.organization_id,
    notices.c.credential_id,
    notices.c.not_after,
    notices.c.days,
    notices.c.created_at,
)


def insert_notice(connection: Connection, notice: Notice) -> bool:
    """Insert it unless it was said before; say whether it was inserted."""
    return insert_if_absent(connection, notices, {each.name: getattr(notice, each.name) for each in _NOTICE})


def find(connection: Connection, notice_id: str) -> Notice | None:
    row = connection.execute(select(*_NOTICE).where(notices.c.id == notice_id)).one_or_none()
    return None if row is None else _notice(row)


def list_of_credential(connection: Connection, credential_id: CredentialId) -> tuple[Notice, ...]:
    """List what was said of a credential, the latest first."""
    query = select(*_NOTICE).where(notices.c.credential_id == credential_id)
    return tuple(map(_notice, connection.execute(query.order_by(notices.c.created_at.desc(), notices.c.days))))


def insert_into_inboxes(connection: Connection, notice: Notice, user_ids: Sequence[UserId]) -> None:
    if user_ids:
        row = {"organization_id": notice.organization_id, "notice_id": notice.id, "read_at": None}
        connection.execute(insert(inbox), [{**row, "user_id": each} for each in user_ids])


def list_inbox(
    connection: Connection,
    user_id: UserId,
    organization_id: OrganizationId | None,
    *,
    before: Notice | None,
    limit: int,
) -> tuple[InboxItem, ...]:
    """List what lies before a user, the newest first, from the one after `before`: everywhere, or in one organization.
    What an organization said is gone for who has left it."""
    query = _inbox(user_id, organization_id).with_only_columns(
        *_NOTICE,
        organizations.c.name.label("organization"),
        credentials.c.kind,
        credentials.c.alias,
        credentials.c.status,
        credentials.c.not_after.label("ends_at"),
        credentials.c.project_id,
        projects.c.name.label("project"),
        credentials.c.environment,
        inbox.c.read_at,
    )
    if before is not None:
        same = (notices.c.created_at == before.created_at) & (notices.c.id < before.id)
        query = query.where(or_(notices.c.created_at < before.created_at, same))
    query = query.order_by(notices.c.created_at.desc(), notices.c.id.desc()).limit(limit)
    return tuple(map(_item, connection.execute(query)))


def count_unread(connection: Connection, user_id: UserId, organization_id: OrganizationId | None) -> int:
    query = _inbox(user_id, organization_id).where(inbox.c.read_at.is_(None)).with_only_columns(func.count())
    return int(connection.execute(query).scalar_one())


def mark_read(connection: Connection, user_id: UserId, notice_ids: Sequence[str], *, now: datetime) -> int:
    """Mark a user's notices read; say how many were not before."""
    statement = update(inbox).where(
        inbox.c.user_id == user_id, inbox.c.notice_id.in_(notice_ids), inbox.c.read_at.is_(None)
    )
    return connection.execute(statement.values(read_at=now)).rowcount


def mark_all_read(
    connection: Connection, user_id: UserId, organization_id: OrganizationId | None, *, now: datetime
) -> int:
    statement = update(inbox).where(inbox.c.user_id == user_id, inbox.c.read_at.is_(None))
    if organization_id is not None:
        statement = statement.where(inbox.c.organization_id == organization_id)
    return connection.execute(statement.values(read_at=now)).rowcount


def _inbox(user_id: UserId, organization_id: OrganizationId | None) -> Select[*tuple[Any, ...]]:
    places = (
        inbox.join(notices, notices.c.id == inbox.c.notice_id)
        .join(credentials, credentials.c.id == notices.c.credential_id)
        .join(organizations, organizations.c.organization_id == inbox.c.organization_id)
        .join(
            memberships,
            (memberships.c.organization_id == inbox.c.organization_id) & (memberships.c.user_id == inbox.c.user_id),
        )
        .outerjoin(projects, projects.c.id == credentials.c.project_id)
    )
    query = select(notices.c.id).select_from(places).where(inbox.c.user_id == user_id)
    return query if organization_id is None else query.where(inbox.c.organization_id == organization_id)


def _notice(row: Row[*tuple[Any, ...]]) -> Notice:
    return Notice(
        id=row.id,
        organization_id=OrganizationId(row.organization_id),
        credential_id=CredentialId(row.credential_id),
        not_after=row.not_after,
        days=row.days,
        created_at=row.created_at,
    )


def _item(row: Row[*tuple[Any, ...]]) -> InboxItem:
    return InboxItem(
        notice=_notice(row),
        organization=row.organization,
        kind=CredentialKind(row.kind),
        alias=row.alias,
        status=Status(row.status),
        ends_at=row.ends_at,
        project_id=None if row.project_id is None else ProjectId(row.project_id),
        project=row.project or "",
        environment=None if row.environment is None else EnvironmentName(row.environment),
        read_at=row.read_at,
    )

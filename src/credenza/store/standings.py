"""Where an organization stands: how many projects and keys it has, and which successors nobody has taken up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from credenza.domain.expiry import EXPIRING
from credenza.domain.model import SERVICE_KINDS, CredentialId, EnvironmentName, OrganizationId, ProjectId, Status
from credenza.store.schema import credentials, projects

_RECENTLY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Counts:
    """Keys of projects: usable ones, those of them with 90 days or less to go, those that ended in the last 30 days."""

    projects: int
    usable: int
    expiring: int
    ended: int


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key of a project, as a list names it."""

    id: CredentialId
    alias: str
    project_id: ProjectId
    project: str
    environment: EnvironmentName
    created_at: datetime
    speaks_oauth2: bool


_NAMED = (
    credentials.c.id,
    credentials.c.alias,
    credentials.c.project_id,
    projects.c.name,
    credentials.c.environment,
    credentials.c.created_at,
    or_(projects.c.dual, projects.c.type == "OAUTH2_FAPI"),
)


def count(
    connection: Connection, organization_id: OrganizationId, project_ids: Sequence[ProjectId] | None, *, now: datetime
) -> Counts:
    """Count in some projects, or with None in all of them."""
    here = _seen(credentials.c.project_id, project_ids)
    end, active = credentials.c.not_after, credentials.c.status == Status.ACTIVE
    # Nothing stops when a key ends whose place another has taken.
    stands = (credentials.c.status != Status.REVOKED) & credentials.c.inactive_since.is_(None)
    usable = func.coalesce(func.sum(case((and_(active, end >= now), 1), else_=0)), 0)
    expiring = func.coalesce(func.sum(case((and_(active, end >= now, end <= now + EXPIRING), 1), else_=0)), 0)
    ended = func.coalesce(func.sum(case((and_(stands, end < now, end >= now - _RECENTLY), 1), else_=0)), 0)
    row = connection.execute(
        select(usable, expiring, ended).where(credentials.c.organization_id == organization_id, here)
    ).one()
    there = _seen(projects.c.id, project_ids)
    living = select(func.count()).where(
        projects.c.organization_id == organization_id, projects.c.deleted_at.is_(None), there
    )
    return Counts(int(connection.execute(living).scalar_one()), *map(int, row))


def list_successors(
    connection: Connection,
    organization_id: OrganizationId,
    project_ids: Sequence[ProjectId] | None,
    *,
    made_before: datetime,
    limit: int,
    now: datetime,
) -> tuple[NamedKey, ...]:
    """List usable keys that follow another usable one, made before a moment, the oldest first."""
    old = credentials.alias()
    query = (
        select(*_NAMED)
        .join(projects, projects.c.id == credentials.c.project_id)
        .join(old, old.c.id == credentials.c.predecessor_id)
        .where(
            credentials.c.organization_id == organization_id,
            _seen(credentials.c.project_id, project_ids),
            credentials.c.status == Status.ACTIVE,
            credentials.c.not_after >= now,
            credentials.c.created_at <= made_before,
            old.c.status == Status.ACTIVE,
            old.c.not_after >= now,
        )
    )
    rows = connection.execute(query.order_by(credentials.c.created_at, credentials.c.id).limit(limit))
    return tuple(NamedKey(*row) for row in rows)


def name(connection: Connection, credential_ids: Sequence[str]) -> dict[str, NamedKey]:
    """Name what proves who calls, keys and certificates of projects, by their ids; others are missing."""
    query = select(*_NAMED).join(projects, projects.c.id == credentials.c.project_id)
    rows = connection.execute(
        query.where(credentials.c.id.in_(credential_ids), credentials.c.kind.not_in(SERVICE_KINDS))
    )
    return {row[0]: NamedKey(*row) for row in rows}


def _seen(column: ColumnElement[str], project_ids: Sequence[ProjectId] | None) -> ColumnElement[bool]:
    return column.is_not(None) if project_ids is None else column.in_(project_ids)

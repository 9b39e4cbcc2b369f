"""Whom a change of the catalog concerns: credentials with permissions of a service, and projects that use it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, distinct, func, select

from credenza.domain.model import ServiceId, Status
from credenza.store.schema import api_grants, credentials, organizations, project_services, projects

_NAMED = 10


@dataclass(frozen=True, slots=True)
class Holders:
    """How many live API credentials, the names of the first of them with their organizations, and how many projects."""

    credentials: int
    names: tuple[str, ...]
    projects: int


def of_service(connection: Connection, service_id: ServiceId, permissions: Iterable[str], *, now: datetime) -> Holders:
    """Find who was granted any of these permissions; with none named, any at all, and the projects that use it."""
    named = sorted(permissions)
    holds = _holds(service_id, named, now)
    joined = api_grants.join(credentials, credentials.c.id == api_grants.c.credential_id)
    count = connection.execute(select(func.count(distinct(credentials.c.id))).select_from(joined).where(holds))
    first = (
        select(organizations.c.name, credentials.c.alias, credentials.c.environment)
        .select_from(joined.join(organizations, organizations.c.organization_id == credentials.c.organization_id))
        .where(holds)
        .distinct()
        .order_by(organizations.c.name, credentials.c.alias, credentials.c.environment)
        .limit(_NAMED)
    )
    names = tuple(f"{row.alias} ({row.name}, {row.environment})" for row in connection.execute(first))
    return Holders(count.scalar_one(), names, 0 if named else _projects(connection, service_id))


def _holds(service_id: ServiceId, permissions: list[str], now: datetime) -> ColumnElement[bool]:
    holds = (
        (api_grants.c.service_id == service_id)
        & (credentials.c.status != Status.REVOKED)
        & (credentials.c.not_after >= now)
    )
    return holds & api_grants.c.permission.in_(permissions) if permissions else holds


def _projects(connection: Connection, service_id: ServiceId) -> int:
    query = (
        select(func.count(distinct(project_services.c.project_id)))
        .join(projects, projects.c.id == project_services.c.project_id)
        .where(project_services.c.service_id == service_id, projects.c.deleted_at.is_(None))
    )
    return connection.execute(query).scalar_one()

"""Credentials that a restore brought back and nobody has vouched for: INACTIVE until an operator releases them.

A restore that cannot know what was revoked after the backup was made must not let anybody in (R8, threat 24).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from credenza.domain.model import CredentialId, CredentialKind, OrganizationId, ProjectId, Status
from credenza.store.schema import (
    access_tokens,
    credentials,
    enrolment_secrets,
    organizations,
    projects,
    resource_servers,
    token_keys,
)

REASON = "restored from a backup and not released yet"

_other = credentials.alias()
_REPLACED = exists().where(
    credentials.c.kind.in_([CredentialKind.RESPONSE_ENCRYPTION, CredentialKind.REQUEST_SIGNATURE]),
    _other.c.project_id == credentials.c.project_id,
    _other.c.service_id == credentials.c.service_id,
    _other.c.environment == credentials.c.environment,
    _other.c.kind == credentials.c.kind,
    _other.c.status == Status.ACTIVE,
)

_HELD = (credentials.c.status == Status.INACTIVE) & (credentials.c.revoked_reason == REASON)


@dataclass(frozen=True, slots=True)
class Held:
    """A credential in quarantine."""

    id: CredentialId
    organization_id: OrganizationId
    organization: str
    project_id: ProjectId | None
    project: str
    kind: CredentialKind
    alias: str
    not_after: datetime


def impose(connection: Connection, *, now: datetime) -> int:
    """Hold every active credential, end what is replaced (access tokens, enrolment secrets, token keys, resource
    servers), and say how many credentials are held."""
    connection.execute(
        update(credentials)
        .where(credentials.c.status == Status.ACTIVE)
        .values(status=Status.INACTIVE, revoked_reason=REASON)
    )
    connection.execute(update(access_tokens).where(access_tokens.c.revoked_at.is_(None)).values(revoked_at=now))
    unused = enrolment_secrets.c.used_at.is_(None) & enrolment_secrets.c.revoked_at.is_(None)
    connection.execute(update(enrolment_secrets).where(unused).values(revoked_at=now))
    connection.execute(update(resource_servers).where(resource_servers.c.removed_at.is_(None)).values(removed_at=now))
    retired = {"signs_until": now, "published_until": now, "retired_at": now}
    connection.execute(update(token_keys).where(token_keys.c.retired_at.is_(None)).values(retired))
    return count(connection)


def count(connection: Connection) -> int:
    query = select(func.count()).select_from(credentials).where(_HELD)
    return int(connection.execute(query).scalar_one())


def list_held(connection: Connection, among: Collection[CredentialId] | None = None) -> tuple[Held, ...]:
    """List what is held, all of it or some, by organization and project."""
    query = (
        select(
            credentials.c.id,
            credentials.c.organization_id,
            organizations.c.name.label("organization"),
            credentials.c.project_id,
            projects.c.name.label("project"),
            credentials.c.kind,
            credentials.c.alias,
            credentials.c.not_after,
        )
        .join(organizations, organizations.c.organization_id == credentials.c.organization_id)
        .outerjoin(projects, projects.c.id == credentials.c.project_id)
        .where(_HELD, *_among(among))
        .order_by("organization", "project", credentials.c.alias)
    )
    return tuple(
        Held(
            id=CredentialId(row.id),
            organization_id=OrganizationId(row.organization_id),
            organization=row.organization,
            project_id=None if row.project_id is None else ProjectId(row.project_id),
            project=row.project or "",
            kind=CredentialKind(row.kind),
            alias=row.alias,
            not_after=row.not_after,
        )
        for row in connection.execute(query)
    )


def lift(connection: Connection, among: Collection[CredentialId] | None = None, *, now: datetime) -> None:
    """Make what is held active again, all of it or some; but where another took the place of a key of which one is
    active, it stays INACTIVE, and can be activated like any other."""
    statement = update(credentials).where(_HELD, *_among(among))
    connection.execute(statement.where(_REPLACED).values(revoked_reason="", inactive_since=now))
    connection.execute(statement.values(status=Status.ACTIVE, revoked_reason=""))


def _among(ids: Collection[CredentialId] | None) -> tuple[ColumnElement[bool], ...]:
    return () if ids is None else (credentials.c.id.in_(ids),)

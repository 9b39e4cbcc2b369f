"""Secrets that let a device enrol once (hashed)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from credenza.domain.model import EnvironmentName, OrganizationId, ProjectId, UserId
from credenza.store.schema import enrolment_secrets, users


@dataclass(frozen=True, slots=True)
class EnrolmentSecret:
    """What a device may enrol with, without the secret itself. `alias` is what its certificate will be known by. No
    owner means an operator."""

    id: str
    organization_id: OrganizationId
    project_id: ProjectId
    environment: EnvironmentName
    alias: str
    owner_id: UserId | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None

    def is_usable(self, now: datetime) -> bool:
        return self.used_at is None and self.revoked_at is None and now < self.expires_at


_COLUMNS = (
    enrolment_secrets.c.id,
    enrolment_secrets.c.organization_id,
    enrolment_secrets.c.project_id,
    enrolment_secrets.c.environment,
    enrolment_secrets.c.alias,
    enrolment_secrets.c.owner_id,
    enrolment_secrets.c.created_at,
    enrolment_secrets.c.expires_at,
    enrolment_secrets.c.used_at,
    enrolment_secrets.c.revoked_at,
)


def any_made(connection: Connection) -> bool:
    """Whether devices are to enrol on this platform, or have."""
    return connection.execute(select(enrolment_secrets.c.id).limit(1)).first() is not None


def insert_secret(connection: Connection, secret: EnrolmentSecret, *, secret_hash: str) -> None:
    connection.execute(
        insert(enrolment_secrets).values(
            organization_id=secret.organization_id,
            id=secret.id,
            project_id=secret.project_id,
            environment=secret.environment,
            alias=secret.alias,
            secret_hash=secret_hash,
            owner_id=secret.owner_id,
            created_at=secret.created_at,
            expires_at=secret.expires_at,
            used_at=None,
            revoked_at=None,
        )
    )


def find_by_hash(connection: Connection, secret_hash: str) -> EnrolmentSecret | None:
    """Find a secret, whether it can still be used or not; those of a disabled user are not found."""
    query = (
        select(*_COLUMNS)
        .outerjoin(users, users.c.id == enrolment_secrets.c.owner_id)
        .where(
            enrolment_secrets.c.secret_hash == secret_hash,
            or_(enrolment_secrets.c.owner_id.is_(None), users.c.disabled_at.is_(None)),
        )
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _secret(row)


def find(connection: Connection, project_id: ProjectId, secret_id: str) -> EnrolmentSecret | None:
    query = select(*_COLUMNS).where(enrolment_secrets.c.project_id == project_id, enrolment_secrets.c.id == secret_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _secret(row)


def list_latest(connection: Connection, project_id: ProjectId, *, limit: int) -> tuple[EnrolmentSecret, ...]:
    query = select(*_COLUMNS).where(enrolment_secrets.c.project_id == project_id)
    query = query.order_by(enrolment_secrets.c.created_at.desc(), enrolment_secrets.c.id).limit(limit)
    return tuple(map(_secret, connection.execute(query)))


def use(connection: Connection, secret_id: str, *, now: datetime) -> bool:
    """Use a secret up; say whether it was still good."""
    statement = update(enrolment_secrets).where(
        enrolment_secrets.c.id == secret_id,
        enrolment_secrets.c.used_at.is_(None),
        enrolment_secrets.c.revoked_at.is_(None),
        enrolment_secrets.c.expires_at > now,
    )
    return connection.execute(statement.values(used_at=now)).rowcount == 1


def mark_revoked(connection: Connection, secret_id: str, *, now: datetime) -> bool:
    """Revoke a secret; say whether there was anything left to revoke."""
    statement = update(enrolment_secrets).where(
        enrolment_secrets.c.id == secret_id,
        enrolment_secrets.c.used_at.is_(None),
        enrolment_secrets.c.revoked_at.is_(None),
    )
    return connection.execute(statement.values(revoked_at=now)).rowcount == 1


def _secret(row: Row[*tuple[Any, ...]]) -> EnrolmentSecret:
    return EnrolmentSecret(
        id=row.id,
        organization_id=OrganizationId(row.organization_id),
        project_id=ProjectId(row.project_id),
        environment=EnvironmentName(row.environment),
        alias=row.alias,
        owner_id=None if row.owner_id is None else UserId(row.owner_id),
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
    )

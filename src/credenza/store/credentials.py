"""The row that every kind of credential has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import EXPIRING
from credenza.domain.model import (
    Credential,
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    ProjectId,
    Status,
    UserId,
)
from credenza.store.schema import credentials
from credenza.store.upsert import violates

_COLUMNS = (
    credentials.c.id,
    credentials.c.organization_id,
    credentials.c.kind,
    credentials.c.project_id,
    credentials.c.environment,
    credentials.c.client_id,
    credentials.c.alias,
    credentials.c.status,
    credentials.c.key_algorithm,
    credentials.c.public_key_der,
    credentials.c.spki_sha256,
    credentials.c.certificate_der,
    credentials.c.not_before,
    credentials.c.not_after,
    credentials.c.slot,
    credentials.c.owner_id,
    credentials.c.predecessor_id,
    credentials.c.created_at,
    credentials.c.revoked_at,
    credentials.c.revoked_reason,
)


def insert_credential(connection: Connection, credential: Credential) -> None:
    """Insert a credential. Refuses a public key that was ever accepted before."""
    try:
        connection.execute(
            insert(credentials).values(
                organization_id=credential.organization_id,
                id=credential.id,
                kind=credential.kind,
                project_id=credential.project_id,
                environment=credential.environment,
                client_id=credential.client_id,
                alias=credential.alias,
                status=credential.status,
                key_algorithm=credential.key_algorithm,
                public_key_der=credential.public_key_der,
                spki_sha256=credential.spki_sha256,
                certificate_der=credential.certificate_der,
                not_before=credential.not_before,
                not_after=credential.not_after,
                slot=credential.slot,
                owner_id=credential.owner_id,
                predecessor_id=credential.predecessor_id,
                created_at=credential.created_at,
                revoked_at=credential.revoked_at,
                revoked_reason=credential.revoked_reason,
            )
        )
    except IntegrityError as error:
        if violates(error, "uq_credentials_key", credentials.c.spki_sha256):
            raise key_known() from error
        raise


def key_known() -> Refusal:
    # The same words wherever the key is or was: a stranger learns nothing about other people's projects.
    return Refusal(
        Code.DUPLICATE_KEY,
        "This public key is in use or was used before. Make a new key pair and send a request for that one.",
        field="csr",
    )


def is_key_known(connection: Connection, spki_sha256: str) -> bool:
    query = select(credentials.c.id).where(
        credentials.c.spki_sha256 == spki_sha256,
        credentials.c.kind.in_([CredentialKind.SIGNING_KEY, CredentialKind.ACCOUNT_KEY]),
    )
    return connection.execute(query).first() is not None


def find(connection: Connection, credential_id: CredentialId) -> Credential | None:
    row = connection.execute(select(*_COLUMNS).where(credentials.c.id == credential_id)).one_or_none()
    return None if row is None else _credential(row)


def list_of_project(connection: Connection, project_id: ProjectId) -> tuple[Credential, ...]:
    query = select(*_COLUMNS).where(credentials.c.project_id == project_id).order_by(credentials.c.created_at)
    return tuple(map(_credential, connection.execute(query)))


def list_of_projects(
    connection: Connection, project_ids: Sequence[ProjectId]
) -> dict[ProjectId, tuple[Credential, ...]]:
    query = select(*_COLUMNS).where(credentials.c.project_id.in_(project_ids)).order_by(credentials.c.created_at)
    found: dict[ProjectId, tuple[Credential, ...]] = {}
    for credential in map(_credential, connection.execute(query)):
        assert credential.project_id is not None, "selected by its project"
        found[credential.project_id] = (*found.get(credential.project_id, ()), credential)
    return found


def list_page(
    connection: Connection,
    project_id: ProjectId,
    *,
    environment: EnvironmentName | None,
    status: Status | None,
    expiring: bool,
    after: str | None,
    limit: int,
    now: datetime,
) -> tuple[Credential, ...]:
    """List a project's credentials by id from the one after `after`, filtered in the database."""
    query = select(*_COLUMNS).where(credentials.c.project_id == project_id)
    if environment is not None:
        query = query.where(credentials.c.environment == environment)
    if status is Status.EXPIRED:
        query = query.where(credentials.c.status != Status.REVOKED, credentials.c.not_after < now)
    elif status is Status.REVOKED:
        query = query.where(credentials.c.status == status)
    elif status is not None:
        query = query.where(credentials.c.status == status, credentials.c.not_after >= now)
    if expiring:
        query = query.where(
            credentials.c.status == Status.ACTIVE,
            credentials.c.not_after > now,
            credentials.c.not_after <= now + EXPIRING,
        )
    if after is not None:
        query = query.where(credentials.c.id > after)
    return tuple(map(_credential, connection.execute(query.order_by(credentials.c.id).limit(limit))))


def list_account_keys(
    connection: Connection, organization_id: OrganizationId, *, owner_id: UserId | None
) -> tuple[Credential, ...]:
    query = select(*_COLUMNS).where(
        credentials.c.organization_id == organization_id, credentials.c.kind == CredentialKind.ACCOUNT_KEY
    )
    if owner_id is not None:
        query = query.where(credentials.c.owner_id == owner_id)
    return tuple(map(_credential, connection.execute(query.order_by(credentials.c.created_at))))


def free_expired_slots(connection: Connection, project_id: ProjectId, *, now: datetime) -> None:
    """Give back the places of keys that have ended by themselves."""
    connection.execute(
        update(credentials)
        .where(credentials.c.project_id == project_id, credentials.c.slot.is_not(None), credentials.c.not_after < now)
        .values(slot=None)
    )


def taken_slots(connection: Connection, project_id: ProjectId) -> frozenset[int]:
    query = select(credentials.c.slot).where(credentials.c.project_id == project_id, credentials.c.slot.is_not(None))
    return frozenset(connection.execute(query).scalars())


def count_other_active(connection: Connection, credential: Credential, *, now: datetime) -> int:
    """Count the usable credentials of the same kind beside one, in its project and environment."""
    query = (
        select(func.count())
        .select_from(credentials)
        .where(
            credentials.c.project_id == credential.project_id,
            credentials.c.environment == credential.environment,
            credentials.c.kind == credential.kind,
            credentials.c.status == Status.ACTIVE,
            credentials.c.not_after >= now,
            credentials.c.id != credential.id,
        )
    )
    return int(connection.execute(query).scalar_one())


def mark_revoked(connection: Connection, credential_id: CredentialId, *, reason: str, now: datetime) -> None:
    connection.execute(
        update(credentials)
        .where(credentials.c.id == credential_id)
        .values(status=Status.REVOKED, revoked_at=now, revoked_reason=reason, slot=None)
    )


def mark_renewed(
    connection: Connection, credential_id: CredentialId, *, certificate_der: bytes, not_after: datetime
) -> None:
    connection.execute(
        update(credentials)
        .where(credentials.c.id == credential_id, credentials.c.status == Status.ACTIVE)
        .values(certificate_der=certificate_der, not_after=not_after)
    )


def _credential(row: Row[*tuple[Any, ...]]) -> Credential:
    return Credential(
        id=CredentialId(row.id),
        organization_id=OrganizationId(row.organization_id),
        kind=CredentialKind(row.kind),
        project_id=None if row.project_id is None else ProjectId(row.project_id),
        environment=None if row.environment is None else EnvironmentName(row.environment),
        client_id=row.client_id,
        alias=row.alias,
        status=Status(row.status),
        key_algorithm=row.key_algorithm,
        public_key_der=row.public_key_der,
        spki_sha256=row.spki_sha256,
        certificate_der=row.certificate_der,
        not_before=row.not_before,
        not_after=row.not_after,
        slot=row.slot,
        owner_id=None if row.owner_id is None else UserId(row.owner_id),
        predecessor_id=None if row.predecessor_id is None else CredentialId(row.predecessor_id),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        revoked_reason=row.revoked_reason,
    )

"""Service credentials among the others: which is active for a service, and the private keys that are the platform's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from credenza.domain.expiry import EXPIRING
from credenza.domain.lists import ServiceKeyQuery
from credenza.domain.model import (
    SERVICE_KINDS,
    Credential,
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    ProjectId,
    ServiceId,
    Status,
)
from credenza.store.credentials import matching
from credenza.store.schema import credentials, service_private_keys


@dataclass(frozen=True, slots=True)
class Place:
    """Where, of some kinds, one key is active at a time."""

    project_id: ProjectId
    service_id: ServiceId
    environment: EnvironmentName
    kind: CredentialKind


def place_of(credential: Credential) -> Place:
    project_id, service_id, environment = credential.project_id, credential.service_id, credential.environment
    assert project_id is not None, "a service credential belongs to a project"
    assert service_id is not None, "and to a service"
    assert environment is not None, "in an environment"
    return Place(project_id, service_id, environment, credential.kind)


def count_usable(connection: Connection, place: Place, *, but_for: CredentialId | None = None, now: datetime) -> int:
    """Count those at the place that are active and not expired."""
    query = select(func.count()).select_from(credentials).where(*_at(place), _ACTIVE, credentials.c.not_after >= now)
    if but_for is not None:
        query = query.where(credentials.c.id != but_for)
    return int(connection.execute(query).scalar_one())


def is_key_known(connection: Connection, place: Place, spki_sha256: str) -> bool:
    """Say whether a public key is, or was, at the place."""
    query = select(credentials.c.id).where(*_at(place), credentials.c.spki_sha256 == spki_sha256)
    return connection.execute(query.limit(1)).first() is not None


def make_room(connection: Connection, place: Place, *, now: datetime) -> tuple[CredentialId, ...]:
    """Make what is active at the place, expired or not, INACTIVE; say which it was."""
    statement = update(credentials).where(*_at(place), _ACTIVE)
    gone = connection.execute(statement.values(status=Status.INACTIVE, inactive_since=now).returning(credentials.c.id))
    return tuple(CredentialId(each) for each in gone.scalars())


def mark_active(connection: Connection, credential_id: CredentialId) -> None:
    """Make an INACTIVE one active. The place has room: a constraint holds that."""
    statement = update(credentials).where(credentials.c.id == credential_id, credentials.c.status == Status.INACTIVE)
    connection.execute(statement.values(status=Status.ACTIVE, inactive_since=None))


def insert_private_key(
    connection: Connection, organization_id: OrganizationId, credential_id: CredentialId, wrapped: bytes
) -> None:
    row = {"organization_id": organization_id, "credential_id": credential_id, "wrapped_private_key": wrapped}
    connection.execute(insert(service_private_keys).values(row))


def load_private_key(connection: Connection, credential_id: CredentialId) -> bytes:
    """Load the wrapped private key of one that is the platform's."""
    query = select(service_private_keys.c.wrapped_private_key)
    return bytes(connection.execute(query.where(service_private_keys.c.credential_id == credential_id)).scalar_one())


def list_page(
    connection: Connection, project_id: ProjectId, wanted: ServiceKeyQuery, *, now: datetime
) -> tuple[Credential, ...]:
    """List a project's service credentials as `wanted` asks, by id."""
    kinds: Iterable[CredentialKind] = SERVICE_KINDS if wanted.kind is None else [wanted.kind]
    conditions = [credentials.c.project_id == project_id, credentials.c.kind.in_(sorted(kinds))]
    if wanted.service_id is not None:
        conditions.append(credentials.c.service_id == wanted.service_id)
    if wanted.environment is not None:
        conditions.append(credentials.c.environment == wanted.environment)
    if wanted.after is not None:
        conditions.append(credentials.c.id > wanted.after)
    return matching(connection, *conditions, *_in_state(wanted, now=now), limit=wanted.limit)


def _in_state(wanted: ServiceKeyQuery, *, now: datetime) -> list[ColumnElement[bool]]:
    end, found = credentials.c.not_after, list[ColumnElement[bool]]()
    if wanted.status is Status.EXPIRED:
        found += [credentials.c.status != Status.REVOKED, end < now]
    elif wanted.status is Status.REVOKED:
        found += [credentials.c.status == Status.REVOKED]
    elif wanted.status is not None:
        found += [credentials.c.status == wanted.status, end >= now]
    if wanted.expiring:
        found += [credentials.c.status == Status.ACTIVE, end > now, end <= now + EXPIRING]
    return found


_ACTIVE = credentials.c.status == Status.ACTIVE


def _at(place: Place) -> tuple[ColumnElement[bool], ...]:
    return (
        credentials.c.project_id == place.project_id,
        credentials.c.service_id == place.service_id,
        credentials.c.environment == place.environment,
        credentials.c.kind == place.kind,
    )

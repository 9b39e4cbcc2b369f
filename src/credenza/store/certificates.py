"""Certificates and the authorities that issue them. A serial is recorded before anything is signed with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, insert, select, update

from credenza.domain.model import PLATFORM, AuthorityId, CredentialId, EnvironmentName, OrganizationId
from credenza.store.schema import authorities, certificates
from credenza.store.upsert import insert_if_absent


class AuthorityRole(StrEnum):
    ROOT = "ROOT"
    ISSUING = "ISSUING"


@dataclass(frozen=True, slots=True)
class Authority:
    """One of our own certificate authorities; its private key is wrapped by the key-encryption key."""

    id: AuthorityId
    environment: EnvironmentName
    role: AuthorityRole
    parent_id: AuthorityId | None
    certificate_der: bytes
    wrapped_private_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Serial:
    """What stands on record before a signature: which authority certifies what, for whom and how long."""

    authority_id: str
    serial_hex: str
    credential_id: CredentialId
    subject: str
    not_before: datetime
    not_after: datetime


def insert_authority(connection: Connection, authority: Authority, *, now: datetime) -> bool:
    """Insert it unless the environment already has a live one of the role; say whether it was inserted."""
    row = {
        "organization_id": PLATFORM,
        "id": authority.id,
        "environment": authority.environment,
        "role": authority.role,
        "parent_id": authority.parent_id,
        "certificate_der": authority.certificate_der,
        "wrapped_private_key": authority.wrapped_private_key,
        "created_at": now,
        "signs_from": now,
        "retired_at": None,
    }
    return insert_if_absent(connection, authorities, row)


def find_authority(connection: Connection, environment: EnvironmentName, role: AuthorityRole) -> Authority | None:
    query = select(
        authorities.c.id, authorities.c.parent_id, authorities.c.certificate_der, authorities.c.wrapped_private_key
    ).where(
        authorities.c.environment == environment,
        authorities.c.role == role,
        authorities.c.signs_from.is_not(None),
        authorities.c.retired_at.is_(None),
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Authority(
        AuthorityId(row.id), environment, role, row.parent_id, row.certificate_der, row.wrapped_private_key
    )


def reserve(connection: Connection, organization_id: OrganizationId, serial: Serial, *, now: datetime) -> None:
    """Record a serial as about to be signed."""
    row = {
        "organization_id": organization_id,
        "authority_id": serial.authority_id,
        "serial_hex": serial.serial_hex,
        "credential_id": serial.credential_id,
        "state": "RESERVED",
        "subject": serial.subject,
        "not_before": serial.not_before,
        "not_after": serial.not_after,
        "der": None,
        "created_at": now,
    }
    connection.execute(insert(certificates).values(**row))


def mark_issued(connection: Connection, serial: Serial, der: bytes) -> bool:
    """Store the certificate of a reserved serial, once; say whether it was still reserved."""
    statement = update(certificates).where(*_is(serial), certificates.c.state == "RESERVED")
    return connection.execute(statement.values(state="ISSUED", der=der)).rowcount == 1


def mark_abandoned(connection: Connection, serial: Serial) -> None:
    """Record that nothing signed with this serial ever left."""
    connection.execute(
        update(certificates).where(*_is(serial), certificates.c.state == "RESERVED").values(state="ABANDONED")
    )


def _is(serial: Serial) -> tuple[ColumnElement[bool], ...]:
    return (certificates.c.authority_id == serial.authority_id, certificates.c.serial_hex == serial.serial_hex)

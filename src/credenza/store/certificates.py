"""Certificates that our authorities issue. A serial is recorded before anything is signed with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, bindparam, insert, update

from credenza.domain.model import CredentialId, OrganizationId
from credenza.store.prepared import Prepared
from credenza.store.schema import certificates

_INSERT = Prepared(insert(certificates), sets=certificates.c.keys())
_IS_RESERVED = (
    certificates.c.authority_id == bindparam("of_authority"),
    certificates.c.serial_hex == bindparam("of_serial"),
    certificates.c.state == "RESERVED",
)
_MARK_ISSUED = Prepared(update(certificates).where(*_IS_RESERVED), sets=("state", "der"))
_MARK_ABANDONED = Prepared(update(certificates).where(*_IS_RESERVED), sets=("state",))


class AuthorityRole(StrEnum):
    ROOT = "ROOT"
    ISSUING = "ISSUING"


@dataclass(frozen=True, slots=True)
class Serial:
    """What stands on record before a signature: which authority certifies what, for whom and how long."""

    authority_id: str
    serial_hex: str
    credential_id: CredentialId
    subject: str
    not_before: datetime
    not_after: datetime


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
    _INSERT.run(connection, row)


def mark_issued(connection: Connection, serial: Serial, der: bytes) -> bool:
    """Store the certificate of a reserved serial, once; say whether it was still reserved."""
    return _MARK_ISSUED.run(connection, {**_is(serial), "state": "ISSUED", "der": der}) == 1


def mark_abandoned(connection: Connection, serial: Serial) -> None:
    """Record that nothing signed with this serial ever left."""
    _MARK_ABANDONED.run(connection, {**_is(serial), "state": "ABANDONED"})


def _is(serial: Serial) -> dict[str, object]:
    return {"of_authority": serial.authority_id, "of_serial": serial.serial_hex}

"""The revocation list of each authority, and what stands on it.

A number is taken in a transaction before the list is signed, and only the list with the newest number is stored: two
nodes that sign at once never publish one number twice, nor go back.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, or_, select, update

from credenza.domain.model import PLATFORM, AuthorityId, ChangeNumber, Status
from credenza.store.schema import certificates, credentials, revocation_lists
from credenza.store.upsert import insert_into

RESPONDER = "ocsp responder"
"""Stands for a credential in the record of a responder's certificate, which belongs to nobody."""


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A list as it was signed, and what it knows."""

    authority_id: AuthorityId
    number: int
    change_number: ChangeNumber
    entries_sha256: str
    der: bytes = field(repr=False)
    this_update: datetime
    next_update: datetime


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A certificate whose credential is revoked, or held (`revoked_at` is None) after a restore."""

    serial_hex: str
    not_before: datetime
    revoked_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a serial number that was recorded. `status` is None where there is no credential, and INACTIVE
    where it is held."""

    serial_hex: str
    issued: bool
    credential_id: str
    status: Status | None
    revoked_at: datetime | None
    reason: str
    not_before: datetime


def find(connection: Connection, authority_id: str) -> PublishedList | None:
    row = connection.execute(
        select(
            revocation_lists.c.authority_id,
            revocation_lists.c.number,
            revocation_lists.c.change_number,
            revocation_lists.c.entries_sha256,
            revocation_lists.c.der,
            revocation_lists.c.this_update,
            revocation_lists.c.next_update,
        ).where(revocation_lists.c.authority_id == authority_id, revocation_lists.c.der.is_not(None))
    ).one_or_none()
    return None if row is None else PublishedList(*row)


def take_number(connection: Connection, authority_id: AuthorityId, *, now: datetime) -> int:
    """Take the number of the next list: one more than the last, and no less than the seconds since 1970, so that an
    older database that was restored does not go back."""
    floor = int(now.timestamp())
    row = {
        "organization_id": PLATFORM,
        "authority_id": authority_id,
        "number": floor,
        "change_number": 0,
        "entries_sha256": "",
    }
    following = func.greatest if connection.dialect.name == "postgresql" else func.max
    statement = (
        insert_into(connection, revocation_lists)
        .values(**row)
        .on_conflict_do_update(
            index_elements=["authority_id"], set_={"number": following(revocation_lists.c.number + 1, floor)}
        )
        .returning(revocation_lists.c.number)
    )
    return int(connection.execute(statement).scalar_one())


def publish(connection: Connection, made: PublishedList) -> bool:
    """Store a list unless a later number was taken; say whether it was stored."""
    statement = (
        update(revocation_lists)
        .where(
            revocation_lists.c.authority_id == made.authority_id,
            revocation_lists.c.number == made.number,
        )
        .values(
            change_number=made.change_number,
            entries_sha256=made.entries_sha256,
            der=made.der,
            this_update=made.this_update,
            next_update=made.next_update,
        )
    )
    return connection.execute(statement).rowcount == 1


def note_unchanged(connection: Connection, authority_id: AuthorityId, number: ChangeNumber) -> None:
    """Note that nothing up to this change concerns the list."""
    connection.execute(
        update(revocation_lists).where(revocation_lists.c.authority_id == authority_id).values(change_number=number)
    )


def withdrawn(connection: Connection, authority_id: AuthorityId, *, ended_after: datetime) -> tuple[Withdrawn, ...]:
    """List the certificates of an authority that are not good any more and end later, by serial number."""
    query = (
        select(
            certificates.c.serial_hex,
            certificates.c.not_before,
            credentials.c.revoked_at,
            credentials.c.revoked_reason,
        )
        .join_from(certificates, credentials, credentials.c.id == certificates.c.credential_id)
        .where(
            certificates.c.authority_id == authority_id,
            certificates.c.state == "ISSUED",
            certificates.c.not_after > ended_after,
            _NOT_GOOD,
        )
        .order_by(certificates.c.serial_hex)
    )
    return tuple(Withdrawn(*row) for row in connection.execute(query))


def standings(connection: Connection, authority_id: AuthorityId, serials: Collection[str]) -> dict[str, Standing]:
    """Look serial numbers up; those that were never recorded are left out."""
    query = (
        select(
            certificates.c.serial_hex,
            certificates.c.state,
            certificates.c.credential_id,
            _STATUS.label("status"),
            credentials.c.revoked_at,
            credentials.c.revoked_reason,
            certificates.c.not_before,
        )
        .join_from(certificates, credentials, credentials.c.id == certificates.c.credential_id, isouter=True)
        .where(certificates.c.authority_id == authority_id, certificates.c.serial_hex.in_(serials))
    )
    return {row.serial_hex: _standing(row) for row in connection.execute(query)}


# What is INACTIVE because another took its place is not on hold: nothing is wrong with its certificate.
_HELD = (credentials.c.status == Status.INACTIVE) & credentials.c.inactive_since.is_(None)
_NOT_GOOD: ColumnElement[bool] = or_(credentials.c.status == Status.REVOKED, _HELD)
_STATUS = case(
    (credentials.c.status == Status.INACTIVE, case((_HELD, Status.INACTIVE), else_=Status.ACTIVE)),
    else_=credentials.c.status,
)


def _standing(row: Row[*tuple[Any, ...]]) -> Standing:
    status = None if row.status is None else Status(row.status)
    return Standing(
        row.serial_hex,
        row.state == "ISSUED",
        row.credential_id,
        status,
        row.revoked_at,
        row.revoked_reason or "",
        row.not_before,
    )

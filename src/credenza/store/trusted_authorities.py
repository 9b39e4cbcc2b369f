"""Authorities of others whose certificates may be brought along, and the revocation lists that they publish."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from credenza.domain.model import PLATFORM, AuthorityId, CredentialId, EnvironmentName, ProjectId, Status
from credenza.store.schema import credentials, foreign_revocation_lists, trusted_authorities
from credenza.store.upsert import insert_into


@dataclass(frozen=True, slots=True)
class TrustedAuthority:
    """`is_anchor`: paths may end at it; one that is none only leads to an anchor. `crl_url` is empty where its
    certificates say where its list is."""

    id: AuthorityId
    environment: EnvironmentName
    name: str
    certificate_der: bytes = field(repr=False)
    certificate_sha256: str
    is_anchor: bool
    checks_revocation: bool
    crl_url: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class ForeignList:
    """The newest list found at a URL (None: none yet), and what went wrong with the last look."""

    trusted_authority_id: AuthorityId
    url: str
    der: bytes | None = field(repr=False)
    next_update: datetime | None
    fetched_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Brought:
    """A certificate that was brought along, and those above it, its issuer's first and the anchor's last (DER)."""

    credential_id: CredentialId
    project_id: ProjectId
    certificate_der: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)


_COLUMNS = (
    trusted_authorities.c.id,
    trusted_authorities.c.environment,
    trusted_authorities.c.name,
    trusted_authorities.c.certificate_der,
    trusted_authorities.c.certificate_sha256,
    trusted_authorities.c.is_anchor,
    trusted_authorities.c.checks_revocation,
    trusted_authorities.c.crl_url,
    trusted_authorities.c.created_at,
    trusted_authorities.c.disabled_at,
)


def insert_authority(connection: Connection, authority: TrustedAuthority) -> None:
    row = {
        "organization_id": PLATFORM,
        "id": authority.id,
        "environment": authority.environment,
        "name": authority.name,
        "certificate_der": authority.certificate_der,
        "certificate_sha256": authority.certificate_sha256,
        "is_anchor": authority.is_anchor,
        "checks_revocation": authority.checks_revocation,
        "crl_url": authority.crl_url,
        "created_at": authority.created_at,
        "disabled_at": authority.disabled_at,
    }
    connection.execute(insert(trusted_authorities).values(**row))


def replace_authority(connection: Connection, authority: TrustedAuthority) -> None:
    """Store what may change: its name, what it is trusted for, and whether it is."""
    connection.execute(
        update(trusted_authorities)
        .where(trusted_authorities.c.id == authority.id)
        .values(
            name=authority.name,
            is_anchor=authority.is_anchor,
            checks_revocation=authority.checks_revocation,
            crl_url=authority.crl_url,
            disabled_at=authority.disabled_at,
        )
    )


def find(connection: Connection, authority_id: str) -> TrustedAuthority | None:
    row = connection.execute(select(*_COLUMNS).where(trusted_authorities.c.id == authority_id)).one_or_none()
    return None if row is None else _authority(row)


def find_by_certificate(
    connection: Connection, environment: EnvironmentName, certificate_sha256: str
) -> TrustedAuthority | None:
    query = select(*_COLUMNS).where(
        trusted_authorities.c.environment == environment,
        trusted_authorities.c.certificate_sha256 == certificate_sha256,
    )
    row = connection.execute(query.with_for_update()).one_or_none()
    return None if row is None else _authority(row)


def list_all(connection: Connection) -> tuple[TrustedAuthority, ...]:
    """List them by environment and name, those that are disabled included."""
    order = (trusted_authorities.c.environment.desc(), trusted_authorities.c.name, trusted_authorities.c.id)
    return tuple(map(_authority, connection.execute(select(*_COLUMNS).order_by(*order))))


def list_brought(connection: Connection, authority_id: AuthorityId, *, now: datetime) -> tuple[Brought, ...]:
    """List the usable certificates that were brought along under an authority."""
    query = (
        select(credentials.c.id, credentials.c.project_id, credentials.c.certificate_der, credentials.c.brought_chain)
        .where(
            credentials.c.trusted_authority_id == authority_id,
            credentials.c.status != Status.REVOKED,
            credentials.c.not_after >= now,
        )
        .order_by(credentials.c.id)
    )
    return tuple(map(_brought, connection.execute(query)))


def find_list(connection: Connection, authority_id: AuthorityId, url: str) -> ForeignList | None:
    query = _LISTS.where(
        foreign_revocation_lists.c.trusted_authority_id == authority_id, foreign_revocation_lists.c.url == url
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else ForeignList(*row)


def lists_of(connection: Connection, authority_id: AuthorityId) -> tuple[ForeignList, ...]:
    query = _LISTS.where(foreign_revocation_lists.c.trusted_authority_id == authority_id)
    return tuple(ForeignList(*row) for row in connection.execute(query.order_by(foreign_revocation_lists.c.url)))


def keep_list(connection: Connection, found: ForeignList) -> None:
    """Store the outcome of a look. A list that was found before stays when there is no new one."""
    facts: dict[str, Any] = {"fetched_at": found.fetched_at, "error": found.error}
    if found.der is not None:
        facts |= {"der": found.der, "next_update": found.next_update}
    row = {
        "organization_id": PLATFORM,
        "trusted_authority_id": found.trusted_authority_id,
        "url": found.url,
        **facts,
    }
    statement = insert_into(connection, foreign_revocation_lists).values(**row)
    connection.execute(statement.on_conflict_do_update(index_elements=["trusted_authority_id", "url"], set_=facts))


_LISTS = select(
    foreign_revocation_lists.c.trusted_authority_id,
    foreign_revocation_lists.c.url,
    foreign_revocation_lists.c.der,
    foreign_revocation_lists.c.next_update,
    foreign_revocation_lists.c.fetched_at,
    foreign_revocation_lists.c.error,
)


def _authority(row: Row[*tuple[Any, ...]]) -> TrustedAuthority:
    return TrustedAuthority(
        id=AuthorityId(row.id),
        environment=EnvironmentName(row.environment),
        name=row.name,
        certificate_der=row.certificate_der,
        certificate_sha256=row.certificate_sha256,
        is_anchor=bool(row.is_anchor),
        checks_revocation=bool(row.checks_revocation),
        crl_url=row.crl_url,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def _brought(row: Row[*tuple[Any, ...]]) -> Brought:
    chain = tuple(base64.b64decode(each) for each in json.loads(row.brought_chain or "[]"))
    return Brought(CredentialId(row.id), ProjectId(row.project_id), row.certificate_der, chain)

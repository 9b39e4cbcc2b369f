"""Invitations into organizations: at most one open per address and organization, known by the hash of its token."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from credenza.domain.model import (
    CustomRoleId,
    Invitation,
    OrganizationId,
    OrganizationRole,
    ProjectId,
    ProjectRole,
    UserId,
)
from credenza.store.schema import custom_roles, invitations
from credenza.store.upsert import insert_if_absent

_COLUMNS = (
    invitations.c.id,
    invitations.c.organization_id,
    invitations.c.email,
    invitations.c.role,
    invitations.c.project_id,
    invitations.c.project_role,
    invitations.c.invited_by,
    invitations.c.created_at,
    invitations.c.expires_at,
    invitations.c.custom_role_id,
)
_SHOWN = (*_COLUMNS, custom_roles.c.name.label("custom_role"))
_WITH_ROLE = invitations.outerjoin(custom_roles, custom_roles.c.id == invitations.c.custom_role_id)
_OPEN = invitations.c.accepted_at.is_(None) & invitations.c.withdrawn_at.is_(None)


def insert_invitation(connection: Connection, invitation: Invitation, *, token_hash: str) -> bool:
    """Insert it unless the address has an open one; say whether it was inserted."""
    row = {column.name: getattr(invitation, column.name) for column in _COLUMNS}
    return insert_if_absent(connection, invitations, {**row, "token_hash": token_hash})


def list_open(connection: Connection, organization_id: OrganizationId, *, now: datetime) -> tuple[Invitation, ...]:
    query = (
        select(*_SHOWN)
        .select_from(_WITH_ROLE)
        .where(invitations.c.organization_id == organization_id, _OPEN, invitations.c.expires_at > now)
    )
    return tuple(map(_invitation, connection.execute(query.order_by(invitations.c.email))))


def list_open_of(connection: Connection, email: str, *, now: datetime) -> tuple[Invitation, ...]:
    """List where an address is invited, the oldest first."""
    query = (
        select(*_SHOWN)
        .select_from(_WITH_ROLE)
        .where(invitations.c.email == email, _OPEN, invitations.c.expires_at > now)
    )
    return tuple(map(_invitation, connection.execute(query.order_by(invitations.c.created_at, invitations.c.id))))


def find_by_token(connection: Connection, token_hash: str) -> Invitation | None:
    """Find an invitation, also one that was accepted or withdrawn or is too old."""
    query = select(*_SHOWN).select_from(_WITH_ROLE).where(invitations.c.token_hash == token_hash)
    row = connection.execute(query).one_or_none()
    return None if row is None else _invitation(row)


def is_open(connection: Connection, invitation_id: str, *, now: datetime) -> bool:
    query = select(invitations.c.id).where(invitations.c.id == invitation_id, _OPEN, invitations.c.expires_at > now)
    return connection.execute(query).one_or_none() is not None


def count_since(connection: Connection, organization_id: OrganizationId, email: str, since: datetime) -> int:
    """Count what an organization has sent to an address, withdrawn ones included."""
    query = select(func.count()).where(
        invitations.c.organization_id == organization_id, invitations.c.email == email, invitations.c.created_at > since
    )
    return int(connection.execute(query).scalar_one())


def mark_accepted(connection: Connection, invitation_id: str, *, now: datetime) -> bool:
    """Use an invitation up; say whether it was still good."""
    statement = update(invitations).where(invitations.c.id == invitation_id, _OPEN, invitations.c.expires_at > now)
    return connection.execute(statement.values(accepted_at=now)).rowcount == 1


def mark_withdrawn(
    connection: Connection, organization_id: OrganizationId, invitation_id: str, *, now: datetime
) -> str | None:
    """Withdraw an open invitation; its address, or None when there is none."""
    statement = update(invitations).where(
        invitations.c.organization_id == organization_id, invitations.c.id == invitation_id, _OPEN
    )
    found = connection.execute(statement.values(withdrawn_at=now).returning(invitations.c.email)).scalar_one_or_none()
    return None if found is None else str(found)


def withdraw_expired(connection: Connection, organization_id: OrganizationId, email: str, *, now: datetime) -> None:
    """Free an address's place from an invitation that nobody took up in time."""
    statement = update(invitations).where(
        invitations.c.organization_id == organization_id,
        invitations.c.email == email,
        _OPEN,
        invitations.c.expires_at <= now,
    )
    connection.execute(statement.values(withdrawn_at=now))


def _invitation(row: Row[*tuple[Any, ...]]) -> Invitation:
    return Invitation(
        id=row.id,
        organization_id=OrganizationId(row.organization_id),
        email=row.email,
        role=OrganizationRole(row.role),
        project_id=None if row.project_id is None else ProjectId(row.project_id),
        project_role=None if row.project_role is None else ProjectRole(row.project_role),
        invited_by=None if row.invited_by is None else UserId(row.invited_by),
        created_at=row.created_at,
        expires_at=row.expires_at,
        custom_role_id=None if row.custom_role_id is None else CustomRoleId(row.custom_role_id),
        custom_role=row.custom_role or "",
    )

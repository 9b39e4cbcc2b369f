"""Roles that organizations have made of single actions, and who holds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from credenza.domain.access import Action
from credenza.domain.custom_roles import CustomRole
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CustomRoleId, OrganizationId
from credenza.store.schema import custom_roles, invitations, memberships, users
from credenza.store.upsert import violates

_COLUMNS = (
    custom_roles.c.id,
    custom_roles.c.organization_id,
    custom_roles.c.name,
    custom_roles.c.actions,
    custom_roles.c.created_at,
)
_LIVE = custom_roles.c.removed_at.is_(None)
_KNOWN = frozenset(Action)


def insert_role(connection: Connection, role: CustomRole) -> None:
    """Insert a role. Refuses a taken name."""
    row = {
        "organization_id": role.organization_id,
        "id": role.id,
        "name": role.name,
        "actions": _text(role.actions),
        "created_at": role.created_at,
    }
    with _name_is_free(role.name):
        connection.execute(insert(custom_roles).values(row))


def update_role(connection: Connection, role: CustomRole) -> None:
    """Store a role's name and actions. Refuses a taken name."""
    changed = {"name": role.name, "actions": _text(role.actions)}
    with _name_is_free(role.name):
        connection.execute(update(custom_roles).where(custom_roles.c.id == role.id).values(changed))


def mark_removed(connection: Connection, role_id: CustomRoleId, *, now: datetime) -> None:
    connection.execute(update(custom_roles).where(custom_roles.c.id == role_id, _LIVE).values(removed_at=now))


def find(connection: Connection, organization_id: OrganizationId, role_id: CustomRoleId) -> CustomRole | None:
    query = select(*_COLUMNS).where(
        custom_roles.c.organization_id == organization_id, custom_roles.c.id == role_id, _LIVE
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _role(row)


def list_all(connection: Connection, organization_id: OrganizationId) -> tuple[CustomRole, ...]:
    query = select(*_COLUMNS).where(custom_roles.c.organization_id == organization_id, _LIVE)
    return tuple(map(_role, connection.execute(query.order_by(custom_roles.c.name, custom_roles.c.id))))


def list_holders(connection: Connection, role_id: CustomRoleId, *, now: datetime) -> tuple[str, ...]:
    """List the addresses of who holds a role, disabled users included, and of who is invited to it."""
    holding = (
        select(users.c.email)
        .join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.custom_role_id == role_id)
    )
    invited = select(invitations.c.email).where(
        invitations.c.custom_role_id == role_id,
        invitations.c.accepted_at.is_(None),
        invitations.c.withdrawn_at.is_(None),
        invitations.c.expires_at > now,
    )
    return tuple(sorted(connection.execute(holding.union(invited)).scalars()))


def read_actions(text: str | None) -> frozenset[Action]:
    """Read what a role allows; an action that this version does not know allows nothing."""
    names = msgspec.json.decode(text, type=list[str]) if text else []
    return frozenset(Action(name) for name in names if name in _KNOWN)


def _text(actions: frozenset[Action]) -> str:
    return msgspec.json.encode(sorted(actions)).decode()


@contextmanager
def _name_is_free(name: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if violates(error, "uq_custom_roles_name", custom_roles.c.organization_id, custom_roles.c.name):
            raise Refusal(
                Code.DUPLICATE_NAME, f"The organization already has a role named {name!r}.", field="name"
            ) from error
        raise


def _role(row: Row[*tuple[Any, ...]]) -> CustomRole:
    return CustomRole(
        CustomRoleId(row.id),
        OrganizationId(row.organization_id),
        row.name,
        read_actions(row.actions),
        row.created_at,
    )

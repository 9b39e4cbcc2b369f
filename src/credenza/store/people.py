"""Organizations, users and who belongs where."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, select, update

from credenza.domain.access import Standing
from credenza.domain.model import (
    PLATFORM,
    CustomRoleId,
    Member,
    Organization,
    OrganizationId,
    OrganizationRole,
    User,
    UserId,
)
from credenza.store.custom_roles import read_actions
from credenza.store.prepared import Prepared
from credenza.store.schema import custom_roles, memberships, organizations, users
from credenza.store.upsert import insert_if_absent, insert_into

_ORGANIZATION = (
    organizations.c.organization_id,
    organizations.c.name,
    organizations.c.project_limit,
    organizations.c.created_at,
)
_THERE = select(organizations.c.organization_id).where(organizations.c.organization_id == bindparam("of_organization"))
_EXISTS, _LOCKED = Prepared(_THERE), Prepared(_THERE.with_for_update())
_USER = (users.c.id, users.c.email, users.c.name, users.c.created_at, users.c.disabled_at)
_STANDING = Prepared(
    select(memberships.c.role, custom_roles.c.actions)
    .join(users, users.c.id == memberships.c.user_id)
    .outerjoin(custom_roles, custom_roles.c.id == memberships.c.custom_role_id)
    .where(
        memberships.c.organization_id == bindparam("of_organization"),
        memberships.c.user_id == bindparam("of_user"),
        users.c.disabled_at.is_(None),
    )
)


def insert_organization(connection: Connection, organization: Organization) -> bool:
    """Insert it unless the name is taken; say whether it was inserted."""
    row = {
        "organization_id": organization.id,
        "name": organization.name,
        "project_limit": organization.project_limit,
        "created_at": organization.created_at,
    }
    return insert_if_absent(connection, organizations, row)


def find_organization(connection: Connection, organization_id: OrganizationId) -> Organization | None:
    query = select(*_ORGANIZATION).where(organizations.c.organization_id == organization_id)
    return _organization(connection.execute(query).one_or_none())


def find_organization_by_name(connection: Connection, name: str) -> Organization | None:
    query = select(*_ORGANIZATION).where(organizations.c.name == name)
    return _organization(connection.execute(query).one_or_none())


def list_organizations(connection: Connection, *, of_user: UserId | None) -> tuple[Organization, ...]:
    """List all organizations, or those of one user, by name."""
    query = select(*_ORGANIZATION).order_by(organizations.c.name)
    if of_user is not None:
        query = query.join(memberships, memberships.c.organization_id == organizations.c.organization_id)
        query = query.where(memberships.c.user_id == of_user)
    return tuple(each for row in connection.execute(query) if (each := _organization(row)))


def set_project_limit(connection: Connection, organization_id: OrganizationId, limit: int) -> None:
    connection.execute(
        update(organizations).where(organizations.c.organization_id == organization_id).values(project_limit=limit)
    )


def organization_exists(connection: Connection, organization_id: OrganizationId, *, lock: bool = False) -> bool:
    """With `lock` the row is held to the commit: what counts in it (projects, admins) changes one at a time."""
    query = _LOCKED if lock else _EXISTS
    return query.first(connection, {"of_organization": organization_id}) is not None


def insert_user(connection: Connection, user: User) -> bool:
    """Insert the user unless the address is taken; say whether it was inserted."""
    row = {
        "organization_id": PLATFORM,
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
    }
    return insert_if_absent(connection, users, row)


def any_user(connection: Connection) -> bool:
    return connection.execute(select(users.c.id).limit(1)).one_or_none() is not None


def find_user(connection: Connection, user_id: UserId) -> User | None:
    return _user(connection.execute(select(*_USER).where(users.c.id == user_id)).one_or_none())


def lock_user(connection: Connection, user_id: UserId) -> None:
    """Hold the user to the end of the transaction: what is counted per user changes one at a time."""
    connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update()).one_or_none()


def find_user_by_email(connection: Connection, email: str) -> User | None:
    return _user(connection.execute(select(*_USER).where(users.c.email == email)).one_or_none())


def list_users(connection: Connection) -> tuple[User, ...]:
    rows = connection.execute(select(*_USER).order_by(users.c.email))
    return tuple(each for row in rows if (each := _user(row)))


def mark_disabled(connection: Connection, user_id: UserId, *, now: datetime) -> None:
    connection.execute(
        update(users).where(users.c.id == user_id, users.c.disabled_at.is_(None)).values(disabled_at=now)
    )


def mark_enabled(connection: Connection, user_id: UserId) -> None:
    connection.execute(update(users).where(users.c.id == user_id).values(disabled_at=None))


def find_role(connection: Connection, organization_id: OrganizationId, user_id: UserId) -> OrganizationRole | None:
    """The role an enabled user holds in an organization."""
    query = (
        select(memberships.c.role)
        .join(users, users.c.id == memberships.c.user_id)
        .where(
            memberships.c.organization_id == organization_id,
            memberships.c.user_id == user_id,
            users.c.disabled_at.is_(None),
        )
    )
    role = connection.execute(query).scalar_one_or_none()
    return None if role is None else OrganizationRole(role)


def find_standing(connection: Connection, organization_id: OrganizationId, user_id: UserId) -> Standing:
    """What an enabled user holds in an organization; nothing for whoever is no member."""
    row = _STANDING.first(connection, {"of_organization": organization_id, "of_user": user_id})
    return Standing() if row is None else Standing(OrganizationRole(row.role), None, read_actions(row.actions))


def find_member(connection: Connection, organization_id: OrganizationId, user_id: UserId) -> Member | None:
    """Find a member, disabled ones included."""
    query = _members(organization_id).where(memberships.c.user_id == user_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _member(row)


def is_member(connection: Connection, organization_id: OrganizationId, user_id: UserId) -> bool:
    """Whether a user, disabled ones included, belongs to an organization."""
    query = select(memberships.c.role).where(
        memberships.c.organization_id == organization_id, memberships.c.user_id == user_id
    )
    return connection.execute(query).one_or_none() is not None


def list_members(connection: Connection, organization_id: OrganizationId) -> tuple[Member, ...]:
    return tuple(map(_member, connection.execute(_members(organization_id).order_by(users.c.email))))


def set_member(
    connection: Connection,
    organization_id: OrganizationId,
    user_id: UserId,
    role: OrganizationRole,
    *,
    custom_role_id: CustomRoleId | None = None,
    now: datetime,
) -> None:
    held = {"role": role, "custom_role_id": custom_role_id}
    statement = insert_into(connection, memberships).values(
        organization_id=organization_id, user_id=user_id, created_at=now, **held
    )
    connection.execute(statement.on_conflict_do_update(index_elements=["organization_id", "user_id"], set_=held))


def delete_member(connection: Connection, organization_id: OrganizationId, user_id: UserId) -> bool:
    statement = delete(memberships).where(
        memberships.c.organization_id == organization_id, memberships.c.user_id == user_id
    )
    return connection.execute(statement).rowcount == 1


def count_other_admins(connection: Connection, organization_id: OrganizationId, user_id: UserId) -> int:
    """Count the enabled admins besides one user."""
    query: Select[*tuple[Any, ...]] = (
        select(func.count())
        .select_from(memberships.join(users, users.c.id == memberships.c.user_id))
        .where(
            memberships.c.organization_id == organization_id,
            memberships.c.role == OrganizationRole.ADMIN,
            memberships.c.user_id != user_id,
            users.c.disabled_at.is_(None),
        )
    )
    return int(connection.execute(query).scalar_one())


def _members(organization_id: OrganizationId) -> Select[*tuple[Any, ...]]:
    return (
        select(*_USER, memberships.c.role, memberships.c.custom_role_id, custom_roles.c.name.label("custom_role"))
        .join(memberships, memberships.c.user_id == users.c.id)
        .outerjoin(custom_roles, custom_roles.c.id == memberships.c.custom_role_id)
        .where(memberships.c.organization_id == organization_id)
    )


def _member(row: Row[*tuple[Any, ...]]) -> Member:
    user = _user(row)
    assert user is not None, "the row is there"
    custom_role_id = None if row.custom_role_id is None else CustomRoleId(row.custom_role_id)
    return Member(user, OrganizationRole(row.role), custom_role_id, row.custom_role or "")


def _organization(row: Row[*tuple[Any, ...]] | None) -> Organization | None:
    if row is None:
        return None
    return Organization(OrganizationId(row.organization_id), row.name, row.project_limit, row.created_at)


def _user(row: Row[*tuple[Any, ...]] | None) -> User | None:
    if row is None:
        return None
    return User(UserId(row.id), row.email, row.name, row.created_at, row.disabled_at)

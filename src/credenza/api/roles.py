"""Custom roles of an organization over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from credenza.actions import roles
from credenza.api.asked import Caller, OrganizationPath
from credenza.api.idempotency import Repeatable
from credenza.domain.custom_roles import CustomRole
from credenza.domain.model import CustomRoleId, OrganizationId
from credenza.wire import roles as wire
from credenza.wire.shape import Uuid

RolePath = Annotated[Uuid, Path(alias="role_id")]


def list_all(asked: Caller, organization_id: OrganizationPath) -> list[wire.Role]:
    """List the roles that the organization has made, by name."""
    found = roles.list_all(asked.platform, asked.actor, OrganizationId(organization_id), now=asked.now)
    return [_role(each) for each in found]


def create(asked: Caller, once: Repeatable, organization_id: OrganizationPath, new: wire.RoleContent) -> wire.Role:
    """Make a role of single actions. None of them may be beyond the caller's own role."""
    made = roles.create(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        name=new.name,
        actions=new.actions,
        now=asked.now,
        once=once,
    )
    return _role(made)


def edit(asked: Caller, organization_id: OrganizationPath, role_id: RolePath, new: wire.RoleContent) -> wire.Role:
    """Change what a role is called and allows, for all who hold it."""
    place = (OrganizationId(organization_id), CustomRoleId(role_id))
    edited = roles.edit(asked.platform, asked.actor, *place, name=new.name, actions=new.actions, now=asked.now)
    return _role(edited)


def remove(asked: Caller, organization_id: OrganizationPath, role_id: RolePath) -> None:
    """Remove a role that nobody holds and nobody is invited to."""
    place = (OrganizationId(organization_id), CustomRoleId(role_id))
    roles.remove(asked.platform, asked.actor, *place, now=asked.now)


def _role(found: CustomRole) -> wire.Role:
    return wire.Role(id=found.id, name=found.name, actions=tuple(sorted(found.actions)), created_at=found.created_at)

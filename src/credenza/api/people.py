"""Organizations, users and members over HTTP. What changes the platform itself is for operators alone."""

from __future__ import annotations

from credenza.actions import organizations, people
from credenza.api import answers
from credenza.api.asked import Caller, OrganizationPath, UserPath
from credenza.api.idempotency import Repeatable
from credenza.domain.access import PROJECT_LIMIT_DEFAULT
from credenza.domain.model import CustomRoleId, OrganizationId, OrganizationRole, UserId
from credenza.wire import people as wire


def me(asked: Caller) -> wire.Me:
    """Say who the caller is to this server."""
    actor = asked.actor
    return wire.Me(
        kind=actor.kind.value,
        id=actor.id,
        user_id=actor.user_id,
        organization_id=actor.organization_id,
        scopes=tuple(sorted(actor.scopes)),
    )


def list_organizations(asked: Caller) -> list[wire.Organization]:
    found = organizations.list_all(asked.platform, asked.actor, now=asked.now)
    return [wire.Organization.model_validate(each) for each in found]


def get_organization(asked: Caller, organization_id: OrganizationPath) -> wire.Organization:
    found = organizations.get(asked.platform, asked.actor, OrganizationId(organization_id), now=asked.now)
    return wire.Organization.model_validate(found)


def create_organization(asked: Caller, once: Repeatable, new: wire.NewOrganization) -> wire.Organization:
    limit = PROJECT_LIMIT_DEFAULT if new.project_limit is None else new.project_limit
    made = organizations.create(
        asked.platform, asked.actor, name=new.name, project_limit=limit, now=asked.now, once=once
    )
    return wire.Organization.model_validate(made)


def set_project_limit(
    asked: Caller, organization_id: OrganizationPath, edit: wire.ProjectLimitEdit
) -> wire.Organization:
    changed = organizations.set_project_limit(
        asked.platform, asked.actor, OrganizationId(organization_id), edit.project_limit, now=asked.now
    )
    return wire.Organization.model_validate(changed)


def list_users(asked: Caller) -> list[wire.User]:
    return [wire.User.model_validate(each) for each in people.list_users(asked.platform, asked.actor, now=asked.now)]


def create_user(asked: Caller, once: Repeatable, new: wire.NewUser) -> wire.User:
    made = people.create_user(asked.platform, asked.actor, email=new.email, name=new.name, now=asked.now, once=once)
    return wire.User.model_validate(made)


def list_members(asked: Caller, organization_id: OrganizationPath) -> list[wire.Member]:
    found = people.list_members(asked.platform, asked.actor, OrganizationId(organization_id), now=asked.now)
    return [answers.member(each) for each in found]


def set_member(asked: Caller, once: Repeatable, organization_id: OrganizationPath, new: wire.NewMember) -> wire.Member:
    """Give a member another role. Somebody new is invited."""
    member = people.set_member(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        email=new.email,
        role=OrganizationRole(new.role),
        custom_role_id=None if new.custom_role_id is None else CustomRoleId(new.custom_role_id),
        now=asked.now,
        once=once,
    )
    return answers.member(member)


def remove_member(asked: Caller, organization_id: OrganizationPath, user_id: UserPath) -> None:
    people.remove_member(asked.platform, asked.actor, OrganizationId(organization_id), UserId(user_id), now=asked.now)

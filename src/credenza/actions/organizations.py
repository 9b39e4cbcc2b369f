"""Organizations: who shares projects, a quota and one audit chain."""

from __future__ import annotations

from datetime import datetime

from credenza.actions.accounts import begin_tree
from credenza.actions.context import Attempt, Once, Platform, acting, viewing
from credenza.actions.once import claim, settle
from credenza.domain.access import PROJECT_LIMIT_CEILING, PROJECT_LIMIT_DEFAULT, Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, Organization, OrganizationId
from credenza.domain.names import usual_name
from credenza.store import people
from credenza.store.engine import reading


def create(
    platform: Platform,
    actor: Actor,
    *,
    name: str,
    project_limit: int = PROJECT_LIMIT_DEFAULT,
    now: datetime,
    once: Once | None = None,
) -> Organization:
    with acting(platform, Attempt(actor, Action.ORGANIZATION_CREATE, now, once=once)) as act:
        claimed = claim(act, Organization)
        if claimed.answer is not None:
            return claimed.answer
        _check_limit(project_limit)
        usual = usual_name(name)
        organization = Organization(OrganizationId(platform.new_id()), usual, project_limit, now)
        if not people.insert_organization(act.connection, organization):
            raise Refusal(Code.DUPLICATE_NAME, f"There is already an organization named {usual!r}.", field="name")
        begin_tree(platform, act.connection, organization, now=now)
        act.note(organization.id, usual)
        return settle(act, organization)


def get(platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime) -> Organization:
    with viewing(platform, Attempt(actor, Action.ORGANIZATION_VIEW, now, organization_id=organization_id)) as act:
        return _get(people.find_organization(act.connection, organization_id))


def get_by_name(platform: Platform, actor: Actor, name: str, *, now: datetime) -> Organization:
    with reading(platform.database.records) as connection:
        found = people.find_organization_by_name(connection, name)
    return get(platform, actor, found.id if found else OrganizationId(""), now=now)


def list_all(platform: Platform, actor: Actor, *, now: datetime) -> tuple[Organization, ...]:
    """List the organizations the actor's user belongs to; an operator sees all."""
    if actor.organization_id is not None:
        return (get(platform, actor, actor.organization_id, now=now),)
    with viewing(platform, Attempt(actor, Action.ORGANIZATION_LIST, now)) as act:
        return people.list_organizations(
            act.connection, of_user=None if actor.kind is ActorKind.OPERATOR else actor.user_id
        )


def set_project_limit(
    platform: Platform, actor: Actor, organization_id: OrganizationId, limit: int, *, now: datetime
) -> Organization:
    attempt = Attempt(actor, Action.ORGANIZATION_LIMIT, now, organization_id=organization_id)
    with acting(platform, attempt) as act:
        _check_limit(limit)
        people.set_project_limit(act.connection, organization_id, limit)
        act.note(organization_id, f"project limit {limit}")
        return _get(people.find_organization(act.connection, organization_id))


def _check_limit(limit: int) -> None:
    if not 0 <= limit <= PROJECT_LIMIT_CEILING:
        raise Refusal(
            Code.INVALID, f"The limit of projects lies between 0 and {PROJECT_LIMIT_CEILING}.", field="projectLimit"
        )


def _get(organization: Organization | None) -> Organization:
    if organization is None:
        raise Refusal(Code.NOT_FOUND, "No such organization.", field="organizationId")
    return organization

"""Custom roles: what an organization lets some of its members do, action by action.

Nobody makes, changes, gives or takes a role that allows more than their own (`access.check_gives`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from credenza.actions.context import Act, Attempt, Once, Platform, acting, viewing
from credenza.actions.once import claim, settle
from credenza.domain import access
from credenza.domain.access import Action
from credenza.domain.custom_roles import CustomRole, parse_actions, usual_role_name
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, CustomRoleId, OrganizationId, OrganizationRole
from credenza.store import custom_roles

_NAMED = 5
"""Of many holders a refusal names so many."""


def list_all(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> tuple[CustomRole, ...]:
    with viewing(platform, Attempt(actor, Action.ROLE_LIST, now, organization_id=organization_id)) as act:
        return custom_roles.list_all(act.connection, organization_id)


def create(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    name: str,
    actions: Iterable[str],
    now: datetime,
    once: Once | None = None,
) -> CustomRole:
    with acting(platform, Attempt(actor, Action.ROLE_CREATE, now, organization_id=organization_id, once=once)) as act:
        claimed = claim(act, CustomRole)
        if claimed.answer is not None:
            return claimed.answer
        identity = CustomRoleId(platform.new_id())
        role = CustomRole(identity, organization_id, usual_role_name(name), parse_actions(actions), now)
        access.check_gives(actor, act.standing, role.actions)
        custom_roles.insert_role(act.connection, role)
        _note(act, role)
        return settle(act, role)


def edit(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    role_id: CustomRoleId,
    *,
    name: str,
    actions: Iterable[str],
    now: datetime,
) -> CustomRole:
    """Change what a role is called and allows; who holds it may do that from the next request on."""
    with acting(platform, Attempt(actor, Action.ROLE_EDIT, now, organization_id=organization_id)) as act:
        role = _find(act, role_id)
        edited = replace(role, name=usual_role_name(name), actions=parse_actions(actions))
        access.check_gives(actor, act.standing, role.actions | edited.actions)
        custom_roles.update_role(act.connection, edited)
        _note(act, edited)
        return edited


def remove(
    platform: Platform, actor: Actor, organization_id: OrganizationId, role_id: CustomRoleId, *, now: datetime
) -> None:
    """Remove a role that nobody holds and nobody is invited to."""
    with acting(platform, Attempt(actor, Action.ROLE_REMOVE, now, organization_id=organization_id)) as act:
        role = _find(act, role_id)
        access.check_gives(actor, act.standing, role.actions)
        _check_unheld(act, role)
        custom_roles.mark_removed(act.connection, role_id, now=now)
        act.note(role_id, role.name)


def find_given(act: Act, role: OrganizationRole, role_id: CustomRoleId | None) -> CustomRole | None:
    """Find the custom role that somebody is to be given; None is for the roles of every organization. Refuses one that
    allows more than the actor's own."""
    if (role is OrganizationRole.CUSTOM) != (role_id is not None):
        raise Refusal(Code.INVALID, "Name a custom role exactly where the role is custom.", field="customRoleId")
    found = None if role_id is None else _find(act, role_id)
    access.check_gives(act.actor, act.standing, access.granted(role, found.actions if found else frozenset()))
    return found


def _find(act: Act, role_id: CustomRoleId) -> CustomRole:
    role = custom_roles.find(act.connection, act.organization_id, role_id)
    if role is None:
        raise Refusal(Code.NOT_FOUND, "The organization has no such role.", field="customRoleId")
    return role


def _check_unheld(act: Act, role: CustomRole) -> None:
    holders = custom_roles.list_holders(act.connection, role.id, now=act.now)
    if not holders:
        return
    named = ", ".join(holders[:_NAMED]) + (" …" if len(holders) > _NAMED else "")
    raise Refusal(
        Code.INVALID,
        f"{role.name} is held by, or offered to: {named}. Give them another role, or withdraw the invitation, first.",
        field="customRoleId",
    )


def _note(act: Act, role: CustomRole) -> None:
    act.note(role.id, f"{role.name}: {', '.join(sorted(role.actions))}")

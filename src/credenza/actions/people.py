"""Users and their membership in organizations."""

from __future__ import annotations

import re
from datetime import datetime

from credenza.actions import roles
from credenza.actions.context import Act, Attempt, Once, Platform, acting, viewing
from credenza.actions.once import claim, settle
from credenza.domain import access
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Actor,
    ActorKind,
    CustomRoleId,
    Member,
    OrganizationId,
    OrganizationRole,
    User,
    UserId,
)
from credenza.store import changes, custom_roles, leases, one_time_links, people, projects, sessions

_LONGEST_NAME = 120
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[a-z0-9][a-z0-9.-]{0,188}", re.ASCII)


def create_user(
    platform: Platform, actor: Actor, *, email: str, name: str, now: datetime, once: Once | None = None
) -> User:
    with acting(platform, Attempt(actor, Action.USER_CREATE, now, once=once)) as act:
        claimed = claim(act, User)
        if claimed.answer is not None:
            return claimed.answer
        user = insert_user(act, email=email, name=name)
        act.note(user.id, user.email)
        return settle(act, user)


def insert_user(act: Act, *, email: str, name: str) -> User:
    """Insert a user under the address's usual form: no spaces around it, lower case."""
    identity = UserId(act.platform.new_id())
    user = User(identity, usual_address(email), _usual_name(name), act.now, None)
    if not people.insert_user(act.connection, user):
        raise Refusal(Code.DUPLICATE_NAME, f"There is already a user {user.email}.", field="email")
    return user


def usual_address(email: str) -> str:
    usual = email.strip().lower()
    if _EMAIL.fullmatch(usual) is None:
        raise Refusal(Code.INVALID, f"{email[:100]!r} is not a mail address.", field="email")
    return usual


def disable_user(platform: Platform, actor: Actor, email: str, *, now: datetime) -> User:
    """Disable a user: access tokens and account-level keys have stopped everywhere when it returns.

    Sessions and links end for good: a user who is enabled again signs in anew.
    """
    with acting(platform, Attempt(actor, Action.USER_DISABLE, now)) as act:
        user = find_by_email(act, email)
        people.mark_disabled(act.connection, user.id, now=now)
        sessions.mark_all_ended(act.connection, user.id, now=now)
        one_time_links.use_all(act.connection, user.id, now=now)
        number = changes.record(act.connection, act.organization_id, changes.ChangeKind.USER, user.id)
        act.note(user.id, user.email)
        user = find_by_email(act, email)
    leases.await_reach(platform.database.records, number, lease=platform.policy.lease)
    return user


def enable_user(platform: Platform, actor: Actor, email: str, *, now: datetime) -> User:
    """Let a disabled user in again: roles, access tokens and account-level keys are as they were."""
    with acting(platform, Attempt(actor, Action.USER_ENABLE, now)) as act:
        user = find_by_email(act, email)
        people.mark_enabled(act.connection, user.id)
        changes.record(act.connection, act.organization_id, changes.ChangeKind.USER, user.id)
        act.note(user.id, user.email)
        return find_by_email(act, email)


def list_users(platform: Platform, actor: Actor, *, now: datetime) -> tuple[User, ...]:
    with viewing(platform, Attempt(actor, Action.USER_LIST, now)) as act:
        return people.list_users(act.connection)


def list_members(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> tuple[Member, ...]:
    with viewing(platform, Attempt(actor, Action.MEMBER_LIST, now, organization_id=organization_id)) as act:
        return people.list_members(act.connection, organization_id)


def set_member(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    email: str,
    role: OrganizationRole,
    custom_role_id: CustomRoleId | None = None,
    now: datetime,
    once: Once | None = None,
) -> Member:
    """Give a member another role. An operator may take a user in; everybody else invites, and does not learn who has an
    account. Nobody gives, or takes from others, what they have not."""
    attempt = Attempt(actor, Action.MEMBER_SET, now, organization_id=organization_id, once=once)
    with acting(platform, attempt) as act:
        claimed = claim(act, Member)
        if claimed.answer is not None:
            return claimed.answer
        user = find_by_email(act, email) if actor.kind is ActorKind.OPERATOR else _find_member(act, email)
        custom = roles.find_given(act, role, custom_role_id)
        _check_reach(act, user.id)
        if role is not OrganizationRole.ADMIN:
            _check_admin_stays(act, user.id)
        people.set_member(act.connection, organization_id, user.id, role, custom_role_id=custom_role_id, now=now)
        changes.record(act.connection, organization_id, changes.ChangeKind.USER, user.id)
        named = custom.name if custom else ""
        act.note(user.id, f"{user.email} {role} {named}".rstrip())
        return settle(act, Member(user, role, custom_role_id, named))


def remove_member(
    platform: Platform, actor: Actor, organization_id: OrganizationId, user_id: UserId, *, now: datetime
) -> None:
    """Take a member out, off its projects too; returns when no API key of the person is accepted any more."""
    attempt = Attempt(actor, Action.MEMBER_REMOVE, now, organization_id=organization_id)
    with acting(platform, attempt) as act:
        _check_reach(act, user_id)
        _check_admin_stays(act, user_id)
        if not people.delete_member(act.connection, organization_id, user_id):
            raise Refusal(Code.NOT_FOUND, "The organization has no such member.", field="userId")
        projects.delete_member_everywhere(act.connection, organization_id, user_id)
        number = changes.record(act.connection, organization_id, changes.ChangeKind.USER, user_id)
        act.note(user_id)
    leases.await_reach(platform.database.records, number, lease=platform.policy.lease)


def find_by_email(act: Act, email: str) -> User:
    user = people.find_user_by_email(act.connection, usual_address(email))
    if user is None:
        raise Refusal(
            Code.NOT_FOUND,
            f"There is no user {email[:100]}. An operator makes one with: credenza user create",
            field="email",
        )
    return user


def _usual_name(name: str) -> str:
    usual = name.strip()
    if len(usual) > _LONGEST_NAME or not usual.isprintable():
        raise Refusal(Code.INVALID, f"Give a name of at most {_LONGEST_NAME} printable characters.", field="name")
    return usual


def _find_member(act: Act, email: str) -> User:
    """Find a member of the organization. Users of others are not told from those who do not exist."""
    address = usual_address(email)
    user = people.find_user_by_email(act.connection, address)
    if user is None or not people.is_member(act.connection, act.organization_id, user.id):
        raise Refusal(Code.NOT_FOUND, f"{address} is not a member of the organization. Invite it first.", field="email")
    return user


def _check_reach(act: Act, user_id: UserId) -> None:
    """Who may more than the actor, or will once enabled again, is out of the actor's reach."""
    held = people.find_member(act.connection, act.organization_id, user_id)
    if held is None:
        return
    named = held.custom_role_id
    custom = None if named is None else custom_roles.find(act.connection, act.organization_id, named)
    access.check_gives(act.actor, act.standing, access.granted(held.role, custom.actions if custom else frozenset()))


def _check_admin_stays(act: Act, user_id: UserId) -> None:
    """An organization keeps at least one admin who can act."""
    role = people.find_role(act.connection, act.organization_id, user_id)
    if role is OrganizationRole.ADMIN and people.count_other_admins(act.connection, act.organization_id, user_id) == 0:
        raise Refusal(
            Code.INVALID, "This is the organization's last admin. Make somebody else admin first.", field="role"
        )

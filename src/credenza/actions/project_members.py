"""People on a project: at most 10 admins (the owner is one) and 20 read-only members."""

from __future__ import annotations

from datetime import datetime

from credenza.actions.context import Act, Attempt, Once, Platform, acting, viewing
from credenza.actions.once import claim, settle
from credenza.actions.people import usual_address
from credenza.domain import access
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ProjectId, ProjectMember, ProjectRole, User, UserId
from credenza.store import people, projects


def list_all(platform: Platform, actor: Actor, project_id: ProjectId, *, now: datetime) -> tuple[ProjectMember, ...]:
    with viewing(platform, Attempt(actor, Action.PROJECT_MEMBER_LIST, now, project_id=project_id)) as act:
        return projects.list_members(act.connection, act.the_project)


def set_role(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    *,
    email: str,
    role: ProjectRole,
    now: datetime,
    once: Once | None = None,
) -> ProjectMember:
    """Put a member of the organization on the project, or change the role there. Nobody gives what they have not."""
    with acting(platform, Attempt(actor, Action.PROJECT_MEMBER_SET, now, project_id=project_id, once=once)) as act:
        claimed = claim(act, ProjectMember)
        if claimed.answer is not None:
            return claimed.answer
        if role is ProjectRole.OWNER:
            raise Refusal(Code.INVALID, "A project has one owner. Choose admin or read_only.", field="role")
        access.check_gives(actor, act.standing, access.granted_on_project(role))
        user = _member(act, email)
        _check_not_owner(act, user.id)
        projects.set_member(act.connection, act.the_project, user.id, role, now=now)
        act.note(user.id, f"{user.email} {role}")
        return settle(act, ProjectMember(user, role))


def remove(platform: Platform, actor: Actor, project_id: ProjectId, user_id: UserId, *, now: datetime) -> None:
    with acting(platform, Attempt(actor, Action.PROJECT_MEMBER_REMOVE, now, project_id=project_id)) as act:
        _check_not_owner(act, user_id)
        _delete(act, user_id)


def leave(platform: Platform, actor: Actor, project_id: ProjectId, *, now: datetime) -> None:
    """Take oneself off a project; every member but the owner may."""
    with acting(platform, Attempt(actor, Action.PROJECT_LEAVE, now, project_id=project_id)) as act:
        assert actor.user_id is not None, "only a member may leave, and members are users"
        _check_not_owner(act, actor.user_id)
        _delete(act, actor.user_id)


def _member(act: Act, email: str) -> User:
    """Find a member of the organization. Users of others are not told from those who do not exist."""
    address = usual_address(email)
    user = people.find_user_by_email(act.connection, address)
    if user is None or people.find_role(act.connection, act.organization_id, user.id) is None:
        raise Refusal(
            Code.NOT_FOUND, f"{address} is not a member of the organization. Add it there first.", field="email"
        )
    return user


def _check_not_owner(act: Act, user_id: UserId) -> None:
    if act.the_project.owner_id == user_id:
        raise Refusal(Code.INVALID, "The owner stays on the project.", field="userId")


def _delete(act: Act, user_id: UserId) -> None:
    if not projects.delete_member(act.connection, act.the_project.id, user_id):
        raise Refusal(Code.NOT_FOUND, "The project has no such member.", field="userId")
    act.note(user_id)

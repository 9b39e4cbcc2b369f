"""The people on a project: who they are, putting one on, changing a role, taking one off, leaving."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import people, project_members
from credenza.domain.access import PROJECT_ADMIN_LIMIT, PROJECT_READ_ONLY_LIMIT
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import ProjectMember, ProjectRole, UserId
from credenza.portal import project_frame
from credenza.portal.project_frame import project_id
from credenza.portal.visit import Visit

_GIVEN = (ProjectRole.READ_ONLY, ProjectRole.ADMIN)


def show(visit: Visit) -> Response:
    members = _members(visit)
    return project_frame.show(
        visit,
        project_frame.enter(visit),
        "project_members.html",
        tab="members",
        members=members,
        admins=sum(each.role is not ProjectRole.READ_ONLY for each in members),
        readers=sum(each.role is ProjectRole.READ_ONLY for each in members),
        most_admins=PROJECT_ADMIN_LIMIT,
        most_readers=PROJECT_READ_ONLY_LIMIT,
    )


def ask_set(visit: Visit) -> Response:
    return _form(visit, None)


def set_role(visit: Visit) -> Response:
    try:
        project_members.set_role(
            visit.portal.platform,
            visit.actor,
            project_id(visit),
            email=visit.fields.get("email", "")[:254],
            role=_role(visit),
            now=visit.now,
        )
    except Refusal as refusal:
        return _form(visit, refusal)
    return visit.go(f"/projects/{project_id(visit)}/members")


def ask_remove(visit: Visit) -> Response:
    member = next((each for each in _members(visit) if each.user.id == visit.path("user_id")), None)
    if member is None:
        raise Refusal(Code.NOT_FOUND, "The project has no such member any more.")
    return project_frame.show(
        visit, project_frame.enter(visit), "project_member_remove.html", tab="members", member=member
    )


def remove(visit: Visit) -> Response:
    user_id = UserId(visit.path("user_id"))
    project_members.remove(visit.portal.platform, visit.actor, project_id(visit), user_id, now=visit.now)
    return visit.go(f"/projects/{project_id(visit)}/members")


def ask_leave(visit: Visit) -> Response:
    return project_frame.show(visit, project_frame.enter(visit), "project_leave.html", tab="members")


def leave(visit: Visit) -> Response:
    sight = project_frame.enter(visit)
    project_members.leave(visit.portal.platform, visit.actor, project_id(visit), now=visit.now)
    return visit.go(f"/organizations/{sight.project.organization_id}/projects")


def _members(visit: Visit) -> tuple[ProjectMember, ...]:
    return project_members.list_all(visit.portal.platform, visit.actor, project_id(visit), now=visit.now)


def _form(visit: Visit, refusal: Refusal | None) -> Response:
    sight = project_frame.enter(visit)
    organization = sight.project.organization_id
    return project_frame.show(
        visit,
        sight,
        "project_member_set.html",
        tab="members",
        refusal=refusal,
        roles=_GIVEN,
        email=visit.fields.get("email") or visit.query("email"),
        role=visit.fields.get("role") or visit.query("role"),
        colleagues=people.list_members(visit.portal.platform, visit.actor, organization, now=visit.now),
    )


def _role(visit: Visit) -> ProjectRole:
    asked = visit.fields.get("role", "")
    if asked not in _GIVEN:
        raise Refusal(Code.INVALID, "Choose what the member may do: read, or administer.", field="role")
    return ProjectRole(asked)

"""Who belongs to an organization, in which role, and who is invited."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.responses import Response

from credenza.actions import invitations, people, permissions, roles
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CustomRoleId, Member, OrganizationId, OrganizationRole, UserId
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def show_list(visit: Visit) -> Response:
    return _page(visit)


def invite(visit: Visit) -> Response:
    """Invite somebody; the answer is the same whether the address has a user or not."""
    return _give_role(visit, invitations.invite, visit.fields.get("email", ""))


def withdraw(visit: Visit) -> Response:
    invitations.withdraw(
        visit.portal.platform, visit.actor, _organization(visit), visit.path("invitation_id"), now=visit.now
    )
    return visit.go(_list(visit))


def change_role(visit: Visit) -> Response:
    return _give_role(visit, people.set_member, _member(visit).user.email)


def ask_remove(visit: Visit) -> Response:
    return render(
        visit, "member_remove.html", section="members", organization_id=_organization(visit), member=_member(visit)
    )


def remove(visit: Visit) -> Response:
    people.remove_member(
        visit.portal.platform, visit.actor, _organization(visit), UserId(visit.path("user_id")), now=visit.now
    )
    return visit.go(_list(visit))


def _give_role(visit: Visit, give: Callable[..., object], email: str) -> Response:
    """Give somebody the form's role, in whichever way, and go back to the list."""
    platform, actor = visit.portal.platform, visit.actor
    try:
        role, custom_role_id = _role(visit)
        held = {"role": role, "custom_role_id": custom_role_id}
        give(platform, actor, _organization(visit), email=email, **held, now=visit.now)
    except Refusal as refusal:
        return _page(visit, refusal)
    return visit.go(_list(visit))


def _page(visit: Visit, refusal: Refusal | None = None) -> Response:
    organization_id, platform = _organization(visit), visit.portal.platform
    members = people.list_members(platform, visit.actor, organization_id, now=visit.now)
    may = permissions.in_organization(platform, visit.actor, organization_id, now=visit.now)
    may_invite = Action.INVITATION_SEND in may
    return render(
        visit,
        "members.html",
        section="members",
        organization_id=organization_id,
        refusal=refusal,
        members=members,
        may_change=Action.MEMBER_SET in may,
        may_remove=Action.MEMBER_REMOVE in may,
        may_invite=may_invite,
        may_withdraw=Action.INVITATION_WITHDRAW in may,
        roles=tuple(each for each in OrganizationRole if each is not OrganizationRole.CUSTOM),
        custom_roles=roles.list_all(platform, visit.actor, organization_id, now=visit.now),
        invited=invitations.list_open(platform, visit.actor, organization_id, now=visit.now) if may_invite else (),
    )


def _member(visit: Visit) -> Member:
    members = people.list_members(visit.portal.platform, visit.actor, _organization(visit), now=visit.now)
    found = next((each for each in members if each.user.id == visit.path("user_id")), None)
    if found is None:
        raise Refusal(Code.NOT_FOUND, "The organization has no such member.")
    return found


def _role(visit: Visit) -> tuple[OrganizationRole, CustomRoleId | None]:
    """What was chosen: the name of a role of every organization, or the id of one of its own."""
    chosen = visit.fields.get("role", "")
    if _UUID.fullmatch(chosen):
        return OrganizationRole.CUSTOM, CustomRoleId(chosen)
    try:
        return OrganizationRole(chosen), None
    except ValueError:
        raise Refusal(Code.INVALID, "Choose a role.", field="role") from None


def _organization(visit: Visit) -> OrganizationId:
    return OrganizationId(visit.path("organization_id"))


def _list(visit: Visit) -> str:
    return f"/organizations/{_organization(visit)}/members"

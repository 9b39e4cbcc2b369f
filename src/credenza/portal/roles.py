"""Settings: roles that the organization makes of single actions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from credenza.actions import people, permissions, roles
from credenza.domain.access import CARRIED, PERMISSIONS, Action, On
from credenza.domain.custom_roles import LONGEST_NAME, CustomRole
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CustomRoleId, OrganizationId
from credenza.portal.rendering import render
from credenza.portal.visit import Visit


def _(text: str) -> str:
    """Mark a text for translation; it is translated when it is shown."""
    return text


_AREAS = (
    (_("API credentials"), ("api_credential", "api_secret")),
    (_("Accounts and workspaces"), ("account", "workspace")),
    (_("People and roles"), ("member", "invitation", "role")),
    (_("Organization"), ()),
    (_("All projects of the organization"), ()),
)
"""Where an action belongs by the first part of its name; the last two take the others, by what they are done to."""


@dataclass(frozen=True, slots=True)
class Area:
    """Actions that a form shows together."""

    title: str
    actions: tuple[Action, ...]


def show_list(visit: Visit) -> Response:
    place = (visit.portal.platform, visit.actor, _organization(visit))
    members = people.list_members(*place, now=visit.now)
    found = roles.list_all(*place, now=visit.now)
    return _render(
        visit,
        "settings_roles.html",
        roles=found,
        holders={role.id: [each for each in members if each.custom_role_id == role.id] for role in found},
        may=permissions.in_organization(*place, now=visit.now),
        actions=Action,
    )


def ask_new(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _form(visit, None)


def create(visit: Visit) -> Response:
    place = (visit.portal.platform, visit.actor, _organization(visit))
    try:
        roles.create(*place, name=visit.fields.get("name", ""), actions=_ticked(visit), now=visit.now)
    except Refusal as refusal:
        return _form(visit, None, refusal)
    return visit.go(_list(visit))


def ask_edit(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _form(visit, _role(visit))


def edit(visit: Visit) -> Response:
    role = _role(visit)
    place = (visit.portal.platform, visit.actor, _organization(visit), role.id)
    try:
        roles.edit(*place, name=visit.fields.get("name", ""), actions=_ticked(visit), now=visit.now)
    except Refusal as refusal:
        return _form(visit, role, refusal)
    return visit.go(_list(visit))


def ask_remove(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _render(visit, "role_remove.html", role=_role(visit))


def remove(visit: Visit) -> Response:
    role = _role(visit)
    try:
        roles.remove(visit.portal.platform, visit.actor, _organization(visit), role.id, now=visit.now)
    except Refusal as refusal:
        return _render(visit, "role_remove.html", refusal=refusal, role=role)
    return visit.go(_list(visit))


def _form(visit: Visit, role: CustomRole | None, refusal: Refusal | None = None) -> Response:
    """Show what a role is made of: as the form was sent, else as the role is."""
    kept = role.actions if role else frozenset()
    return _render(
        visit,
        "role_form.html",
        refusal=refusal,
        role=role,
        name=visit.fields.get("name", role.name if role else ""),
        ticked=frozenset(_ticked(visit)) if visit.fields else kept,
        areas=tuple(_areas()),
        longest=LONGEST_NAME,
    )


def _areas() -> Iterator[Area]:
    for title, _parts in _AREAS:
        yield Area(title, tuple(sorted(each for each in CARRIED if _area(each) == title)))


def _area(action: Action) -> str:
    first = action.partition(".")[0]
    of_project = PERMISSIONS[action].on is On.PROJECT
    return next((title for title, parts in _AREAS if first in parts), _AREAS[-1 if of_project else -2][0])


def _ticked(visit: Visit) -> tuple[str, ...]:
    return tuple(each for each in sorted(CARRIED) if visit.fields.get(f"action-{each}"))


def _role(visit: Visit) -> CustomRole:
    found = roles.list_all(visit.portal.platform, visit.actor, _organization(visit), now=visit.now)
    wanted = CustomRoleId(visit.path("role_id"))
    role = next((each for each in found if each.id == wanted), None)
    if role is None:
        raise Refusal(Code.NOT_FOUND, "The organization has no such role.")
    return role


def _render(visit: Visit, template: str, *, refusal: Refusal | None = None, **context: Any) -> Response:
    return render(visit, template, section="settings", organization_id=_organization(visit), refusal=refusal, **context)


def _organization(visit: Visit) -> OrganizationId:
    return OrganizationId(visit.path("organization_id"))


def _list(visit: Visit) -> str:
    return f"/organizations/{_organization(visit)}/settings/roles"

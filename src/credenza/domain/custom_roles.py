"""Roles that an organization makes of single actions (`access.CARRIED`). Whoever holds one may do these, and what every
member may."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from credenza.domain.access import CARRIED, PERMISSIONS, Action, On
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CustomRoleId, OrganizationId, OrganizationRole, ProjectRole
from credenza.domain.names import usual_name

LONGEST_NAME = 80
_TAKEN = frozenset(role.replace("_", " ") for role in (*OrganizationRole, *ProjectRole))


@dataclass(frozen=True, slots=True)
class CustomRole:
    id: CustomRoleId
    organization_id: OrganizationId
    name: str
    actions: frozenset[Action]
    created_at: datetime


def usual_role_name(name: str) -> str:
    """Bring a role's name into its usual form. None is named as the roles that are everywhere."""
    usual = usual_name(name, longest=LONGEST_NAME)
    if usual.casefold().replace("_", " ") in _TAKEN:
        raise Refusal(
            Code.DUPLICATE_NAME, f"{usual} is a role of every organization. Choose another name.", field="name"
        )
    return usual


def parse_actions(names: Iterable[str]) -> frozenset[Action]:
    """Read what a role is to be made of. Refuses what no such role can carry."""
    found = frozenset(map(_carried, names))
    if not found:
        raise Refusal(Code.INVALID, "A role allows at least one action. Choose one.", field="actions")
    return found


def _carried(name: str) -> Action:
    try:
        action = Action(name)
    except ValueError:
        raise Refusal(Code.INVALID, f"There is no action {name[:50]!r}.", field="actions") from None
    if action in CARRIED:
        return action
    raise Refusal(Code.INVALID, f"No role is made of {action}: {_reason(action)}.", field="actions")


def _reason(action: Action) -> str:
    permission = PERMISSIONS[action]
    if permission.device is not None:
        return "devices do it for themselves"
    if permission.on is On.PLATFORM:
        return "it is for the platform's operators"
    if permission.on is On.PROJECT:
        return "it belongs to the people of a project"
    return "every member may do it"

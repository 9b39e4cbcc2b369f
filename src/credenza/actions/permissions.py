"""What somebody may do in an organization: pages ask before they offer what would be refused."""

from __future__ import annotations

from datetime import datetime

from credenza.actions.context import Attempt, Platform, viewing
from credenza.domain.access import PERMISSIONS, Action, On, allowed
from credenza.domain.model import Actor, OrganizationId


def in_organization(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> frozenset[Action]:
    """Name the actions on the organization itself that the actor's role allows."""
    with viewing(platform, Attempt(actor, Action.ORGANIZATION_VIEW, now, organization_id=organization_id)) as act:
        on_it = (each for each, permission in PERMISSIONS.items() if permission.on is On.ORGANIZATION)
        return frozenset(each for each in on_it if allowed(actor, each, act.standing))

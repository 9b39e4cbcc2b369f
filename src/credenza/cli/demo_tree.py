"""The demo's tree: two accounts, with two workspaces each."""

from __future__ import annotations

from datetime import datetime

from credenza.actions import accounts, workspaces
from credenza.actions.context import Platform
from credenza.domain.model import Actor, OrganizationId

_TREE = {"Europe": ("Web-EU", "Apps-EU"), "North America": ("Web-US", "Apps-US")}


def seed(platform: Platform, operator: Actor, organization_id: OrganizationId, *, now: datetime) -> None:
    """Let a new organization's tree grow from the account and the workspace that it began with."""
    place = (platform, operator, organization_id)
    (first,) = accounts.list_all(*place, now=now)
    (inside,) = workspaces.list_all(*place, now=now)
    (home, (begun, *_)), *_ = _TREE.items()
    accounts.rename(*place, first.id, name=home, now=now)
    workspaces.rename(*place, inside.id, name=begun, now=now)
    ids = {home: first.id}
    for name in _TREE:
        ids[name] = ids.get(name) or accounts.create(*place, name=name, now=now).id
    for name, names in _TREE.items():
        for each in names:
            if each != begun:
                workspaces.create(*place, account_id=ids[name], name=each, now=now)

"""The list of a project's keys, or of its certificates, in one environment: what is asked for, and where it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from credenza.actions.projects_in_sight import ProjectInSight
from credenza.domain.lists import KeyOrder, KeyQuery, KeyState
from credenza.domain.model import Credential, EnvironmentName
from credenza.portal import key_views
from credenza.portal.lists import PAGE, Address, chosen
from credenza.portal.visit import Visit


def look(
    visit: Visit,
    sight: ProjectInSight,
    name: EnvironmentName,
    search: Callable[..., tuple[Credential, ...]],
    *,
    below: str = "",
) -> tuple[tuple[Credential, ...], dict[str, Any]]:
    """Search as the address asks; the list's own address is `below` the environment's. Returns what was found, and what
    the templates of lists are told of it."""
    text = visit.query("q").strip()
    wanted = KeyQuery(
        environment=name,
        state=chosen(visit, "state", KeyState.CURRENT),
        text=text,
        # What is sought by its name is looked for among names; and that order costs nothing, however many there are.
        order=chosen(visit, "order", KeyOrder.ALIAS if text else KeyOrder.EXPIRES),
        after=visit.query("after"),
        limit=PAGE + 1,
    )
    found = search(visit.portal.platform, visit.actor, sight.project.id, wanted, now=visit.now)
    filters = {"q": wanted.text, "state": "" if wanted.state is KeyState.CURRENT else wanted.state}
    return found[:PAGE], {
        "wanted": wanted,
        "views": key_views.views(visit, sight.project.id, found[:PAGE]),
        "more": len(found) > PAGE,
        "filtered": any(filters.values()) or bool(wanted.after),
        "address": Address(f"/projects/{sight.project.id}/{name.lower()}{below}", filters, wanted.order),
    }

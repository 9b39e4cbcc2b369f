"""The page behind a new key: what it is called, how programs use it, and whether its first call has arrived."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from credenza.actions import services, traces
from credenza.actions.projects_in_sight import ProjectInSight
from credenza.domain.model import Credential
from credenza.portal import key_files, key_views, project_frame
from credenza.portal.rendering import render
from credenza.portal.visit import Visit


def show(visit: Visit) -> Response:
    sight, key = project_frame.enter(visit), key_views.find(visit)
    return project_frame.show(
        visit,
        sight,
        "key_start.html",
        environment=key.environment,
        key=key,
        chain=key_files.chain_pem(visit.portal.platform, key),
        issuer=_origin(visit, key),
        url=url_of(visit, sight, key),
        **seen(visit, key),
    )


def part(visit: Visit) -> Response:
    """Whether the key was seen, for its stream."""
    key = key_views.find(visit)
    return render(visit, "parts/key_seen.html", key=key, **seen(visit, key))


def seen(visit: Visit, key: Credential) -> dict[str, Any]:
    """`tried` is a call that was refused: whoever waits for the first one wants to know of it too."""
    assert key.project_id is not None, "found as a key of its project"
    callers = traces.callers(visit.portal.platform, visit.actor, key.project_id, key.id, now=visit.now)
    admitted = next((each for each in callers if each.admitted), None)
    return {"seen": admitted, "tried": None if admitted or not callers else callers[0]}


def url_of(visit: Visit, sight: ProjectInSight, key: Credential) -> str:
    """Where a first call could go: to the first service of the environment."""
    assert key.environment is not None, "a signing key belongs to an environment"
    place = sight.project.environment(key.environment)
    used = {each.service_id for each in place.services} if place else set()
    catalog = services.list_live(visit.portal.platform, visit.actor, now=visit.now)
    found = (each.in_environment(key.environment) for each in catalog if each.id in used)
    prefix = next((where.path_prefix for where in found if where), "/")
    return _origin(visit, key) + prefix


def _origin(visit: Visit, key: Credential) -> str:
    """Where calls go and tokens come from."""
    assert key.environment is not None, "a signing key belongs to an environment"
    return visit.portal.gates.get(key.environment, "https://api.example.com")

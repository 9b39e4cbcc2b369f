"""What stands around every page of a project: its name, its tabs, and what the viewer may do."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from credenza.actions import projects_in_sight
from credenza.actions.projects_in_sight import ProjectInSight
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import EnvironmentName, ProjectId
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_ENVIRONMENTS = {name.lower(): name for name in EnvironmentName}


def project_id(visit: Visit) -> ProjectId:
    return ProjectId(visit.path("project_id"))


def enter(visit: Visit) -> ProjectInSight:
    return projects_in_sight.in_sight(visit.portal.platform, visit.actor, project_id(visit), now=visit.now)


def show(
    visit: Visit,
    sight: ProjectInSight,
    template: str,
    *,
    environment: EnvironmentName | None = None,
    tab: str = "",
    refusal: Refusal | None = None,
    **context: Any,
) -> Response:
    """Show a page of the project; `tab` is the one that is open, `environment` the one that it is about."""
    return render(
        visit,
        template,
        section="projects",
        organization_id=sight.project.organization_id,
        refusal=refusal,
        sight=sight,
        project=sight.project,
        may=sight.allowed,
        environment=environment,
        tab=tab or (environment.lower() if environment else ""),
        **context,
    )


def environment_of(visit: Visit) -> EnvironmentName:
    """Read the environment in the path."""
    found = _ENVIRONMENTS.get(visit.path("environment"))
    if found is None:
        raise Refusal(Code.NOT_FOUND, "There is no such page.")
    return found


def service_names(sight: ProjectInSight) -> dict[int, str]:
    return {each.service_id: each.name for place in sight.project.environments for each in place.services}

"""Where in a project a new credential goes, and how long it is valid there."""

from __future__ import annotations

from datetime import datetime

from credenza.actions.context import Act
from credenza.domain import lifecycle
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Environment, EnvironmentName, Project
from credenza.store import services


def place_in(project: Project, environment: EnvironmentName | None) -> Environment:
    """Find the environment of the project that is meant; it may be left out while the project has one only."""
    if environment is None and len(project.environments) == 1:
        return project.environments[0]
    if environment is None:
        raise Refusal(Code.INVALID, "Say which: SANDBOX or PRODUCTION.", field="environment")
    place = project.environment(environment)
    if place is None:
        raise Refusal(
            Code.PROJECT_STATUS,
            f"The project has no {environment} environment yet. Request it first: "
            f"POST /projects/{project.id}/environments",
            field="environment",
        )
    return place


def end_in(act: Act, place: Environment) -> datetime:
    """Say until when a credential that begins now may serve all services of the place."""
    used = [each.service_id for each in place.services]
    return lifecycle.shortest(act.now, services.load_places(act.connection, used, place.name))

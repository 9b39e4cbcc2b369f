"""A certification request looked at while it is pasted or chosen, before it is sent for real."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from credenza.actions import csr_checks
from credenza.domain.model import EnvironmentName, ProjectId, ProjectType
from credenza.portal.rendering import render
from credenza.portal.visit import Visit
from credenza.protocol.csr import Check


def check(visit: Visit) -> Response:
    request = visit.files.get("file", b"") or visit.fields.get("csr", "").encode()
    found = _checks(visit, request) if request.strip() else ()
    return render(visit, "parts/csr_checks.html", checks=found)


def _checks(visit: Visit, request: bytes) -> Sequence[Check]:
    """For a certificate of a project that is there, also what was used before and what the environment asks for."""
    platform, project_type = visit.portal.platform, _project_type(visit)
    project, environment = visit.fields.get("project", ""), visit.fields.get("environment", "")
    if project_type is ProjectType.MTLS and project and environment in set(EnvironmentName):
        place = (visit.actor, ProjectId(project), EnvironmentName(environment))
        return csr_checks.check_for_certificate(platform, *place, request, now=visit.now)
    return csr_checks.check(platform, visit.actor, request, project_type, now=visit.now)


def _project_type(visit: Visit) -> ProjectType:
    """Read what the project will speak; where it is still to be chosen, the form says so with the service."""
    chosen = visit.fields.get("service", "").rpartition(" ")[2]
    asked = chosen or visit.fields.get("project_type", "")
    return ProjectType(asked) if asked in set(ProjectType) else ProjectType.OAUTH2_FAPI

"""A certification request looked at while it is pasted or chosen, before it is sent for real."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import csr_checks
from credenza.domain.model import ProjectType
from credenza.portal.rendering import render
from credenza.portal.visit import Visit


def check(visit: Visit) -> Response:
    request = visit.files.get("file", b"") or visit.fields.get("csr", "").encode()
    found = (
        csr_checks.check(visit.portal.platform, visit.actor, request, _project_type(visit), now=visit.now)
        if request.strip()
        else ()
    )
    return render(visit, "parts/csr_checks.html", checks=found)


def _project_type(visit: Visit) -> ProjectType:
    """Read what the project will speak; where it is still to be chosen, the form says so with the service."""
    asked = visit.fields.get("project_type") or visit.fields.get("service", "").rpartition(" ")[2]
    return ProjectType(asked) if asked in set(ProjectType) else ProjectType.OAUTH2_FAPI

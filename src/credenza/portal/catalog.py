"""An API of the catalog, as whoever asks for a client secret has to know it. Operators change it on the server: nobody
signs in here as one."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import services
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import EnvironmentName, OrganizationId
from credenza.portal.rendering import render
from credenza.portal.visit import Visit


def show(visit: Visit) -> Response:
    found = services.list_live(visit.portal.platform, visit.actor, now=visit.now)
    named = visit.path("service_id")
    service = next((each for each in found if str(each.id) == named and each.entry.scope_level is not None), None)
    if service is None:
        raise Refusal(Code.SERVICE_NOT_FOUND, "The catalog has no such API.")
    return render(
        visit,
        "settings_api.html",
        section="settings",
        organization_id=OrganizationId(visit.path("organization_id")),
        service=service,
        entry=service.entry,
        environments=tuple(EnvironmentName),
    )

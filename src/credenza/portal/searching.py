"""The search of an organization: projects and keys by what somebody has at hand."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import search
from credenza.domain.model import OrganizationId
from credenza.portal import key_views
from credenza.portal.rendering import render
from credenza.portal.visit import Visit


def show(visit: Visit) -> Response:
    organization_id, text = OrganizationId(visit.path("organization_id")), visit.query("q").strip()
    found = search.find(visit.portal.platform, visit.actor, organization_id, text, now=visit.now)
    return render(
        visit,
        "search.html",
        organization_id=organization_id,
        text=text,
        projects=found.by_name,
        keys=tuple(key_views.view(each, None, now=visit.now) for each in found.keys),
        clients=found.clients,
        limit=search.LIMIT,
    )

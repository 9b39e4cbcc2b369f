"""The services that a project uses, by environment."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import project_services, services
from credenza.domain import lifecycle
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import EnvironmentName, Project, Service, ServiceId
from credenza.portal import project_frame
from credenza.portal.payload_protection import protections
from credenza.portal.project_frame import project_id
from credenza.portal.visit import Visit


def show(visit: Visit) -> Response:
    sight = project_frame.enter(visit)
    known = {each.id: each for each in _catalog(visit)}
    found = protections(known.values())
    return project_frame.show(visit, sight, "project_services.html", tab="services", known=known, protections=found)


def ask_add(visit: Visit) -> Response:
    return _form(visit, None)


def add(visit: Visit) -> Response:
    try:
        service_id, name = _chosen(visit)
        project_services.add(visit.portal.platform, visit.actor, project_id(visit), name, service_id, now=visit.now)
    except Refusal as refusal:
        return _form(visit, refusal)
    return visit.go(f"/projects/{project_id(visit)}/services")


def addable(project: Project, catalog: tuple[Service, ...]) -> tuple[tuple[Service, EnvironmentName], ...]:
    """What the project could use as well, and where."""
    fitting = [each for each in catalog if each.authentication in lifecycle.accepted(project)]
    return tuple(
        (service, place.name)
        for place in project.environments
        for service in fitting
        if service.in_environment(place.name) and service.id not in {each.service_id for each in place.services}
    )


def _form(visit: Visit, refusal: Refusal | None) -> Response:
    sight = project_frame.enter(visit)
    return project_frame.show(
        visit,
        sight,
        "project_service_add.html",
        tab="services",
        refusal=refusal,
        addable=addable(sight.project, _catalog(visit)),
    )


def _catalog(visit: Visit) -> tuple[Service, ...]:
    return services.list_live(visit.portal.platform, visit.actor, now=visit.now)


def _chosen(visit: Visit) -> tuple[ServiceId, EnvironmentName]:
    number, _, name = visit.fields.get("service", "").partition(" ")
    if not number.isdecimal() or name not in set(EnvironmentName):
        raise Refusal(Code.INVALID, "Choose a service.", field="service")
    return ServiceId(int(number[:9])), EnvironmentName(name)

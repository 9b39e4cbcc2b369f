"""Projects: the list of an organization, making one, and what is set for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from credenza.actions import projects, projects_in_sight, services
from credenza.actions.projects import NewCredential, NewEnvironment, NewProject, ProjectEdit
from credenza.actions.projects_in_sight import ProjectInSight
from credenza.domain.errors import Code, Refusal
from credenza.domain.lists import ProjectOrder, ProjectQuery
from credenza.domain.model import (
    AuthenticationType,
    Credential,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    ProjectType,
    Service,
    ServiceId,
)
from credenza.portal import new_certificate, new_key, project_frame, repeats, texts
from credenza.portal.lists import PAGE, Address, chosen
from credenza.portal.project_frame import environment_of, project_id
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_SPOKEN = {
    AuthenticationType.OAUTH10A: (ProjectType.OAUTH10A,),
    AuthenticationType.DUAL_OAUTH: (ProjectType.OAUTH10A, ProjectType.OAUTH2_FAPI),
    AuthenticationType.OAUTH2_FAPI: (ProjectType.OAUTH2_FAPI,),
    AuthenticationType.MTLS: (ProjectType.MTLS,),
}
"""What a project of a service may speak."""

_NAME_WRONG = Refusal(Code.INVALID, "Nothing was deleted: type the name exactly as it is shown.", field="name")


def show_list(visit: Visit) -> Response:
    organization_id = OrganizationId(visit.path("organization_id"))
    wanted = _wanted(visit)
    page = projects_in_sight.search_page(visit.portal.platform, visit.actor, organization_id, wanted, now=visit.now)
    filters = {"q": wanted.text, "type": wanted.type or "", "environment": wanted.environment or ""}
    return render(
        visit,
        "projects.html",
        section="projects",
        organization_id=organization_id,
        rows=page.rows[:PAGE],
        more=len(page.rows) > PAGE,
        may_create=page.may_create,
        wanted=wanted,
        filtered=any(filters.values()),
        address=Address(f"/organizations/{organization_id}/projects", filters, wanted.order),
        types=(ProjectType.OAUTH10A, ProjectType.OAUTH2_FAPI, ProjectType.MTLS),
        environments=tuple(EnvironmentName),
    )


def ask_new(visit: Visit) -> Response:
    return _new(visit, None)


def create(visit: Visit) -> Response:
    organization_id = OrganizationId(visit.path("organization_id"))
    try:
        service_id, project_type = _service(visit)
        new = NewProject(
            type=project_type,
            name=_read_name(visit),
            region="",
            service_id=service_id,
            environment=_environment(visit),
            credential=_credential(visit, project_type),
        )
        made = projects.create(
            visit.portal.platform, visit.actor, organization_id, new, now=visit.now, once=repeats.once(visit)
        )
    except Refusal as refusal:
        return _new(visit, refusal)
    return _go_to_start(visit, made.credentials[0])


def go(visit: Visit) -> Response:
    """Open the first environment that the project has."""
    sight = project_frame.enter(visit)
    return visit.go(f"/projects/{sight.project.id}/{sight.project.environments[0].name.lower()}")


def ask_environment(visit: Visit) -> Response:
    return _environment_form(visit, None)


def add_environment(visit: Visit) -> Response:
    name = environment_of(visit)
    try:
        new = NewEnvironment(name, _credential(visit, project_frame.enter(visit).project.type))
        view = projects.add_environment(
            visit.portal.platform, visit.actor, project_id(visit), new, now=visit.now, once=repeats.once(visit)
        )
    except Refusal as refusal:
        return _environment_form(visit, refusal)
    made = next(each for each in view.credentials if each.environment is name)
    return _go_to_start(visit, made)


def show_settings(visit: Visit) -> Response:
    return _settings(visit)


def change(visit: Visit) -> Response:
    try:
        edit = ProjectEdit(name=_read_name(visit), ambiguous_readings="ambiguous_readings" in visit.fields)
        projects.change(visit.portal.platform, visit.actor, project_id(visit), edit, now=visit.now)
    except Refusal as refusal:
        return _settings(visit, refusal)
    return visit.go(f"/projects/{project_id(visit)}/settings?saved=1")


def ask_delete(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _deletion(visit, None)


def delete(visit: Visit) -> Response:
    sight = project_frame.enter(visit)
    if visit.fields.get("name", "").strip() != sight.project.name:
        return _deletion(visit, _NAME_WRONG)
    projects.delete(visit.portal.platform, visit.actor, project_id(visit), now=visit.now)
    return visit.go(f"/organizations/{sight.project.organization_id}/projects")


def _read_name(visit: Visit) -> str:
    wrong = Refusal(
        Code.INVALID, "Give the project a name of 1 to 120 characters, none of them invisible.", field="name"
    )
    return texts.read_name(visit, wrong)


def _credential(visit: Visit, project_type: ProjectType) -> NewCredential:
    """Read what the project or environment begins with: an mTLS project with a certificate, any other with a key."""
    return new_certificate.read(visit) if project_type is ProjectType.MTLS else new_key.read(visit)


def _go_to_start(visit: Visit, made: Credential) -> Response:
    place = "keys" if made.kind is CredentialKind.SIGNING_KEY else "certificates"
    return visit.go(f"/projects/{made.project_id}/{place}/{made.id}/start")


def _wanted(visit: Visit) -> ProjectQuery:
    project_type, environment = visit.query("type"), visit.query("environment")
    return ProjectQuery(
        text=visit.query("q").strip(),
        type=ProjectType(project_type) if project_type in set(ProjectType) else None,
        environment=EnvironmentName(environment) if environment in set(EnvironmentName) else None,
        order=chosen(visit, "order", ProjectOrder.NAME),
        after=visit.query("after"),
        limit=PAGE + 1,
    )


def _new(visit: Visit, refusal: Refusal | None) -> Response:
    organization_id = OrganizationId(visit.path("organization_id"))
    base = f"/organizations/{organization_id}/projects"
    offered = tuple(_offered(services.list_live(visit.portal.platform, visit.actor, now=visit.now)))
    return render(
        visit,
        "project_new.html",
        section="projects",
        organization_id=organization_id,
        refusal=refusal,
        offered=offered,
        environments=tuple(EnvironmentName),
        **new_key.form(visit, f"{base}/new", base, ProjectType.OAUTH2_FAPI, new_key.Thing.EITHER),
    )


def _offered(found: tuple[Service, ...]) -> Iterator[tuple[Service, ProjectType]]:
    for service in found:
        for project_type in _SPOKEN.get(service.authentication, ()):
            yield service, project_type


def _service(visit: Visit) -> tuple[ServiceId, ProjectType]:
    number, _, project_type = visit.fields.get("service", "").partition(" ")
    if not number.isdecimal() or project_type not in set(ProjectType):
        raise Refusal(Code.INVALID, "Choose the service that the project uses first.", field="service")
    return ServiceId(int(number[:9])), ProjectType(project_type)


def _environment(visit: Visit) -> EnvironmentName:
    asked = visit.fields.get("environment", "")
    if asked not in set(EnvironmentName):
        raise Refusal(Code.INVALID, "Choose where the project begins: sandbox or production.", field="environment")
    return EnvironmentName(asked)


def _environment_form(visit: Visit, refusal: Refusal | None) -> Response:
    sight, name = project_frame.enter(visit), environment_of(visit)
    base = f"/projects/{sight.project.id}/{name.lower()}/request"
    return project_frame.show(
        visit,
        sight,
        "project_environment.html",
        environment=name,
        refusal=refusal,
        **_form(visit, sight, name, base),
    )


def _form(visit: Visit, sight: ProjectInSight, name: EnvironmentName, base: str) -> dict[str, Any]:
    if sight.project.type is ProjectType.MTLS:
        return new_certificate.form(visit, sight, name, base, base)
    return new_key.form(visit, base, base, sight.project.type)


def _settings(visit: Visit, refusal: Refusal | None = None) -> Response:
    sight, saved = project_frame.enter(visit), bool(visit.query("saved"))
    return project_frame.show(visit, sight, "project_settings.html", tab="settings", refusal=refusal, saved=saved)


def _deletion(visit: Visit, refusal: Refusal | None) -> Response:
    sight = project_frame.enter(visit)
    return project_frame.show(visit, sight, "project_delete.html", tab="settings", refusal=refusal)

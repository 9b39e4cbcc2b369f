"""Projects over HTTP: the paths of contracts 1.2, and our own view of a project."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request, Response

from credenza.actions import project_members, project_services, projects, projects_in_sight, upgrades
from credenza.actions.context import organization_of
from credenza.actions.project_view import ProjectView
from credenza.api import answers, new_credentials, paging, service_keys
from credenza.api.asked import Asked, Caller, EnvironmentPath, OrganizationPath, ProjectPath, UserPath
from credenza.api.idempotency import Repeatable
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Address,
    Company,
    EnvironmentName,
    OrganizationId,
    ProjectId,
    ProjectRole,
    ProjectType,
    ServiceId,
    UserId,
)
from credenza.wire import people as wire_people
from credenza.wire import projects as wire


def create(asked: Caller, once: Repeatable, new: wire.NewProject) -> wire.Project:
    """Create a project in the caller's organization, with its first environment and credential: all or nothing."""
    wanted = projects.NewProject(
        type=_type(new.type),
        name=new.name,
        region=new.region,
        service_id=ServiceId(new.service.service_id),
        environment=EnvironmentName(new.environment),
        credential=new_credentials.any_of(new.credential),
        company=_company(new.company),
        commercial_countries=new.commercial_countries,
    )
    organization_id = organization_of(asked.actor)
    with new_credentials.of_type(new.credential.type):
        view = projects.create(asked.platform, asked.actor, organization_id, wanted, now=asked.now, once=once)
    return answers.project(view, asked.actor, now=asked.now)


def list_own(
    asked: Caller,
    request: Request,
    response: Response,
    limit: paging.LimitIfAny = None,
    cursor: paging.Cursor = None,
) -> Sequence[wire.ProjectSummary]:
    """List the projects that the caller sees in its organization, by id."""
    return _list(asked, organization_of(asked.actor), request, response, limit, cursor)


def list_of_organization(
    asked: Caller,
    organization_id: OrganizationPath,
    request: Request,
    response: Response,
    limit: paging.LimitIfAny = None,
    cursor: paging.Cursor = None,
) -> Sequence[wire.ProjectSummary]:
    """List the projects of an organization that the caller sees, by id."""
    return _list(asked, OrganizationId(organization_id), request, response, limit, cursor)


def _list(
    asked: Asked,
    organization_id: OrganizationId,
    request: Request,
    response: Response,
    limit: int | None,
    cursor: str | None,
) -> Sequence[wire.ProjectSummary]:
    found = projects_in_sight.list_all(
        asked.platform,
        asked.actor,
        organization_id,
        after=cursor,
        limit=None if limit is None else limit + 1,
        now=asked.now,
    )
    if limit is not None:
        found = tuple(paging.page(request, response, found, limit, lambda view: view.project.id))
    return [answers.project_summary(view, now=asked.now) for view in found]


def get(asked: Caller, project_id: ProjectPath) -> wire.Project:
    view = projects.get(asked.platform, asked.actor, ProjectId(project_id), now=asked.now)
    return answers.project(view, asked.actor, now=asked.now)


def get_details(asked: Caller, project_id: ProjectPath) -> wire.ProjectDetails:
    view = projects.get(asked.platform, asked.actor, ProjectId(project_id), now=asked.now)
    return answers.project_details(view, asked.actor, now=asked.now)


def change(asked: Caller, project_id: ProjectPath, edit: wire.ProjectEdit) -> wire.Project:
    """Change name, company or commercial countries; what the request leaves out stays as it is."""
    wanted = projects.ProjectEdit(
        name=edit.name,
        company=_company(edit.company),
        commercial_countries=edit.commercial_countries,
        ambiguous_readings=edit.ambiguous_readings,
    )
    view = projects.change(asked.platform, asked.actor, ProjectId(project_id), wanted, now=asked.now)
    return answers.project(view, asked.actor, now=asked.now)


def delete(asked: Caller, project_id: ProjectPath) -> Response:
    """Delete a project and revoke its credentials; the answer comes when no gate admits any of them."""
    return answers.reach(projects.delete(asked.platform, asked.actor, ProjectId(project_id), now=asked.now))


def add_environment(
    asked: Caller, once: Repeatable, project_id: ProjectPath, new: wire.NewEnvironment
) -> wire.Environment:
    """Request the project's other environment, with a credential of its own."""
    name = EnvironmentName(new.name)
    wanted = projects.NewEnvironment(name, new_credentials.any_of(new.credential))
    with new_credentials.of_type(new.credential.type):
        view = projects.add_environment(
            asked.platform, asked.actor, ProjectId(project_id), wanted, now=asked.now, once=once
        )
    return _environment(view, name, asked)


def add_service(
    asked: Caller,
    once: Repeatable,
    project_id: ProjectPath,
    environment_name: EnvironmentPath,
    new: wire.NewProjectService,
) -> wire.Environment:
    """Let the project use one more service in an environment, with the service credentials that it begins with: all of
    them or nothing."""
    if new.environment is not None and new.environment.name != environment_name:
        raise Refusal(Code.INVALID, "The path names another environment than the body.", field="environment.name")
    name = EnvironmentName(environment_name)
    details = None if new.environment is None else new.environment.service_details
    view = project_services.add(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        name,
        ServiceId(new.service_id),
        keys=tuple(service_keys.of_shape(each) for each in details.credentials) if details else (),
        now=asked.now,
        once=once,
    )
    return _environment(view, name, asked)


def list_members(asked: Caller, project_id: ProjectPath) -> list[wire_people.Member]:
    found = project_members.list_all(asked.platform, asked.actor, ProjectId(project_id), now=asked.now)
    return [answers.member(each) for each in found]


def set_member(asked: Caller, once: Repeatable, project_id: ProjectPath, new: wire.NewTeamMember) -> wire_people.Member:
    """Put a member of the organization on the project, or change the role there."""
    member = project_members.set_role(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        email=new.email,
        role=ProjectRole(new.role),
        now=asked.now,
        once=once,
    )
    return answers.member(member)


def remove_member(asked: Caller, project_id: ProjectPath, user_id: UserPath) -> None:
    project_members.remove(asked.platform, asked.actor, ProjectId(project_id), UserId(user_id), now=asked.now)


def upgrade(asked: Caller, once: Repeatable, project_id: ProjectPath) -> wire.ProjectDetails:
    """Let all keys of an OAuth 1.0a project, present and future, work with OAuth 2.0 as well. There is no way back."""
    view = upgrades.upgrade_to_oauth2(asked.platform, asked.actor, ProjectId(project_id), now=asked.now, once=once)
    return answers.project_details(view, asked.actor, now=asked.now)


def leave(asked: Caller, project_id: ProjectPath) -> None:
    """Take oneself off a project."""
    project_members.leave(asked.platform, asked.actor, ProjectId(project_id), now=asked.now)


def _type(wanted: wire.ProjectType) -> ProjectType:
    if wanted == "OPEN_BANKING_PARTNER":
        raise Refusal(
            Code.PROJECT_TYPE,
            "Projects of type OPEN_BANKING_PARTNER are not offered here; the types are OAUTH10A, OAUTH2_FAPI and MTLS.",
            field="type",
        )
    return ProjectType(wanted)


def _company(company: wire.NewCompany | None) -> Company | None:
    if company is None:
        return None
    address = None if company.address is None else Address(**company.address.model_dump())
    return Company(company.name, company.is_government_entity, address)


def _environment(view: ProjectView, name: EnvironmentName, asked: Asked) -> wire.Environment:
    place = view.project.environment(name)
    assert place is not None, "just added or just used"
    return answers.environment(view, place, now=asked.now)

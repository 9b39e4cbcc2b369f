"""Projects: create with first environment and credential, change, delete, add environments.

An environment begins with a credential: a signing key or a certificate that is issued, in two transactions with the
signature between them, or a certificate that is brought along, in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from credenza.actions import certificate_admission, issuing, oauth_keys, project_services
from credenza.actions.certificate_admission import Brought, NewCertificate, NewRequest
from credenza.actions.context import Act, Attempt, Once, Platform, acting, reserving, viewing
from credenza.actions.issuing import NewKey, Reservation
from credenza.actions.once import claim, settle
from credenza.actions.project_view import ProjectView, view_of
from credenza.domain import client_ids, lifecycle
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Actor,
    Approval,
    Company,
    CredentialId,
    Environment,
    EnvironmentName,
    OrganizationId,
    Project,
    ProjectId,
    ProjectService,
    ProjectType,
    Reach,
    Service,
    ServiceId,
    ServiceStatus,
    Status,
)
from credenza.protocol.csr import CertificationRequest
from credenza.store import changes, credentials, leases, people, projects, services

NewCredential: TypeAlias = NewKey | NewRequest | NewCertificate

_CLIENT_ID_BYTES = 36  # 48 characters of base64url


@dataclass(frozen=True, slots=True)
class NewProject:
    type: ProjectType
    name: str
    region: str
    service_id: ServiceId
    environment: EnvironmentName
    credential: NewCredential
    company: Company | None = None
    commercial_countries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewEnvironment:
    name: EnvironmentName
    credential: NewCredential


@dataclass(frozen=True, slots=True)
class ProjectEdit:
    """What to change; None leaves it as it is."""

    name: str | None = None
    company: Company | None = None
    commercial_countries: tuple[str, ...] | None = None
    ambiguous_readings: bool | None = None


def create(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    new: NewProject,
    *,
    now: datetime,
    once: Once | None = None,
) -> ProjectView:
    """Make a project with its first environment, service and credential: all of them or nothing."""
    attempt = Attempt(actor, Action.PROJECT_CREATE, now, organization_id=organization_id, once=once)
    first = NewEnvironment(new.environment, new.credential)
    project = _first_project(platform, attempt, organization_id, new)
    if isinstance(new.credential, NewCertificate):
        return _create_at_once(platform, attempt, first, project, new, new.credential)
    request = _read(platform, attempt, new.credential)
    with reserving(platform, attempt) as act:
        claimed = claim(act, ProjectView)
        if claimed.answer is not None:
            return claimed.answer
        used = _check_new(act, project, new)
        reservation = _reserve(act, claimed.reservation, project, first, request, used)
    return _complete(platform, attempt, request, reservation, first, used, made=project)


def get(platform: Platform, actor: Actor, project_id: ProjectId, *, now: datetime) -> ProjectView:
    with viewing(platform, Attempt(actor, Action.PROJECT_VIEW, now, project_id=project_id)) as act:
        return view_of(act, project_id)


def change(platform: Platform, actor: Actor, project_id: ProjectId, edit: ProjectEdit, *, now: datetime) -> ProjectView:
    """Rename, or change company, commercial countries or how the gate reads an ambiguous query."""
    with acting(platform, Attempt(actor, Action.PROJECT_CHANGE, now, project_id=project_id)) as act:
        project = act.the_project
        _check_countries(platform, edit.commercial_countries or ())
        changed = replace(
            project,
            name=project.name if edit.name is None else edit.name,
            company=project.company if edit.company is None else edit.company,
            commercial_countries=(
                project.commercial_countries if edit.commercial_countries is None else edit.commercial_countries
            ),
            ambiguous_readings=(
                project.ambiguous_readings if edit.ambiguous_readings is None else edit.ambiguous_readings
            ),
        )
        projects.update_project(act.connection, changed)
        changes.record(act.connection, act.organization_id, changes.ChangeKind.PROJECT, project_id)
        act.note(project_id, _what_changed(project, changed))
        return view_of(act, project_id)


def delete(platform: Platform, actor: Actor, project_id: ProjectId, *, now: datetime) -> Reach:
    """Delete a project and revoke everything in it; returns when no gate admits any of it."""
    with acting(platform, Attempt(actor, Action.PROJECT_DELETE, now, project_id=project_id)) as act:
        for key in credentials.list_of_project(act.connection, project_id):
            if key.status is not Status.REVOKED:
                credentials.mark_revoked(act.connection, key.id, reason="project deleted", now=now)
        projects.mark_deleted(act.connection, project_id, now=now)
        number = changes.record(act.connection, act.organization_id, changes.ChangeKind.PROJECT, project_id)
        act.note(project_id, act.the_project.name)
    return leases.await_reach(platform.database.records, number, lease=platform.policy.lease)


def add_environment(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    new: NewEnvironment,
    *,
    now: datetime,
    once: Once | None = None,
) -> ProjectView:
    """Add the project's other environment, with the services it already uses and a credential of its own."""
    attempt = Attempt(actor, Action.ENVIRONMENT_ADD, now, project_id=project_id, once=once)
    if isinstance(new.credential, NewCertificate):
        return _add_at_once(platform, attempt, new, new.credential)
    request = _read(platform, attempt, new.credential)
    with reserving(platform, attempt) as act:
        claimed = claim(act, ProjectView)
        if claimed.answer is not None:
            return claimed.answer
        _check_absent(act.the_project, new.name)
        used = _services_for(act, new.name)
        reservation = _reserve(act, claimed.reservation, act.the_project, new, request, used)
    return _complete(platform, attempt, request, reservation, new, used)


def _first_project(platform: Platform, attempt: Attempt, organization_id: OrganizationId, new: NewProject) -> Project:
    return Project(
        id=ProjectId(platform.new_id()),
        organization_id=organization_id,
        name=new.name,
        type=new.type,
        region=new.region,
        company=new.company,
        commercial_countries=new.commercial_countries,
        owner_id=attempt.actor.user_id,
        dual=False,
        ambiguous_readings=False,
        created_at=attempt.now,
        environments=(),
    )


def _check_new(act: Act, project: Project, new: NewProject) -> tuple[Service, ...]:
    """Check all that a new project needs but its credential; returns the services it begins with."""
    _check_countries(act.platform, new.commercial_countries)
    service = project_services.choose(act, project, new.environment, new.service_id)
    if projects.name_exists(act.connection, act.organization_id, new.name):
        raise projects.name_taken(new.name)
    return (service,)


def _read(platform: Platform, attempt: Attempt, credential: NewKey | NewRequest) -> CertificationRequest:
    if isinstance(credential, NewRequest):
        return certificate_admission.read_request(platform, attempt, credential.csr)
    return issuing.read_request(platform, attempt, credential.csr)


def _reserve(
    act: Act,
    earlier: str | None,
    project: Project,
    new: NewEnvironment,
    request: CertificationRequest,
    used: tuple[Service, ...],
) -> Reservation:
    """Admit what the environment begins with, and put on record what will be signed for it."""
    key_id = None
    if isinstance(new.credential, NewRequest):
        certificate_admission.admit_request(act, project, new.name, request)
        key_id = CredentialId(act.platform.new_id())
    else:
        oauth_keys.admit_key(act, project, request)
    return issuing.reserve(
        act, earlier, new.name, issuing.subject_of(request), ends_at=_first_end(used, new.name, act.now), key_id=key_id
    )


def _complete(
    platform: Platform,
    attempt: Attempt,
    request: CertificationRequest,
    reservation: Reservation,
    new: NewEnvironment,
    used: tuple[Service, ...],
    *,
    made: Project | None = None,
) -> ProjectView:
    """Sign, then store an environment with its services and credential; before it the project, when that is `made`."""
    subject = issuing.subject_of(request)
    issued = issuing.sign(platform, attempt, subject, reservation)
    with issuing.completing(platform, attempt, issued) as act:
        project, place = _insert_place(act, new.name, used, made)
        if isinstance(new.credential, NewRequest):
            holder = attempt.actor.user_id
            certificate_admission.insert_issued(act, project, place, new.credential, request, issued, owner_id=holder)
        else:
            alias = new.credential.alias
            oauth_keys.insert_key(act, project, place, request, issued, alias=alias)
        act.note(project.id, made.name if made else new.name)
        return settle(act, view_of(act, project.id))


def _create_at_once(
    platform: Platform,
    attempt: Attempt,
    first: NewEnvironment,
    project: Project,
    new: NewProject,
    credential: NewCertificate,
) -> ProjectView:
    brought = certificate_admission.read_certificate(platform, attempt, credential)
    with acting(platform, attempt) as act:
        claimed = claim(act, ProjectView)
        if claimed.answer is not None:
            return claimed.answer
        used = _check_new(act, project, new)
        return _store_brought(act, brought, first, used, made=project)


def _add_at_once(platform: Platform, attempt: Attempt, new: NewEnvironment, credential: NewCertificate) -> ProjectView:
    brought = certificate_admission.read_certificate(platform, attempt, credential)
    with acting(platform, attempt) as act:
        claimed = claim(act, ProjectView)
        if claimed.answer is not None:
            return claimed.answer
        _check_absent(act.the_project, new.name)
        return _store_brought(act, brought, new, _services_for(act, new.name))


def _store_brought(
    act: Act, brought: Brought, new: NewEnvironment, used: tuple[Service, ...], *, made: Project | None = None
) -> ProjectView:
    project, place = _insert_place(act, new.name, used, made)
    certificate_admission.insert_brought(act, project, place, brought)
    act.note(project.id, made.name if made else new.name)
    return settle(act, view_of(act, project.id))


def _insert_place(
    act: Act, name: EnvironmentName, used: tuple[Service, ...], made: Project | None
) -> tuple[Project, Environment]:
    """Store the project when it is `made`, and its environment."""
    if made is not None:
        projects.insert_project(act.connection, made, limit=_limit(act))
    project = made or act.the_project
    return project, _insert_environment(act, project, name, used)


def _check_countries(platform: Platform, countries: tuple[str, ...]) -> None:
    allowed = platform.policy.commercial_countries
    refused = sorted(set(countries) - allowed) if allowed else []
    if refused:
        raise Refusal(
            Code.PROJECT_CONFIG,
            f"Not available in {', '.join(refused)}; available in {', '.join(sorted(allowed))}.",
            field="commercialCountries",
        )


def _check_absent(project: Project, environment: EnvironmentName) -> None:
    if project.environment(environment) is not None:
        raise Refusal(
            Code.DUPLICATE_ENVIRONMENT, f"The project already has its {environment} environment.", field="name"
        )


def _first_end(used: Sequence[Service], environment: EnvironmentName, now: datetime) -> datetime:
    return lifecycle.shortest(now, [where for each in used if (where := each.in_environment(environment))])


def _services_for(act: Act, environment: EnvironmentName) -> tuple[Service, ...]:
    """The services the project uses elsewhere that are offered here as well."""
    used = {each.service_id for place in act.the_project.environments for each in place.services}
    live = (each for each in services.load(act.connection, used) if each.status is ServiceStatus.LIVE)
    return tuple(each for each in live if each.in_environment(environment))


def _insert_environment(act: Act, project: Project, name: EnvironmentName, used: tuple[Service, ...]) -> Environment:
    client_id = client_ids.spell(act.platform.random(_CLIENT_ID_BYTES))
    approved = tuple(ProjectService(each.id, each.name, Approval.APPROVED) for each in used)
    place = Environment(name, client_id, approved)
    projects.insert_environment(act.connection, project, place, now=act.now)
    return place


def _limit(act: Act) -> int:
    organization = people.find_organization(act.connection, act.organization_id)
    assert organization is not None, "the organization is locked by this transaction"
    return organization.project_limit


def _what_changed(before: Project, after: Project) -> str:
    fields = ("name", "company", "commercial_countries", "ambiguous_readings")
    return ", ".join(name for name in fields if getattr(before, name) != getattr(after, name))

"""The services that a project uses in an environment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from credenza.actions import issuing, service_key_admission
from credenza.actions.context import Act, Attempt, Once, Platform, acting, reserving
from credenza.actions.once import claim, settle
from credenza.actions.places import place_in
from credenza.actions.project_view import ProjectView, view_of
from credenza.actions.service_key_admission import NewServiceKey
from credenza.domain import lifecycle
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Actor,
    Approval,
    EnvironmentName,
    Project,
    ProjectId,
    ProjectService,
    Service,
    ServiceId,
    ServiceStatus,
)
from credenza.store import changes, projects, services


def add(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    environment: EnvironmentName,
    service_id: ServiceId,
    *,
    keys: Sequence[NewServiceKey] = (),
    now: datetime,
    once: Once | None = None,
) -> ProjectView:
    """Let the project use one more service in an environment, with the service credentials that it begins with: all of
    them or nothing; gates know it within their next look."""
    attempt = Attempt(actor, Action.ENVIRONMENT_SERVICE_ADD, now, project_id=project_id, once=once)
    if keys:
        return _add_with_keys(platform, attempt, environment, service_id, keys)
    with acting(platform, attempt) as act:
        claimed = claim(act, ProjectView)
        if claimed.answer is not None:
            return claimed.answer
        _use(act, environment, _admit(act, environment, service_id))
        return settle(act, view_of(act, project_id))


def choose(act: Act, project: Project, environment: EnvironmentName, service_id: ServiceId) -> Service:
    """Find a service that the project may use in the environment."""
    service = services.find(act.connection, service_id)
    if service is None or service.status is not ServiceStatus.LIVE:
        raise Refusal(
            Code.SERVICE_NOT_FOUND, f"No service {service_id}. List them with: GET /services", field="serviceId"
        )
    lifecycle.admit_service(project, service.authentication)
    if service.in_environment(environment) is None:
        raise Refusal(
            Code.PROJECT_CONFIG, f"The service {service.name} is not offered in {environment}.", field="environment"
        )
    return service


def _add_with_keys(
    platform: Platform,
    attempt: Attempt,
    environment: EnvironmentName,
    service_id: ServiceId,
    keys: Sequence[NewServiceKey],
) -> ProjectView:
    offered = [service_key_admission.read(platform, attempt, each) for each in keys]
    with reserving(platform, attempt) as act:
        claimed = claim(act, ProjectView)
        if claimed.answer is not None:
            return claimed.answer
        service = _admit(act, environment, service_id)
        place = place_in(act.the_project, environment)
        reservations = service_key_admission.reserve(act, claimed.reservation, place, service, offered)
    certified = service_key_admission.certify(platform, attempt, offered, reservations)
    with issuing.completing_each(platform, attempt, tuple(each.issued for each in certified)) as act:
        _use(act, environment, _admit(act, environment, service_id))
        place = place_in(act.the_project, environment)
        for each in certified:
            service_key_admission.insert(act, place, service_id, each)
        act.note(act.the_project.id, f"{act.detail} with {len(certified)} service credentials")
        return settle(act, view_of(act, act.the_project.id))


def _admit(act: Act, environment: EnvironmentName, service_id: ServiceId) -> Service:
    place = place_in(act.the_project, environment)
    service = choose(act, act.the_project, environment, service_id)
    if service_id in {each.service_id for each in place.services}:
        raise projects.service_known(service_id, environment)
    return service


def _use(act: Act, environment: EnvironmentName, service: Service) -> None:
    used = ProjectService(service.id, service.name, Approval.APPROVED)
    projects.insert_project_service(act.connection, act.the_project, environment, used, now=act.now)
    # Not a mere addition: gates hold the entitlements of keys they already know.
    changes.record(act.connection, act.organization_id, changes.ChangeKind.PROJECT, act.the_project.id)
    act.note(act.the_project.id, f"{environment} service {service.id}")

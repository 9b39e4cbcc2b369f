"""Service credentials of a project: add, activate, revoke, find (product rows A4-A9).

They protect payloads between the project and one service in one environment. Of an encryption key for responses and of
a key that verifies signatures one is active at a time, and activation swaps; keys that requests are encrypted with are
the platform's own, and several are active so that clients can go over from one to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from credenza.actions import issuing, revocation
from credenza.actions import service_key_admission as admission
from credenza.actions.context import Act, Attempt, Once, Platform, acting, reserving, viewing
from credenza.actions.once import claim, settle
from credenza.actions.revocation import Revoked
from credenza.actions.service_key_admission import NewServiceKey
from credenza.domain import lifecycle
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.lists import ServiceKeyQuery
from credenza.domain.model import (
    SERVICE_KINDS,
    Actor,
    Approval,
    ChangeNumber,
    Credential,
    CredentialId,
    Environment,
    EnvironmentName,
    Project,
    ProjectId,
    Reach,
    Service,
    ServiceId,
)
from credenza.store import changes, credentials, service_keys, services


def add(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    service_id: ServiceId,
    new: NewServiceKey,
    environment: EnvironmentName | None,
    *,
    now: datetime,
    once: Once | None = None,
) -> Credential:
    """Certify a key of the client's, or make one here. `environment` may be left out when the project uses the service
    in one only."""
    attempt = Attempt(actor, Action.SERVICE_KEY_ADD, now, project_id=project_id, once=once)
    offered = admission.read(platform, attempt, new)
    with reserving(platform, attempt) as act:
        claimed = claim(act, Credential)
        if claimed.answer is not None:
            return claimed.answer
        place = place_of(act.the_project, service_id, environment)
        reservations = admission.reserve(act, claimed.reservation, place, _service(act, service_id), [offered])
    (certified,) = admission.certify(platform, attempt, [offered], reservations)
    with issuing.completing_each(platform, attempt, (certified.issued,)) as act:
        place = place_of(act.the_project, service_id, place.name)
        made = admission.insert(act, place, service_id, certified)
        act.note(made.id, f"{place.name} service {service_id} {made.status} {made.alias}")
        return settle(act, made)


@dataclass(frozen=True, slots=True)
class Activated:
    """A key that is active now, and how far that had got when it was answered."""

    credential: Credential
    reach: Reach


def activate(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    service_id: ServiceId,
    key_id: CredentialId,
    *,
    now: datetime,
) -> Activated:
    """Put a key in the place of the active one, which becomes INACTIVE; returns when every gate has changed over. To
    activate it once more changes nothing, and waits as well."""
    attempt = Attempt(actor, Action.SERVICE_KEY_ACTIVATE, now, project_id=project_id)
    with acting(platform, attempt) as act:
        key = _key(act, service_id, key_id)
        number = _swap(act, key)
        key = _key(act, service_id, key_id)
    return Activated(key, revocation.await_reach(platform, number))


def revoke(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    service_id: ServiceId,
    key_id: CredentialId,
    *,
    reason: str,
    now: datetime,
) -> Revoked:
    """Revoke a key; returns when no gate uses it any more. A second revocation changes nothing and waits as well."""
    attempt = Attempt(actor, Action.SERVICE_KEY_REVOKE, now, project_id=project_id)
    with acting(platform, attempt) as act:
        key = _key(act, service_id, key_id)
        number = _revoke(act, key, reason=reason)
        key = _key(act, service_id, key_id)
    return Revoked(key, revocation.await_reach(platform, number))


def get(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    service_id: ServiceId,
    key_id: CredentialId,
    *,
    now: datetime,
) -> Credential:
    with viewing(platform, Attempt(actor, Action.SERVICE_KEY_VIEW, now, project_id=project_id)) as act:
        return _key(act, service_id, key_id)


def list_page(
    platform: Platform, actor: Actor, project_id: ProjectId, wanted: ServiceKeyQuery, *, now: datetime
) -> tuple[Credential, ...]:
    """List the project's service credentials by id, as `wanted` asks."""
    with viewing(platform, Attempt(actor, Action.SERVICE_KEY_LIST, now, project_id=project_id)) as act:
        return service_keys.list_page(act.connection, project_id, wanted, now=now)


def place_of(project: Project, service_id: ServiceId, environment: EnvironmentName | None) -> Environment:
    """Find the environment that is meant: the project must be approved for the service there."""
    using = [each for each in project.environments if _approval(each, service_id) is not None]
    if not using:
        raise Refusal(Code.SERVICE_NOT_FOUND, f"The project does not use service {service_id}.", field="serviceId")
    if environment is None and len(using) > 1:
        raise Refusal(Code.INVALID, "Say which: SANDBOX or PRODUCTION.", field="environment")
    place = next((each for each in using if environment in (None, each.name)), None)
    if place is None:
        raise Refusal(
            Code.PROJECT_STATUS,
            f"The project does not use service {service_id} in {environment}. Add it there first: "
            f"POST /projects/{project.id}/environments/{environment}/services",
            field="environment",
        )
    if _approval(place, service_id) is not Approval.APPROVED:
        raise Refusal(
            Code.PROJECT_STATUS,
            f"The project is not approved for service {service_id} in {place.name} yet.",
            field="environment",
        )
    return place


def _approval(place: Environment, service_id: ServiceId) -> Approval | None:
    return next((each.status for each in place.services if each.service_id == service_id), None)


def _service(act: Act, service_id: ServiceId) -> Service:
    service = services.find(act.connection, service_id)
    assert service is not None, "the project uses it"
    return service


def _swap(act: Act, key: Credential) -> ChangeNumber:
    act.note(key.id, f"{key.environment} service {key.service_id}")
    if not lifecycle.activate(key, now=act.now):
        return changes.current(act.connection)
    replaced = service_keys.make_room(act.connection, service_keys.place_of(key), now=act.now)
    service_keys.mark_active(act.connection, key.id)
    if replaced:
        act.note(key.id, f"{act.detail} in place of {', '.join(replaced)}")
    return _announce(act)


def _revoke(act: Act, key: Credential, *, reason: str) -> ChangeNumber:
    act.note(key.id, reason)
    place = service_keys.place_of(key)
    others = service_keys.count_usable(act.connection, place, but_for=key.id, now=act.now)
    if not lifecycle.revoke_service_key(key, other_active=others, now=act.now):
        return changes.current(act.connection)
    credentials.mark_revoked(act.connection, key.id, reason=reason, now=act.now)
    return _announce(act)


def _announce(act: Act) -> ChangeNumber:
    return changes.record(act.connection, act.organization_id, changes.ChangeKind.SERVICE_KEY, act.the_project.id)


def _key(act: Act, service_id: ServiceId, key_id: CredentialId) -> Credential:
    found = credentials.find(act.connection, key_id)
    if found is None or found.kind not in SERVICE_KINDS:
        raise credentials.not_found()
    if (found.project_id, found.service_id) != (act.the_project.id, service_id):
        raise credentials.not_found()
    return found

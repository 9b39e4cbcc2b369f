"""OAuth signing keys of a project: add by CSR, rotate, renew, revoke, list (product rows B3, B5-B9, B15, A1-A3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from credenza.actions import issuing, predecessors, revocation
from credenza.actions.context import Act, Attempt, Once, Platform, acting, reserving, viewing
from credenza.actions.issuing import Issued, NewKey, Reservation, Subject
from credenza.actions.once import claim, settle
from credenza.actions.places import end_in, place_in
from credenza.actions.revocation import Revoked
from credenza.domain import lifecycle
from credenza.domain.access import Action
from credenza.domain.lists import KeyQuery
from credenza.domain.model import (
    Actor,
    Credential,
    CredentialId,
    CredentialKind,
    Environment,
    EnvironmentName,
    Project,
    ProjectId,
    Status,
)
from credenza.protocol import public_key
from credenza.protocol.csr import CertificationRequest
from credenza.store import changes, credentials


def add_by_csr(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    new: NewKey,
    environment: EnvironmentName | None,
    *,
    predecessor_id: CredentialId | None = None,
    now: datetime,
    once: Once | None = None,
) -> Credential:
    """Certify a new key. `environment` may be left out when the project has one only. `predecessor_id` is the key that
    it is to replace: OAuth 2.0 keys are not rotated, and one is linked to the other like this (settled 7 and 30)."""
    attempt = Attempt(actor, Action.KEY_ADD, now, project_id=project_id, once=once)
    request = issuing.read_request(platform, attempt, new.csr)
    with reserving(platform, attempt) as act:
        claimed = claim(act, Credential)
        if claimed.answer is not None:
            return claimed.answer
        place = place_in(act.the_project, environment)
        predecessors.check(act, predecessor_id, CredentialKind.SIGNING_KEY, place.name)
        admit_key(act, act.the_project, request)
        subject = issuing.subject_of(request)
        reservation = _reserve(act, claimed.reservation, place, subject)
    return _complete(platform, attempt, request, subject, reservation, new.alias, place, predecessor_id)


def rotate(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    key_id: CredentialId,
    new: NewKey,
    *,
    now: datetime,
    once: Once | None = None,
) -> Credential:
    """Certify a successor: a new key id beside the old one, under the same client id, both valid (product row B8)."""
    attempt = Attempt(actor, Action.KEY_ROTATE, now, project_id=project_id, once=once)
    request = issuing.read_request(platform, attempt, new.csr)
    with reserving(platform, attempt) as act:
        claimed = claim(act, Credential)
        if claimed.answer is not None:
            return claimed.answer
        predecessor = _credential(act, key_id)
        place = place_in(act.the_project, predecessor.environment)
        lifecycle.rotate(predecessor, _standing(act, act.the_project), now=now)
        admit_key(act, act.the_project, request)
        subject = issuing.subject_of(request)
        reservation = _reserve(act, claimed.reservation, place, subject)
    return _complete(platform, attempt, request, subject, reservation, new.alias, place, key_id)


def renew(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    key_id: CredentialId,
    *,
    now: datetime,
    once: Once | None = None,
) -> Credential:
    """Certify the same key for 13 more months under the same key id (product row B9, settled 8)."""
    attempt = Attempt(actor, Action.KEY_RENEW, now, project_id=project_id, once=once)
    with reserving(platform, attempt) as act:
        claimed = claim(act, Credential)
        if claimed.answer is not None:
            return claimed.answer
        credential = _credential(act, key_id)
        place = place_in(act.the_project, credential.environment)
        lifecycle.renew(credential, _standing(act, act.the_project), now=now)
        subject = _certified(credential)
        reservation = _reserve(act, claimed.reservation, place, subject, key_id=key_id)
    issued = issuing.sign(platform, attempt, subject, reservation)
    with issuing.completing(platform, attempt, issued) as act:
        # Looked at again: a revocation between the two transactions must not be undone by the second.
        credential = _signing_key(act, key_id)
        lifecycle.renew(credential, _standing(act, act.the_project), now=now)
        credentials.mark_renewed(act.connection, key_id, certificate_der=issued.der, not_after=reservation.not_after)
        changes.record(act.connection, act.organization_id, changes.ChangeKind.CREDENTIAL, key_id)
        act.note(key_id, f"until {reservation.not_after:%Y-%m-%dT%H:%M:%SZ}")
        return settle(act, _signing_key(act, key_id))


def revoke(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    key_id: CredentialId,
    *,
    keep_last: bool,
    reason: str,
    now: datetime,
) -> Revoked:
    """Revoke a key; returns when no gate admits it any more. A second revocation changes nothing and waits as well."""
    attempt = Attempt(actor, Action.KEY_REVOKE, now, project_id=project_id)
    with acting(platform, attempt) as act:
        key = _signing_key(act, key_id)
        number = revocation.revoke(act, key, keep_last=keep_last, reason=reason)
        key = _signing_key(act, key_id)
    return Revoked(key, revocation.await_reach(platform, number))


def get(platform: Platform, actor: Actor, project_id: ProjectId, key_id: CredentialId, *, now: datetime) -> Credential:
    with viewing(platform, Attempt(actor, Action.KEY_VIEW, now, project_id=project_id)) as act:
        return _signing_key(act, key_id)


def list_page(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    *,
    environment: EnvironmentName | None = None,
    status: Status | None = None,
    expiring: bool = False,
    text: str = "",
    after: str | None = None,
    limit: int,
    now: datetime,
) -> tuple[Credential, ...]:
    """List up to `limit` keys by key id, from the one after `after`."""
    with viewing(platform, Attempt(actor, Action.KEY_LIST, now, project_id=project_id)) as act:
        return credentials.list_page(
            act.connection,
            project_id,
            CredentialKind.SIGNING_KEY,
            environment=environment,
            status=status,
            expiring=expiring,
            text=text,
            after=after,
            limit=limit,
            now=now,
        )


@dataclass(frozen=True, slots=True)
class KeyInContext:
    """A key, and what stands around it. `other_active` counts the usable keys beside it in its environment."""

    credential: Credential
    other_active: int
    predecessor: Credential | None
    successors: tuple[Credential, ...]


def get_in_context(
    platform: Platform, actor: Actor, project_id: ProjectId, key_id: CredentialId, *, now: datetime
) -> KeyInContext:
    with viewing(platform, Attempt(actor, Action.KEY_VIEW, now, project_id=project_id)) as act:
        key = _signing_key(act, key_id)
        before = credentials.find(act.connection, key.predecessor_id) if key.predecessor_id else None
        others = credentials.count_other_active(act.connection, key, now=now)
        return KeyInContext(key, others, before, credentials.successors(act.connection, key_id))


def search_page(
    platform: Platform, actor: Actor, project_id: ProjectId, wanted: KeyQuery, *, now: datetime
) -> tuple[Credential, ...]:
    """List the project's keys as `wanted` asks."""
    with viewing(platform, Attempt(actor, Action.KEY_LIST, now, project_id=project_id)) as act:
        return credentials.search_page(act.connection, project_id, CredentialKind.SIGNING_KEY, wanted, now=now)


def admit_key(act: Act, project: Project, request: CertificationRequest) -> lifecycle.Admission:
    """Let the project take one more signing key: its type, the key's, its limit, and a key never seen before."""
    if credentials.is_key_known(act.connection, request.spki_sha256, but_for=project.id):
        raise credentials.key_known()
    standing = _standing(act, project)
    lifecycle.admit_key_algorithm(request.key_algorithm, standing)
    return lifecycle.admit(CredentialKind.SIGNING_KEY, standing)


def insert_key(
    act: Act,
    project: Project,
    place: Environment,
    request: CertificationRequest,
    issued: Issued,
    *,
    alias: str,
    predecessor_id: CredentialId | None = None,
) -> Credential:
    """Store a signed key. It is admitted again under the lock: only now is its place in the project taken."""
    admission = admit_key(act, project, request)
    if admission.must_be_freed:
        credentials.free_expired_slots(act.connection, project.id, now=act.now)
    credential = Credential(
        id=issued.reservation.key_id,
        organization_id=act.organization_id,
        kind=CredentialKind.SIGNING_KEY,
        project_id=project.id,
        environment=place.name,
        client_id=place.client_id,
        alias=alias,
        status=Status.ACTIVE,
        key_algorithm=request.key_algorithm,
        public_key_der=request.spki_der,
        spki_sha256=request.spki_sha256,
        certificate_der=issued.der,
        not_before=issued.reservation.not_before,
        not_after=issued.reservation.not_after,
        slot=admission.slot,
        owner_id=act.actor.user_id,
        predecessor_id=predecessor_id,
        created_at=act.now,
    )
    credentials.insert_credential(act.connection, credential)
    return credential


def _complete(
    platform: Platform,
    attempt: Attempt,
    request: CertificationRequest,
    subject: Subject,
    reservation: Reservation,
    alias: str,
    place: Environment,
    predecessor_id: CredentialId | None,
) -> Credential:
    issued = issuing.sign(platform, attempt, subject, reservation)
    with issuing.completing(platform, attempt, issued) as act:
        credential = insert_key(
            act, act.the_project, place, request, issued, alias=alias, predecessor_id=predecessor_id
        )
        act.note(credential.id, f"{place.name} {alias}")
        return settle(act, credential)


def _reserve(
    act: Act, earlier: str | None, place: Environment, subject: Subject, *, key_id: CredentialId | None = None
) -> Reservation:
    ends_at = end_in(act, place)
    return issuing.reserve(act, earlier, place.name, subject, ends_at=ends_at, key_id=key_id)


def _standing(act: Act, project: Project) -> lifecycle.Standing:
    slots = credentials.slots(act.connection, project.id, now=act.now)
    limit = act.platform.policy.oauth2_key_limit
    return lifecycle.Standing(project.type, project.dual, slots.taken, slots.ended, limit)


def _signing_key(act: Act, key_id: CredentialId) -> Credential:
    found = _credential(act, key_id)
    if found.kind is not CredentialKind.SIGNING_KEY:
        raise credentials.not_found()
    return found


def _credential(act: Act, credential_id: CredentialId) -> Credential:
    """Find it whatever its kind: what cannot be done to that kind is for `lifecycle` to say."""
    found = credentials.find(act.connection, credential_id)
    if found is None or found.project_id != act.the_project.id:
        raise credentials.not_found()
    return found


def _certified(credential: Credential) -> Subject:
    certificate = x509.load_der_x509_certificate(credential.certificate_der)
    key = public_key.parse(credential.public_key_der)
    return Subject(certificate.subject, key)

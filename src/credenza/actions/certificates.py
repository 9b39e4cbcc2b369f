"""mTLS certificates of a project: add by request or from a trusted authority, revoke, find (product rows C1-C8, C10).

A certificate is never renewed: one is added beside the other, under another subject, because a subject is accepted once
in an environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from credenza.actions import certificate_admission as admission
from credenza.actions import issuing, predecessors, revocation
from credenza.actions.certificate_admission import NewCertificate, NewRequest
from credenza.actions.context import Act, Attempt, Once, Platform, acting, reserving, viewing
from credenza.actions.once import claim, settle
from credenza.actions.places import end_in, place_in
from credenza.actions.revocation import Revoked
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.lists import KeyQuery
from credenza.domain.model import (
    Actor,
    Credential,
    CredentialId,
    CredentialKind,
    EnvironmentName,
    ProjectId,
    Status,
)
from credenza.store import credentials, mtls_certificates
from credenza.store.mtls_certificates import Anchor

_KIND = CredentialKind.MTLS_CERTIFICATE


def add_by_csr(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    new: NewRequest,
    environment: EnvironmentName | None,
    *,
    now: datetime,
    once: Once | None = None,
) -> Credential:
    """Issue a certificate. `environment` may be left out when the project has one only."""
    attempt = Attempt(actor, Action.CERTIFICATE_ADD, now, project_id=project_id, once=once)
    request = admission.read_request(platform, attempt, new.csr)
    subject = issuing.subject_of(request)
    with reserving(platform, attempt) as act:
        claimed = claim(act, Credential)
        if claimed.answer is not None:
            return claimed.answer
        place = place_in(act.the_project, environment)
        predecessors.check(act, new.predecessor_id, _KIND, place.name)
        admission.admit_request(act, act.the_project, place.name, request)
        reservation = issuing.reserve(
            act,
            claimed.reservation,
            place.name,
            subject,
            ends_at=end_in(act, place),
            key_id=CredentialId(platform.new_id()),
        )
    issued = issuing.sign(platform, attempt, subject, reservation)
    with issuing.completing(platform, attempt, issued) as act:
        credential = admission.insert_issued(act, act.the_project, place, new, request, issued, owner_id=actor.user_id)
        act.note(credential.id, f"{place.name} {new.alias}")
        return settle(act, credential)


def add_issued_elsewhere(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    new: NewCertificate,
    environment: EnvironmentName | None,
    *,
    now: datetime,
    once: Once | None = None,
) -> Credential:
    """Take a certificate of an authority that the environment trusts. Its end is its own."""
    attempt = Attempt(actor, Action.CERTIFICATE_ADD, now, project_id=project_id, once=once)
    brought = admission.read_certificate(platform, attempt, new)
    with acting(platform, attempt) as act:
        claimed = claim(act, Credential)
        if claimed.answer is not None:
            return claimed.answer
        place = place_in(act.the_project, environment)
        predecessors.check(act, new.predecessor_id, _KIND, place.name)
        credential = admission.insert_brought(act, act.the_project, place, brought)
        act.note(credential.id, f"{place.name} {new.alias}")
        return settle(act, credential)


def revoke(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    certificate_id: CredentialId,
    *,
    keep_last: bool,
    reason: str,
    now: datetime,
) -> Revoked:
    """Revoke a certificate; returns when no gate admits it any more. A second revocation changes nothing and waits as
    well."""
    attempt = Attempt(actor, Action.CERTIFICATE_REVOKE, now, project_id=project_id)
    with acting(platform, attempt) as act:
        held = _certificate(act, certificate_id)
        number = revocation.revoke(act, held, keep_last=keep_last, reason=reason)
        held = _certificate(act, certificate_id)
    return Revoked(held, revocation.await_reach(platform, number))


def get(
    platform: Platform, actor: Actor, project_id: ProjectId, certificate_id: CredentialId, *, now: datetime
) -> Credential:
    with viewing(platform, Attempt(actor, Action.CERTIFICATE_VIEW, now, project_id=project_id)) as act:
        return _certificate(act, certificate_id)


@dataclass(frozen=True, slots=True)
class CertificateInContext:
    """A certificate, and what stands around it. `other_active` counts the usable ones beside it in its environment;
    `chain` are the certificates (DER) of the authorities above it, its issuer first."""

    credential: Credential
    other_active: int
    chain: tuple[bytes, ...]
    predecessor: Credential | None
    successors: tuple[Credential, ...]


def get_in_context(
    platform: Platform, actor: Actor, project_id: ProjectId, certificate_id: CredentialId, *, now: datetime
) -> CertificateInContext:
    with viewing(platform, Attempt(actor, Action.CERTIFICATE_VIEW, now, project_id=project_id)) as act:
        held = _certificate(act, certificate_id)
        before = credentials.find(act.connection, held.predecessor_id) if held.predecessor_id else None
        return CertificateInContext(
            credential=held,
            other_active=credentials.count_other_active(act.connection, held, now=now),
            chain=_chain(act, held),
            predecessor=before,
            successors=credentials.successors(act.connection, held.id),
        )


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
    """List up to `limit` certificates by id, from the one after `after`; `text` is of alias, id or subject."""
    with viewing(platform, Attempt(actor, Action.CERTIFICATE_LIST, now, project_id=project_id)) as act:
        return credentials.list_page(
            act.connection,
            project_id,
            _KIND,
            environment=environment,
            status=status,
            expiring=expiring,
            text=text,
            after=after,
            limit=limit,
            now=now,
        )


def search_page(
    platform: Platform, actor: Actor, project_id: ProjectId, wanted: KeyQuery, *, now: datetime
) -> tuple[Credential, ...]:
    """List the project's certificates as `wanted` asks."""
    with viewing(platform, Attempt(actor, Action.CERTIFICATE_LIST, now, project_id=project_id)) as act:
        return credentials.search_page(act.connection, project_id, _KIND, wanted, now=now)


def list_trusted(
    platform: Platform, actor: Actor, project_id: ProjectId, environment: EnvironmentName, *, now: datetime
) -> tuple[Anchor, ...]:
    """List the authorities whose certificates may be brought to an environment, our own left out."""
    with viewing(platform, Attempt(actor, Action.CERTIFICATE_LIST, now, project_id=project_id)) as act:
        return tuple(
            each
            for each in mtls_certificates.list_anchors(act.connection, environment)
            if each.trusted_authority_id and each.is_anchor
        )


def suggest_subject(
    platform: Platform, actor: Actor, project_id: ProjectId, environment: EnvironmentName, *, now: datetime
) -> dict[str, str]:
    """What the environment's policy asks of a subject, by attribute, `<unique>` left to fill in; empty without one."""
    with viewing(platform, Attempt(actor, Action.CERTIFICATE_LIST, now, project_id=project_id)) as act:
        return admission.suggest_subject(act, act.the_project, environment)


def release_subject(platform: Platform, actor: Actor, certificate_id: CredentialId, *, now: datetime) -> str:
    """Let the subject of a certificate that has ended be accepted again; returns the subject (settled 12)."""
    with acting(platform, Attempt(actor, Action.CERTIFICATE_SUBJECT_RELEASE, now)) as act:
        held = credentials.find(act.connection, certificate_id)
        if held is None or held.kind is not _KIND:
            raise Refusal(Code.CREDENTIAL_NOT_FOUND, "There is no such certificate.", field="credentialId")
        if held.status_at(now) not in (Status.REVOKED, Status.EXPIRED):
            # Two clients of one subject could be taken for each other (RFC 8705 2.1).
            raise Refusal(
                Code.NOT_ACTIVE,
                f"The certificate is {held.status_at(now)}: revoke it first, then release its subject.",
                field="credentialId",
            )
        released = mtls_certificates.release_subject(act.connection, certificate_id)
        if released is None:
            raise Refusal(Code.NOT_FOUND, "The subject of this certificate is released already.", field="credentialId")
        act.note(certificate_id, released)
        return released


def _certificate(act: Act, certificate_id: CredentialId) -> Credential:
    found = credentials.find(act.connection, certificate_id)
    if found is None or found.project_id != act.the_project.id or found.kind is not _KIND:
        raise credentials.not_found()
    return found


def _chain(act: Act, held: Credential) -> tuple[bytes, ...]:
    if held.provenance is not None:
        return held.provenance.chain
    return mtls_certificates.issuers_of(act.connection, held.id)

"""Devices that get and follow up their certificates by themselves (EST, RFC 7030): by a secret for one enrolment, then
by the certificate that is about to end.

Issuance is that of `certificates`, with the same rules. A device may lose an answer and ask again: the same request has
the same certificate, because its Idempotency-Key is made of what was shown and what was sent. The actor is what the
device has shown, the secret or the certificate itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from cryptography import x509

from credenza.actions import certificate_admission as admission
from credenza.actions import enrolment_secrets as secrets
from credenza.actions import issuing
from credenza.actions.certificate_admission import NewRequest
from credenza.actions.context import Act, Attempt, Once, Platform, recording, reserving
from credenza.actions.issuing import Reservation, Subject
from credenza.actions.once import claim, settle
from credenza.actions.places import end_in, place_in
from credenza.domain import access
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import EXPIRING
from credenza.domain.model import (
    Actor,
    ActorKind,
    Credential,
    CredentialId,
    CredentialKind,
    Environment,
    EnvironmentName,
    Status,
)
from credenza.protocol import distinguished_name, est
from credenza.protocol.csr import CertificationRequest
from credenza.protocol.errors import Malformed, Refused
from credenza.store import credentials, enrolment_secrets
from credenza.store.engine import reading
from credenza.store.enrolment_secrets import EnrolmentSecret

_KIND = CredentialKind.MTLS_CERTIFICATE


def enrol(
    platform: Platform, environment: EnvironmentName, secret: str, csr: bytes, *, address: str, now: datetime
) -> Credential:
    """Issue a device's first certificate (RFC 7030 4.2.1). Whatever is wrong with the secret, the refusal is the same;
    a request that is refused does not use it up."""
    shown = secrets.find(platform, secret)
    if shown is None or shown.environment is not environment:
        raise _unproven()
    actor = Actor(ActorKind.ENROLMENT_SECRET, shown.id, shown.owner_id, shown.organization_id, address=address)
    attempt = Attempt(actor, Action.CERTIFICATE_ENROL, now, project_id=shown.project_id, once=_once(actor, csr))
    request = _read_first(platform, attempt, shown, csr)
    subject = issuing.subject_of(request)
    with reserving(platform, attempt) as act:
        claimed = claim(act, Credential)
        if claimed.answer is not None:
            return claimed.answer
        _check_secret(act, shown)
        place = place_in(act.the_project, environment)
        admission.admit_request(act, act.the_project, environment, request)
        reservation = _reserve(act, claimed.reservation, place, subject)
    issued = issuing.sign(platform, attempt, subject, reservation)
    with issuing.completing(platform, attempt, issued) as act:
        if not enrolment_secrets.use(act.connection, shown.id, now=now):
            raise _unproven()
        new = NewRequest(shown.alias, csr)
        made = admission.insert_issued(act, act.the_project, place, new, request, issued, owner_id=shown.owner_id)
        act.note(made.id, f"{environment} {made.alias}")
        return settle(act, made)


def reenrol(
    platform: Platform, environment: EnvironmentName, presented: bytes, csr: bytes, *, address: str, now: datetime
) -> Credential:
    """Issue the successor of the certificate (DER) that a device has presented (RFC 7030 4.2.2): the same names, with
    the same key or a new one, in the last 90 days. The presented one stays as it is until its end.

    A certificate has one successor. Another request finds it, or is refused, as long as that one is good; so whoever
    has copied an old key cannot take a name back that has moved on.
    """
    held = _find_presented(platform, environment, presented)
    assert held.project_id is not None, "a certificate belongs to a project"
    actor = Actor(ActorKind.CERTIFICATE, held.id, None, held.organization_id, address=address)
    attempt = Attempt(actor, Action.CERTIFICATE_REENROL, now, project_id=held.project_id, once=_once(actor, csr))
    request = _read_next(platform, attempt, held, csr)
    subject = issuing.subject_of(request)
    with reserving(platform, attempt) as act:
        _check_renewable(act, held.id)  # a revoked one is not even told what it was told before
        claimed = claim(act, Credential)
        if claimed.answer is not None:
            return claimed.answer
        earlier = _successors(act, held)
        made = _made_before(earlier, request, now=now)
        if made is not None:
            return made
        successor_of = earlier[-1].id if earlier else held.id
        place = place_in(act.the_project, environment)
        admission.admit_request(act, act.the_project, environment, request, successor_of=successor_of)
        reservation = _reserve(act, claimed.reservation, place, subject)
    issued = issuing.sign(platform, attempt, subject, reservation)
    with issuing.completing(platform, attempt, issued) as act:
        _check_renewable(act, held.id)
        made = admission.insert_issued(
            act,
            act.the_project,
            place,
            NewRequest(held.alias, csr, held.id),
            request,
            issued,
            owner_id=held.owner_id,
            successor_of=successor_of,
        )
        act.note(made.id, f"{environment} {made.alias}, after {held.id}")
        return settle(act, made)


def _reserve(act: Act, earlier: str | None, place: Environment, subject: Subject) -> Reservation:
    identity, end = CredentialId(act.platform.new_id()), end_in(act, place)
    return issuing.reserve(act, earlier, place.name, subject, ends_at=end, key_id=identity)


def _once(actor: Actor, csr: bytes) -> Once:
    """The same request, by whoever has shown the same thing, is one request."""
    sent = hashlib.sha256(csr).hexdigest()
    return Once(f"est {actor.id} {sent}", sent)


# -------------------------------------------------------------------------------------------------- by a secret


def _read_first(platform: Platform, attempt: Attempt, shown: EnrolmentSecret, csr: bytes) -> CertificationRequest:
    """Read the request of a secret that may be good. One that was used may be shown for its answer, and for nothing
    else: what else is wrong with the request is not said."""
    with recording(platform, attempt):
        if shown.used_at is None and not shown.is_usable(attempt.now):
            raise _unproven()
    try:
        return admission.read_request(platform, attempt, csr)
    except Refusal as refusal:
        if shown.used_at is None:
            raise
        raise _unproven() from refusal


def _check_secret(act: Act, shown: EnrolmentSecret) -> None:
    """Look again under the project's lock. A secret gives no right that whoever made it has lost."""
    found = enrolment_secrets.find(act.connection, act.the_project.id, shown.id)
    if found is None or not found.is_usable(act.now):
        raise _unproven()
    maker = replace(act.actor, kind=ActorKind.SESSION)
    if shown.owner_id is not None and not access.allowed(maker, Action.CERTIFICATE_ADD, act.standing):
        raise _unproven()


def _unproven() -> Refusal:
    return Refusal(
        Code.UNAUTHENTICATED,
        "The enrolment secret is not valid here: unknown, used, expired or revoked. Have a new one made in the portal, "
        "or with: credenza enrolment create",
    )


# --------------------------------------------------------------------------------------------- by a certificate


def _find_presented(platform: Platform, environment: EnvironmentName, presented: bytes) -> Credential:
    with reading(platform.database.records) as connection:
        found = credentials.find_by_certificate(connection, presented)
    if found is None or (found.kind, found.environment) != (_KIND, environment):
        raise _disproven(f"The client certificate is none of this platform's in {environment}.")
    return found


def _read_next(platform: Platform, attempt: Attempt, held: Credential, csr: bytes) -> CertificationRequest:
    request = admission.read_request(platform, attempt, csr)
    with recording(platform, attempt):
        try:
            est.check_same_names(csr, x509.load_der_x509_certificate(held.certificate_der))
        except (Malformed, Refused) as error:
            raise Refusal(Code.INVALID_CSR, str(error), field="csr") from error
    return request


def _check_renewable(act: Act, held_id: CredentialId) -> None:
    held = credentials.find(act.connection, held_id)
    assert held is not None, "credentials are never deleted"
    if held.status_at(act.now) is not Status.ACTIVE:
        raise _disproven(
            f"The client certificate is {held.status_at(act.now)}. Enrol anew, with a new enrolment secret."
        )
    if held.provenance is not None:
        raise Refusal(
            Code.NOT_RENEWABLE,
            "The client certificate was issued elsewhere: have the next one issued there, and add it to the project.",
        )
    if held.not_after - act.now > EXPIRING:
        begins = held.not_after - EXPIRING
        raise Refusal(
            Code.NOT_RENEWABLE,
            f"The certificate may be followed by another one in its last {EXPIRING.days} days, from {begins:%Y-%m-%d}.",
        )


def _successors(act: Act, held: Credential) -> tuple[Credential, ...]:
    """What has followed a certificate under its own subject. Rotation by hand gives another one."""
    return tuple(each for each in credentials.successors(act.connection, held.id) if _subject(each) == _subject(held))


def _made_before(earlier: tuple[Credential, ...], request: CertificationRequest, *, now: datetime) -> Credential | None:
    """The successor that is there for this very key. One of another key is in the way."""
    good = [each for each in earlier if each.status_at(now) not in (Status.REVOKED, Status.EXPIRED)]
    if not good:
        return None
    if good[0].spki_sha256 == request.spki_sha256:
        return good[0]
    raise Refusal(
        Code.NOT_RENEWABLE,
        f"The certificate has a successor already, {good[0].id}. Call and re-enrol with that one; if its key was lost, "
        "have it revoked first.",
    )


def _subject(held: Credential) -> str:
    certificate = x509.load_der_x509_certificate(held.certificate_der)
    return distinguished_name.canonical(distinguished_name.of_name(certificate.subject))


def _disproven(why: str) -> Refusal:
    return Refusal(Code.UNAUTHENTICATED, why)

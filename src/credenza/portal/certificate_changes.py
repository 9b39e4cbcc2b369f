"""What is done to certificates: add one, put one after another, revoke."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from credenza.actions import certificates, traces
from credenza.actions.certificate_admission import NewCertificate
from credenza.actions.certificates import CertificateInContext
from credenza.domain.errors import Refusal
from credenza.domain.model import CredentialId, EnvironmentName, Status
from credenza.portal import key_changes, key_views, new_certificate, project_frame, repeats, texts
from credenza.portal.certificate_views import certificate_id
from credenza.portal.project_frame import environment_of, project_id
from credenza.portal.visit import Visit
from credenza.protocol.certificate import describe, parse

_LATELY = timedelta(hours=24)


def ask_add(visit: Visit) -> Response:
    return _form(visit, environment_of(visit), None)


def add(visit: Visit) -> Response:
    name = environment_of(visit)
    try:
        return _added(visit, name, None)
    except Refusal as refusal:
        return _form(visit, name, refusal)


def ask_replace(visit: Visit) -> Response:
    """Ask for a certificate that is to replace another: rotation is by adding (product row C7)."""
    found = _in_context(visit)
    return _form(visit, _environment(found), None, found)


def replace(visit: Visit) -> Response:
    found = _in_context(visit)
    try:
        return _added(visit, _environment(found), found.credential.id)
    except Refusal as refusal:
        return _form(visit, _environment(found), refusal, found)


def ask_revoke(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _revoke_form(visit, None)


def revoke(visit: Visit) -> Response:
    found = _in_context(visit)
    if found.credential.status is Status.REVOKED:
        return _revoke_form(visit, None)
    if visit.fields.get("word", "").strip() != key_changes.REVOKE:
        return _revoke_form(visit, key_changes.WORD_WRONG)
    try:
        done = certificates.revoke(
            visit.portal.platform,
            visit.actor,
            project_id(visit),
            certificate_id(visit),
            keep_last="last" not in visit.fields,
            reason=texts.read_text(visit, "reason"),
            now=visit.now,
        )
    except Refusal as refusal:
        return _revoke_form(visit, refusal)
    return key_changes.show_revoked(visit, done)


def _added(visit: Visit, name: EnvironmentName, predecessor_id: CredentialId | None) -> Response:
    new, place = new_certificate.read(visit, predecessor_id), (visit.actor, project_id(visit))
    platform, once = visit.portal.platform, repeats.once(visit)
    if isinstance(new, NewCertificate):
        made = certificates.add_issued_elsewhere(platform, *place, new, name, now=visit.now, once=once)
    else:
        made = certificates.add_by_csr(platform, *place, new, name, now=visit.now, once=once)
    return visit.go(f"/projects/{project_id(visit)}/certificates/{made.id}/start")


def _in_context(visit: Visit) -> CertificateInContext:
    place = (visit.actor, project_id(visit), certificate_id(visit))
    return certificates.get_in_context(visit.portal.platform, *place, now=visit.now)


def _environment(found: CertificateInContext) -> EnvironmentName:
    assert found.credential.environment is not None, "a certificate belongs to an environment"
    return found.credential.environment


def _form(
    visit: Visit, name: EnvironmentName, refusal: Refusal | None, found: CertificateInContext | None = None
) -> Response:
    sight = project_frame.enter(visit)
    if found is None:
        action = f"/projects/{sight.project.id}/{name.lower()}/certificates"
        here = f"{action}/new"
    else:
        here = action = f"/projects/{sight.project.id}/certificates/{found.credential.id}/replace"
    return project_frame.show(
        visit,
        sight,
        "certificate_new.html",
        environment=name,
        refusal=refusal,
        predecessor=found.credential if found else None,
        **new_certificate.form(visit, sight, name, here, action),
    )


def _revoke_form(visit: Visit, refusal: Refusal | None) -> Response:
    sight, found = project_frame.enter(visit), _in_context(visit)
    held = found.credential
    callers = traces.callers(visit.portal.platform, visit.actor, sight.project.id, held.id, now=visit.now)
    return project_frame.show(
        visit,
        sight,
        "certificate_revoke.html",
        environment=held.environment,
        refusal=refusal,
        held=held,
        certificate=describe(parse(held.certificate_der)),
        is_last=found.other_active == 0 and held.status_at(visit.now) is Status.ACTIVE,
        lately=tuple(each for each in callers if visit.now - each.last_seen_at < _LATELY),
        service_names=project_frame.service_names(sight),
        fingerprint=key_views.fingerprint(held.certificate_der),
        word=key_changes.REVOKE,
    )

"""Look at a certification request before it is sent for real: every rule, what came of it, and the cure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from credenza.actions import certificate_admission
from credenza.actions.context import Act, Attempt, Platform, viewing
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, EnvironmentName, ProjectId, ProjectType
from credenza.protocol import csr
from credenza.protocol.csr import CertificationRequest, Check
from credenza.protocol.errors import Malformed, Refused

_REFUSED = {
    Code.DUPLICATE_KEY: "the key was used before",
    Code.DUPLICATE_SUBJECT: "the subject was used before",
    Code.INVALID_CSR: "the subject breaks a rule of this environment",
}


def check(
    platform: Platform, actor: Actor, request: bytes, project_type: ProjectType, *, now: datetime
) -> tuple[Check, ...]:
    """Report on each rule that a project of this type applies. Nothing is stored."""
    with viewing(platform, Attempt(actor, Action.CSR_CHECK, now)):
        return _lint(platform, request, project_type)[0]


def check_for_certificate(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    environment: EnvironmentName,
    request: bytes,
    *,
    now: datetime,
) -> tuple[Check, ...]:
    """Report on each rule for a certificate of the project, those about its subject and what was used before among
    them. Nothing is stored."""
    with viewing(platform, Attempt(actor, Action.CERTIFICATE_LIST, now, project_id=project_id)) as act:
        checks, found = _lint(platform, request, ProjectType.MTLS)
        return checks if found is None else (*checks, *_admission(act, environment, found))


def _lint(
    platform: Platform, request: bytes, project_type: ProjectType
) -> tuple[tuple[Check, ...], CertificationRequest | None]:
    """Run the checks that the request alone decides; also returns the request when it passed them."""
    allow_ec, allow_p384 = project_type is not ProjectType.OAUTH10A, project_type is ProjectType.MTLS
    allow_sha1 = platform.policy.allow_sha1_requests
    checks = csr.lint(request, allow_ec=allow_ec, allow_p384=allow_p384, allow_sha1=allow_sha1)
    try:
        found = csr.parse(request, allow_ec=allow_ec, allow_p384=allow_p384, allow_sha1=allow_sha1)
    except (Malformed, Refused):
        return checks, None  # it failed above; a key that was refused is not computed with
    return (*checks, _known(platform.weak_keys.check(found.spki_der))), found


def _known(weakness: str | None) -> Check:
    if weakness is None:
        return Check("known_weak_key", ok=True, detail="no known weak key")
    return Check("known_weak_key", ok=False, detail=f"known to be weak: {weakness}", cure="Make a new key.")


def _admission(act: Act, environment: EnvironmentName, found: CertificationRequest) -> Iterator[Check]:
    try:
        certificate_admission.admit_request(act, act.the_project, environment, found)
    except Refusal as refusal:
        yield Check("unused", ok=False, detail=_REFUSED.get(refusal.code, "refused here"), cure=refusal.message)
    else:
        yield Check("unused", ok=True, detail="neither the key nor the subject was used before")

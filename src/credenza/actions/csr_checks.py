"""Look at a certification request before it is sent for real: every rule, what came of it, and the cure."""

from __future__ import annotations

from datetime import datetime

from credenza.actions.context import Attempt, Platform, viewing
from credenza.domain.access import Action
from credenza.domain.model import Actor, ProjectType
from credenza.protocol import csr
from credenza.protocol.csr import Check
from credenza.protocol.errors import Malformed, Refused


def check(
    platform: Platform, actor: Actor, request: bytes, project_type: ProjectType, *, now: datetime
) -> tuple[Check, ...]:
    """Report on each rule that a project of this type applies. Nothing is stored."""
    with viewing(platform, Attempt(actor, Action.CSR_CHECK, now)):
        allow_sha1 = platform.policy.allow_sha1_requests
        allow_ec = project_type is not ProjectType.OAUTH10A
        checks = csr.lint(request, allow_ec=allow_ec, allow_sha1=allow_sha1)
        try:
            found = csr.parse(request, allow_ec=allow_ec, allow_sha1=allow_sha1)
        except (Malformed, Refused):
            return checks  # it failed above; a key that was refused is not computed with
        weakness = platform.weak_keys.check(found.spki_der)
        return (*checks, _known(weakness))


def _known(weakness: str | None) -> Check:
    if weakness is None:
        return Check("known_weak_key", ok=True, detail="no known weak key")
    return Check("known_weak_key", ok=False, detail=f"known to be weak: {weakness}", cure="Make a new key.")

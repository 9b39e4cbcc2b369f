"""The credential that a new one is to replace: notices about it stop when the new one is in use (settled 30)."""

from __future__ import annotations

from credenza.actions.context import Act
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CredentialId, CredentialKind, EnvironmentName, Status
from credenza.store import credentials


def check(act: Act, predecessor_id: CredentialId | None, kind: CredentialKind, environment: EnvironmentName) -> None:
    """Refuse to follow what is not of this project, environment and kind, or what is revoked."""
    if predecessor_id is None:
        return
    found = credentials.find(act.connection, predecessor_id)
    here = (act.the_project.id, environment, kind)
    # One of another project is refused in the words of one that there is not: a stranger learns nothing of it.
    if found is None or (found.project_id, found.environment, found.kind) != here:
        raise Refusal(
            Code.CREDENTIAL_NOT_FOUND,
            f"The project has none like it in {environment} that a new one could replace.",
            field="predecessorId",
        )
    if found.status is Status.REVOKED:
        raise Refusal(
            Code.NOT_ACTIVE,
            "What it is to replace is revoked already: add the new one without naming that.",
            field="predecessorId",
        )

"""What signing keys have and no other credential: rotation and renewal (OAuth 1.0a)."""

from __future__ import annotations

from credenza.actions import oauth_keys
from credenza.actions.issuing import NewKey
from credenza.api import answers
from credenza.api.asked import Caller, CredentialPath, ProjectPath
from credenza.api.idempotency import Repeatable
from credenza.domain.model import CredentialId, ProjectId
from credenza.wire import credentials as wire


def rotate(
    asked: Caller, once: Repeatable, project_id: ProjectPath, credential_id: CredentialPath, new: wire.NewKey
) -> wire.Credential:
    """Certify a successor: a new key id beside the old one, both valid until the old one is revoked (OAuth 1.0a)."""
    successor = oauth_keys.rotate(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        CredentialId(credential_id),
        NewKey(new.alias, new.csr.encode()),
        now=asked.now,
        once=once,
    )
    return answers.credential(successor, now=asked.now)


def renew(asked: Caller, once: Repeatable, project_id: ProjectPath, credential_id: CredentialPath) -> wire.Credential:
    """Certify the same key for longer, under the same key id (OAuth 1.0a). Less secure than a rotation."""
    renewed = oauth_keys.renew(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        CredentialId(credential_id),
        now=asked.now,
        once=once,
    )
    return answers.credential(renewed, now=asked.now)

"""The end of a credential, whatever its kind: revoked in one transaction, answered when no gate admits it any more."""

from __future__ import annotations

from dataclasses import dataclass

from credenza.actions.context import Act, Platform
from credenza.domain import lifecycle
from credenza.domain.model import ChangeNumber, Credential, Reach
from credenza.store import changes, credentials, leases


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revoked credential, and how far the revocation had got when it was answered."""

    credential: Credential
    reach: Reach


def revoke(act: Act, credential: Credential, *, keep_last: bool, reason: str) -> ChangeNumber:
    """Revoke it; returns the change that the gates must have applied. A second revocation changes nothing."""
    act.note(credential.id, reason)
    others = credentials.count_other_active(act.connection, credential, now=act.now)
    if not lifecycle.revoke(credential, other_active=others, keep_last=keep_last, now=act.now):
        return changes.current(act.connection)
    credentials.mark_revoked(act.connection, credential.id, reason=reason, now=act.now)
    return changes.record(act.connection, act.organization_id, changes.ChangeKind.CREDENTIAL, credential.id)


def await_reach(platform: Platform, number: ChangeNumber) -> Reach:
    """Wait, outside any transaction, until every gate has confirmed the change or cannot admit anything any more."""
    return leases.await_reach(platform.database.records, number, lease=platform.policy.lease)

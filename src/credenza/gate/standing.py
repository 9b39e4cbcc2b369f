"""What the holder of a key may be taken for, whatever protocol has proven it."""

from __future__ import annotations

from datetime import datetime

from credenza.domain.model import CredentialKind, EnvironmentName, Status
from credenza.gate.decision import Code
from credenza.gate.keyring import Entry
from credenza.store.lookup import KeyRecord
from credenza.wire.decisions import Identity


def unfit(record: KeyRecord, environment: EnvironmentName | None, now: datetime) -> Code | None:
    """Say why a key proves nothing here, whatever it signed; outside that looks like a wrong signature."""
    of_account = record.kind is CredentialKind.ACCOUNT_KEY
    if record.status is Status.REVOKED or record.project_deleted or (of_account and record.owner_gone):
        return Code.REVOKED
    if record.status is not Status.ACTIVE:
        return Code.INACTIVE
    if not record.not_before <= now <= record.not_after:
        return Code.EXPIRED if now > record.not_after else Code.NOT_YET_VALID
    # The management API takes account keys and nothing else, the APIs behind the gate everything but them.
    return None if of_account is (environment is None) else Code.WRONG_KIND


def identity_of(entry: Entry, service_id: int | None) -> Identity:
    """Say who calls: the same value call after call, so that whoever passes it on can keep what it makes of it."""
    known = entry.identity
    if known is None or known.service_id != service_id:
        record = entry.record
        known = entry.identity = Identity(
            record.client_id,
            record.key_id,
            record.alias,
            record.organization_id,
            record.project_id,
            record.project_name,
            record.owner_id,
            record.environment,
            service_id,
            record.certificate_sha256,
        )
    return known

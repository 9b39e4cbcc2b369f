"""Account-level API keys over HTTP: the keys that sign calls of this API itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from credenza.actions import account_keys
from credenza.actions.issuing import NewKey
from credenza.api import answers
from credenza.api.asked import Caller, OrganizationPath
from credenza.api.credentials import Reason
from credenza.api.idempotency import Repeatable
from credenza.domain.model import CredentialId, OrganizationId
from credenza.wire import credentials as wire
from credenza.wire.shape import KeyId

KeyPath = Annotated[KeyId, Path(alias="key_id")]


def add(asked: Caller, once: Repeatable, organization_id: OrganizationPath, new: wire.NewKey) -> wire.AccountKey:
    """Certify a key that acts for the caller. Only a person may: not another such key."""
    added = account_keys.add(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        NewKey(new.alias, new.csr.encode()),
        now=asked.now,
        once=once,
    )
    return answers.account_key(added, now=asked.now)


def list_own(asked: Caller, organization_id: OrganizationPath) -> list[wire.AccountKey]:
    """List the caller's keys; an organization's admin sees everybody's."""
    found = account_keys.list_own(asked.platform, asked.actor, OrganizationId(organization_id), now=asked.now)
    return [answers.account_key(each, now=asked.now) for each in found]


def revoke(asked: Caller, organization_id: OrganizationPath, key_id: KeyPath, reason: Reason = "") -> Response:
    revoked = account_keys.revoke(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        CredentialId(key_id),
        reason=reason,
        now=asked.now,
    )
    return answers.reach(revoked.reach)

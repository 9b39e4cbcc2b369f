"""Account-level API keys: OAuth 1.0a keys of a person that call the management API itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from credenza.actions import access_tokens, issuing
from credenza.actions.context import Act, Attempt, Once, Platform, acting, holder_of, reserving, viewing
from credenza.actions.issuing import NewKey
from credenza.actions.once import claim, settle
from credenza.actions.revocation import Revoked
from credenza.domain import lifecycle
from credenza.domain.access import MACHINE_SCOPES, Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Actor,
    Credential,
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    ProjectType,
    Status,
    UserId,
)
from credenza.protocol.csr import CertificationRequest
from credenza.store import changes, credentials, leases

_ISSUED_IN = EnvironmentName.PRODUCTION  # the management API is not a sandbox
_SHORTEST = timedelta(days=1)


def add(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    new: NewKey,
    *,
    now: datetime,
    once: Once | None = None,
    owner: UserId | None = None,
) -> Credential:
    """Certify a key of the actor; an operator names the `owner`. A token makes no key that may do more than it, and one
    that ends with it at the latest."""
    attempt = Attempt(actor, Action.ACCOUNT_KEY_ADD, now, organization_id=organization_id, once=once)
    request = issuing.read_request(platform, attempt, new.csr)
    subject = issuing.subject_of(request)
    with reserving(platform, attempt) as act:
        claimed = claim(act, Credential)
        if claimed.answer is not None:
            return claimed.answer
        _check_scopes(actor)
        _admit(act, request)
        holder = holder_of(act, owner, "key")
        reservation = issuing.reserve(act, claimed.reservation, _ISSUED_IN, subject, ends_at=_end(act))
    issued = issuing.sign(platform, attempt, subject, reservation)
    with issuing.completing(platform, attempt, issued) as act:
        credential = Credential(
            id=reservation.key_id,
            organization_id=organization_id,
            kind=CredentialKind.ACCOUNT_KEY,
            project_id=None,
            environment=None,
            client_id=_client_id(platform, organization_id, holder),
            alias=new.alias,
            status=Status.ACTIVE,
            key_algorithm=request.key_algorithm,
            public_key_der=request.spki_der,
            spki_sha256=request.spki_sha256,
            certificate_der=issued.der,
            not_before=reservation.not_before,
            not_after=reservation.not_after,
            owner_id=holder,
            created_at=now,
        )
        credentials.insert_credential(act.connection, credential)
        act.note(credential.id, new.alias)
        return settle(act, credential)


def list_own(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> tuple[Credential, ...]:
    """List the actor's keys; an organization's admin and an operator see everybody's."""
    attempt = Attempt(actor, Action.ACCOUNT_KEY_LIST, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        owner_id = None if act.standing.sees_everybody else actor.user_id
        return credentials.list_account_keys(act.connection, organization_id, owner_id=owner_id)


def revoke(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    key_id: CredentialId,
    *,
    reason: str = "",
    now: datetime,
) -> Revoked:
    """Revoke an own key; an organization's admin and an operator revoke anybody's."""
    attempt = Attempt(actor, Action.ACCOUNT_KEY_REVOKE, now, organization_id=organization_id)
    with acting(platform, attempt) as act:
        credential = _get(act, key_id)
        if lifecycle.revoke(credential, other_active=1, keep_last=False, now=now):
            credentials.mark_revoked(act.connection, key_id, reason=reason, now=now)
        number = changes.record(act.connection, organization_id, changes.ChangeKind.CREDENTIAL, key_id)
        act.note(key_id, reason)
        credential = _get(act, key_id)
    return Revoked(credential, leases.await_reach(platform.database.records, number, lease=platform.policy.lease))


def _check_scopes(actor: Actor) -> None:
    """A key knows no scopes: whoever makes one gives away all that its owner may do with it."""
    lacking = sorted(MACHINE_SCOPES - actor.scopes) if actor.scopes else []
    if lacking:
        raise Refusal(
            Code.FORBIDDEN,
            f"An API key is not narrowed by scopes, and this token lacks {', '.join(lacking)}. Make the key with a "
            "token that has them.",
        )


def _end(act: Act) -> datetime:
    usual, latest = lifecycle.ends(act.now, None), access_tokens.end_of(act)
    if latest is None:
        return usual
    if latest - act.now < _SHORTEST:
        raise Refusal(
            Code.FORBIDDEN,
            "This token ends within a day, and no key outlives the token that makes it. Use a newer one.",
        )
    return min(usual, latest)


def _admit(act: Act, request: CertificationRequest) -> None:
    if credentials.is_key_known(act.connection, request.spki_sha256):
        raise credentials.key_known()
    # The management API is called with OAuth 1.0a, so the rule of such a project applies.
    lifecycle.admit_key_algorithm(request.key_algorithm, lifecycle.Standing(ProjectType.OAUTH10A, dual=False))


def _client_id(platform: Platform, organization_id: OrganizationId, owner: UserId) -> str:
    """One client id for all keys of a person in an organization, so that rotating one changes the key id alone."""
    digest = hmac.new(platform.pepper, f"client id\n{organization_id}\n{owner}".encode(), hashlib.sha384).digest()
    return base64.urlsafe_b64encode(digest[:36]).decode()


def _get(act: Act, key_id: CredentialId) -> Credential:
    found = credentials.find(act.connection, key_id)
    if (
        found is None
        or found.kind is not CredentialKind.ACCOUNT_KEY
        or found.organization_id != act.organization_id
        or not (act.standing.sees_everybody or found.owner_id == act.actor.user_id)
    ):
        raise Refusal(Code.CREDENTIAL_NOT_FOUND, "No such API key.", field="keyId")
    return found

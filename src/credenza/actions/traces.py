"""What calls leave behind, for the owner of a credential: why one was refused, and who calls (rows E2 and E3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from credenza.actions.context import Act, Attempt, Platform, viewing
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, CredentialId, CredentialKind, OrganizationId, ProjectId, Status
from credenza.store import api_credentials, credentials, traces
from credenza.store.engine import reading
from credenza.store.traces import Caller, StoredRefusal, Use

__all__ = [
    "Caller",
    "OAuth1Caller",
    "OAuth1Use",
    "RefusedCall",
    "Use",
    "callers",
    "oauth1_use",
    "refusal",
    "refusals",
    "uses",
    "uses_of_api_credentials",
]

_DAYS = 7
"""The days of the meter: a week has every weekday once."""


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A refused call, kept for an hour; `explanation` is what `gate.explanation` made of it, redacted."""

    id: str
    project_id: ProjectId | None
    credential_id: CredentialId
    at: datetime
    code: str
    explanation: Mapping[str, Any]


def refusal(platform: Platform, actor: Actor, refusal_id: str, *, now: datetime) -> RefusedCall:
    """Explain one refused call. Whoever may not see its project, or its account-level key, is told there is none."""
    with reading(platform.database.traces) as connection:
        stored = traces.find_refusal(connection, refusal_id, now=now)
    if stored is None:
        raise _none()
    try:
        return _visible(platform, actor, stored, now=now)
    except Refusal as refused:
        if refused.code in (Code.PROJECT_NOT_FOUND, Code.NOT_FOUND):
            raise _none() from refused
        raise


def refusals(
    platform: Platform, actor: Actor, project_id: ProjectId, *, limit: int, now: datetime
) -> tuple[RefusedCall, ...]:
    """List a project's refused calls of the last hour, the latest first."""
    attempt = Attempt(actor, Action.REFUSAL_VIEW, now, project_id=project_id)
    with viewing(platform, attempt), reading(platform.database.traces) as connection:
        return tuple(map(_refused_call, traces.list_refusals(connection, project_id, limit=limit, now=now)))


def callers(
    platform: Platform, actor: Actor, project_id: ProjectId, key_id: CredentialId, *, now: datetime
) -> tuple[Caller, ...]:
    """List who calls with a key of the project, the latest first."""
    attempt = Attempt(actor, Action.USAGE_VIEW, now, project_id=project_id)
    with viewing(platform, attempt) as act:
        credential = credentials.find(act.connection, key_id)
        if credential is None or credential.project_id != project_id:
            raise Refusal(Code.CREDENTIAL_NOT_FOUND, "The project has no such credential.", field="credentialId")
    with reading(platform.database.traces) as connection:
        return traces.list_callers(connection, key_id)


def uses(
    platform: Platform, actor: Actor, project_id: ProjectId, key_ids: Sequence[CredentialId], *, now: datetime
) -> Mapping[CredentialId, Use]:
    """Sum up the use of some of the project's keys; one that was never used is missing."""
    attempt = Attempt(actor, Action.USAGE_VIEW, now, project_id=project_id)
    with viewing(platform, attempt) as act:
        own = credentials.of_project(act.connection, project_id, key_ids)
    with reading(platform.database.traces) as connection:
        return traces.uses(connection, own)


def uses_of_api_credentials(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    credential_ids: Sequence[CredentialId],
    *,
    now: datetime,
) -> Mapping[CredentialId, Use]:
    """Sum up the use of some of the organization's API credentials; one that was never used is missing."""
    attempt = Attempt(actor, Action.API_CREDENTIAL_LIST, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        own = api_credentials.keep_own(act.connection, organization_id, credential_ids)
    with reading(platform.database.traces) as connection:
        return traces.uses(connection, own)


@dataclass(frozen=True, slots=True)
class OAuth1Caller:
    """Somebody who has called with OAuth 1.0a, and how many such calls were admitted since the meter's first day."""

    credential_id: CredentialId
    service_id: int
    address: str
    user_agent: str
    last_seen_at: datetime
    admitted: int


@dataclass(frozen=True, slots=True)
class OAuth1Use:
    """How many of a project's calls that were admitted since a day began were signed with OAuth 1.0a. `callers` are all
    who ever made such calls, the latest first: who calls once a month is not forgotten after a week."""

    since: datetime
    admitted: int
    oauth1: int
    callers: tuple[OAuth1Caller, ...]


def oauth1_use(platform: Platform, actor: Actor, project_id: ProjectId, *, now: datetime) -> OAuth1Use:
    """Say which share of a project's calls of the last seven days, today included (UTC), is still OAuth 1.0a, by caller
    (product row B12). Keys that are revoked or expired call no more and are left out."""
    attempt = Attempt(actor, Action.USAGE_VIEW, now, project_id=project_id)
    with viewing(platform, attempt) as act:
        keys = credentials.list_of_project(act.connection, project_id)
        usable = [key.id for key in keys if key.status_at(now) not in (Status.REVOKED, Status.EXPIRED)]
    since = traces.day_of(now) - timedelta(days=_DAYS - 1)
    with reading(platform.database.traces) as connection:
        found = traces.list_callers_of_services(connection, usable)
        counted = traces.calls_since(connection, usable, since)
    still = tuple(_oauth1_caller(each, counted) for each in found if each.scheme == traces.OAUTH1)
    oauth1 = sum(calls for place, calls in counted.items() if place.scheme == traces.OAUTH1)
    return OAuth1Use(since, sum(counted.values()), oauth1, still)


def _oauth1_caller(caller: Caller, counted: Mapping[traces.Place, int]) -> OAuth1Caller:
    where = (caller.credential_id, caller.service_id, caller.address, caller.user_agent)
    return OAuth1Caller(*where, caller.last_seen_at, counted.get(traces.Place(*where, caller.scheme), 0))


def _visible(platform: Platform, actor: Actor, stored: StoredRefusal, *, now: datetime) -> RefusedCall:
    if stored.project_id is not None:
        attempt = Attempt(actor, Action.REFUSAL_VIEW, now, project_id=stored.project_id)
        with viewing(platform, attempt):
            return _refused_call(stored)
    if _is_of_api_credential(platform, stored):
        with viewing(platform, Attempt(actor, Action.API_CREDENTIAL_VIEW, now, organization_id=stored.organization_id)):
            return _refused_call(stored)
    attempt = Attempt(actor, Action.ACCOUNT_KEY_LIST, now, organization_id=stored.organization_id)
    with viewing(platform, attempt) as act:
        _check_own(act, stored)
        return _refused_call(stored)


def _is_of_api_credential(platform: Platform, stored: StoredRefusal) -> bool:
    with reading(platform.database.records) as connection:
        credential = credentials.find(connection, stored.credential_id)
    return credential is not None and credential.kind is CredentialKind.CLIENT_SECRET


def _check_own(act: Act, stored: StoredRefusal) -> None:
    credential = credentials.find(act.connection, stored.credential_id)
    if credential is None or not (act.standing.sees_everybody or credential.owner_id == act.actor.user_id):
        raise _none()


def _refused_call(stored: StoredRefusal) -> RefusedCall:
    return RefusedCall(
        id=stored.id,
        project_id=stored.project_id,
        credential_id=stored.credential_id,
        at=stored.at,
        code=stored.code,
        explanation=json.loads(stored.explanation),
    )


def _none() -> Refusal:
    return Refusal(
        Code.NOT_FOUND, "No such refusal. Explanations are kept for an hour, for members of the project.", field="id"
    )

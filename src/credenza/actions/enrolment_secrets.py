"""Enrolment secrets (`cze_…`): each lets one device have one certificate of a project (RFC 7030 3.2.3); hashed, shown
once, ending by themselves.

A secret is as good as the right of whoever made it, and no better (`enrolment`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from credenza.actions.context import Attempt, Once, Platform, acting, viewing
from credenza.actions.once import claim, settle
from credenza.actions.places import place_in
from credenza.domain import lifecycle, secret_text
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, CredentialKind, EnvironmentName, ProjectId
from credenza.store import enrolment_secrets
from credenza.store.engine import reading
from credenza.store.enrolment_secrets import EnrolmentSecret

LONGEST_HOURS = 168
USUAL_HOURS = 24
_PREFIX = "cze_"
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """A new enrolment secret and, this once, what it is."""

    enrolment: EnrolmentSecret
    secret: str = field(repr=False)


def create(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    *,
    alias: str,
    environment: EnvironmentName | None,
    hours: int,
    now: datetime,
    once: Once | None = None,
) -> IssuedSecret:
    """Make a secret for one device, whose certificate will be known as `alias`. `environment` may be left out when the
    project has one only."""
    attempt = Attempt(actor, Action.ENROLMENT_SECRET_CREATE, now, project_id=project_id, once=once)
    with acting(platform, attempt) as act:
        claimed = claim(act, IssuedSecret)
        if claimed.answer is not None:
            return claimed.answer
        _check_hours(hours)
        place = place_in(act.the_project, environment)
        standing = lifecycle.Standing(act.the_project.type, act.the_project.dual)
        lifecycle.admit(CredentialKind.MTLS_CERTIFICATE, standing)
        made = EnrolmentSecret(
            id=platform.new_id(),
            organization_id=act.organization_id,
            project_id=project_id,
            environment=place.name,
            alias=alias,
            owner_id=actor.user_id,
            created_at=now,
            expires_at=now + timedelta(hours=hours),
            used_at=None,
            revoked_at=None,
        )
        secret = secret_text.write(_PREFIX, platform.random(secret_text.RANDOM_BYTES))
        enrolment_secrets.insert_secret(
            act.connection, made, secret_hash=secret_text.keyed_hash(platform.pepper, secret)
        )
        act.note(made.id, f"{place.name} {alias}")
        return settle(act, IssuedSecret(made, secret), secret=True)


def list_latest(
    platform: Platform, actor: Actor, project_id: ProjectId, *, now: datetime
) -> tuple[EnrolmentSecret, ...]:
    """List the newest, used and ended ones included."""
    with viewing(platform, Attempt(actor, Action.ENROLMENT_SECRET_LIST, now, project_id=project_id)) as act:
        return enrolment_secrets.list_latest(act.connection, project_id, limit=_SHOWN)


def revoke(platform: Platform, actor: Actor, project_id: ProjectId, secret_id: str, *, now: datetime) -> None:
    """Let nobody enrol with a secret any more. The certificate of a used one is revoked as certificates are."""
    attempt = Attempt(actor, Action.ENROLMENT_SECRET_REVOKE, now, project_id=project_id)
    with acting(platform, attempt) as act:
        found = enrolment_secrets.find(act.connection, project_id, secret_id)
        if found is None:
            raise Refusal(Code.NOT_FOUND, "The project has no such enrolment secret.", field="secretId")
        if found.used_at is not None:
            raise Refusal(
                Code.NOT_ACTIVE,
                "This secret was used: a device has its certificate. Revoke that one instead.",
                field="secretId",
            )
        enrolment_secrets.mark_revoked(act.connection, secret_id, now=now)
        act.note(secret_id, f"{found.environment} {found.alias}")


def find(platform: Platform, secret: str) -> EnrolmentSecret | None:
    """Find what somebody shows as an enrolment secret, whether it can still be used or not."""
    if not secret_text.is_well_formed(_PREFIX, secret):
        return None
    with reading(platform.database.records) as connection:
        return enrolment_secrets.find_by_hash(connection, secret_text.keyed_hash(platform.pepper, secret))


def _check_hours(hours: int) -> None:
    if not 1 <= hours <= LONGEST_HOURS:
        raise Refusal(Code.INVALID, f"A secret lives between 1 and {LONGEST_HOURS} hours.", field="hours")

"""What expires in an organization, as far as the viewer sees it: an overseer everything, others their projects and
their own account-level keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from credenza.actions.context import Act, Attempt, Platform, viewing
from credenza.domain.access import Action, Standing
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import Ending, day_starts, month_starts
from credenza.domain.lists import EndingOrder
from credenza.domain.model import Actor, ActorKind, CredentialKind, EnvironmentName, OrganizationId, ProjectId, UserId
from credenza.store import endings
from credenza.store.instants import at_micros, micros

MONTHS = 13


@dataclass(frozen=True, slots=True)
class MonthCount:
    """How many credentials end in the calendar month (UTC) that begins at `start`."""

    start: datetime
    count: int


def list_page(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    begin: datetime | None = None,
    end: datetime | None = None,
    environment: EnvironmentName | None = None,
    project_id: ProjectId | None = None,
    after: str | None = None,
    order: EndingOrder = EndingOrder.NEAREST,
    limit: int,
    now: datetime,
) -> tuple[Ending, ...]:
    """List up to `limit` credentials that end from `begin` (now) on and before `end`, in `order`, from the one
    after the cursor `after`. Revoked ones end no more."""
    attempt = Attempt(actor, Action.EXPIRY_VIEW, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        return endings.list_ending(
            act.connection,
            organization_id,
            seen_by=sight(act),
            hidden=hidden(act),
            begin=begin or now,
            end=end,
            environment=environment,
            project_id=project_id,
            after=None if after is None else _place(after),
            order=order,
            limit=limit,
        )


def count_by_month(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    environment: EnvironmentName | None = None,
    project_id: ProjectId | None = None,
    now: datetime,
) -> tuple[MonthCount, ...]:
    """Count what ends in this month and the twelve after it; what has ended in this month already counts too."""
    starts = month_starts(now, MONTHS)
    counts = _counts(platform, actor, organization_id, starts, environment, project_id, now=now)
    return tuple(map(MonthCount, starts, counts))


def count_by_day(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    month: datetime,
    *,
    environment: EnvironmentName | None = None,
    project_id: ProjectId | None = None,
    now: datetime,
) -> tuple[int, ...]:
    """Count what ends on every day (UTC) of the calendar month that `month` lies in."""
    return _counts(platform, actor, organization_id, day_starts(month), environment, project_id, now=now)


def cursor_of(ending: Ending) -> str:
    return f"{micros(ending.not_after):x}-{ending.credential_id}"


def no_such_cursor() -> Refusal:
    return Refusal(Code.INVALID, "This is no cursor of this list.", field="cursor")


def sight(act: Act) -> UserId | None:
    """Whose eyes the act has; None sees everything."""
    return None if act.standing.oversees or act.actor.user_id is None else act.actor.user_id


def hidden(act: Act) -> frozenset[CredentialKind]:
    """The kinds of which the actor must not hear."""
    return frozenset() if act.actor.kind is ActorKind.OPERATOR else hidden_from(act.standing)


def hidden_from(standing: Standing) -> frozenset[CredentialKind]:
    sees = Action.API_CREDENTIAL_LIST in standing.granted
    return frozenset() if sees else frozenset({CredentialKind.CLIENT_SECRET})


def _counts(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    boundaries: Sequence[datetime],
    environment: EnvironmentName | None,
    project_id: ProjectId | None,
    *,
    now: datetime,
) -> tuple[int, ...]:
    attempt = Attempt(actor, Action.EXPIRY_VIEW, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        return endings.count_between(
            act.connection,
            organization_id,
            boundaries,
            seen_by=sight(act),
            hidden=hidden(act),
            environment=environment,
            project_id=project_id,
        )


def _place(cursor: str) -> tuple[datetime, str]:
    number, _, credential_id = cursor.partition("-")
    try:
        return at_micros(int(number, 16)), credential_id
    except (ValueError, OverflowError, OSError):
        raise no_such_cursor() from None

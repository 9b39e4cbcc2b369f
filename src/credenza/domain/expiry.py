"""When credentials end, and which notices that makes due. RFC-free: these are the product's own dates."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta

from credenza.domain.model import (
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    ProjectId,
    Status,
    UserId,
)

VALIDITY_MONTHS = 13
NOTICE_DAYS = (90, 60, 30, 15, 7, 1, 0)
"""Days before the end on which a notice is due; 0 is the notice that the credential has ended."""

AUTHORITY_NOTICE_DAYS = (730, 365, 180, *NOTICE_DAYS)
"""The same for an authority of our own, which is told of earlier: what it certifies ends no later than it does."""

EXPIRING = timedelta(days=NOTICE_DAYS[0])
"""A credential with this much time or less to go is called expiring, and may be renewed."""

QUIET = timedelta(hours=72)
"""Unused for so long, a credential with a successor in use has been replaced."""

_WIDEST_GAP = timedelta(days=30)
OVERLAP = timedelta(hours=1)
"""Clocks of nodes may differ by so much."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A credential that ends, as far as those who hear of it need to know. `issued_at` is when it was given the end it
    has: at its making, or at its last renewal. No project means an account-level key or an API credential."""

    credential_id: CredentialId
    organization_id: OrganizationId
    organization: str
    kind: CredentialKind
    alias: str
    project_id: ProjectId | None
    project: str
    environment: EnvironmentName | None
    owner_id: UserId | None
    status: Status
    not_after: datetime
    issued_at: datetime

    def status_at(self, now: datetime) -> Status:
        """Status as of `now`: what has ended is EXPIRED, unless it was revoked before."""
        ended = self.status is not Status.REVOKED and now > self.not_after
        return Status.EXPIRED if ended else self.status


def add_months(start: datetime, months: int) -> datetime:
    """Go `months` calendar months on; a day the month does not have becomes its last one."""
    years, month_index = divmod(start.month - 1 + months, 12)
    year, month = start.year + years, month_index + 1
    return start.replace(year=year, month=month, day=min(start.day, monthrange(year, month)[1]))


def is_expiring(not_after: datetime, *, now: datetime) -> bool:
    return now < not_after <= now + EXPIRING


def notices_due(
    not_after: datetime, *, since: datetime, now: datetime, days: tuple[int, ...] = NOTICE_DAYS
) -> tuple[int, ...]:
    """Name the notices of a list whose moment lies after `since` and not after `now`, the most distant first."""
    return tuple(each for each in days if since < not_after - timedelta(days=each) <= now)


def is_silent(*, successor_used: bool, last_used: datetime | None, now: datetime) -> bool:
    """Say nothing of a credential whose successor is in use and which nobody has used for a while (settled 30)."""
    return successor_used and (last_used is None or now - last_used >= QUIET)


def look_back(done_until: datetime | None, *, now: datetime) -> datetime:
    """Say since when a look for due notices must reach back: to the look before it, and a little further.

    A clock that was set back must not hide what becomes due before it is as far again, and the first look of all takes
    the widest gap of the list, so that everything expiring is told of once.
    """
    if done_until is None:
        return now - _WIDEST_GAP
    return min(done_until, now) - OVERLAP


def month_starts(first: datetime, months: int) -> tuple[datetime, ...]:
    """Give the beginnings of `months` calendar months from the one that `first` lies in, and the end of the last."""
    start = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return tuple(add_months(start, number) for number in range(months + 1))


def day_starts(month: datetime) -> tuple[datetime, ...]:
    """Give the beginnings of all days of the calendar month that `month` lies in, and the end of the last."""
    start, end = month_starts(month, 1)
    return tuple(start + timedelta(days=number) for number in range((end - start).days + 1))

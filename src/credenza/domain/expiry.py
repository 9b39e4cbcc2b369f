"""When credentials end, and which notices that makes due. RFC-free: these are the product's own dates."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta

VALIDITY_MONTHS = 13
NOTICE_DAYS = (90, 60, 30, 15, 7, 1, 0)
"""Days before the end on which a notice is due; 0 is the notice that the credential has ended."""

EXPIRING = timedelta(days=NOTICE_DAYS[0])
"""A credential with this much time or less to go is called expiring, and may be renewed."""


def add_months(start: datetime, months: int) -> datetime:
    """Go `months` calendar months on; a day the month does not have becomes its last one."""
    years, month_index = divmod(start.month - 1 + months, 12)
    year, month = start.year + years, month_index + 1
    return start.replace(year=year, month=month, day=min(start.day, monthrange(year, month)[1]))


def is_expiring(not_after: datetime, *, now: datetime) -> bool:
    return now < not_after <= now + EXPIRING


def notices_due(not_after: datetime, *, since: datetime, now: datetime) -> tuple[int, ...]:
    """Name the notices whose moment lies after `since` and not after `now`, the most distant first."""
    return tuple(days for days in NOTICE_DAYS if since < not_after - timedelta(days=days) <= now)

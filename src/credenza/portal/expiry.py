"""What ends, and when: a list, the timeline of 13 months, a calendar month, and feeds for one's own calendar."""

from __future__ import annotations

from calendar import Calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from credenza.actions import calendar_feeds, expiry, projects_in_sight
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import Ending, add_months
from credenza.domain.lists import EndingOrder
from credenza.domain.model import EnvironmentName, OrganizationId, ProjectId
from credenza.portal import charts, repeats
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

PERIODS = ("7", "30", "90", "395", "all", "ended")
_USUAL_PERIOD = "395"
_PAGE = 50
_NAMED_A_DAY = 3
_NAMED_A_MONTH = 500
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list is narrowed to, as its address says."""

    within: str
    environment: EnvironmentName | None
    project_id: ProjectId | None
    order: EndingOrder

    @property
    def query(self) -> str:
        return self.sorted_by(self.order)

    def sorted_by(self, order: EndingOrder) -> str:
        """The same list in another order."""
        fields = {"within": self.within, "environment": self.environment, "project": self.project_id, "sort": order}
        return urlencode({name: value for name, value in fields.items() if value})


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a calendar month; `named` are the first of those that end on it."""

    on: date
    in_month: bool
    count: int
    named: tuple[Ending, ...]


def show_list(visit: Visit) -> Response:
    organization_id, wanted = _organization(visit), _wanted(visit)
    begin, end = _period(wanted.within, visit.now)
    found = expiry.list_page(
        visit.portal.platform,
        visit.actor,
        organization_id,
        begin=begin,
        end=end,
        environment=wanted.environment,
        project_id=wanted.project_id,
        after=visit.query("after") or None,
        order=wanted.order,
        limit=_PAGE + 1,
        now=visit.now,
    )
    return render(
        visit,
        "expiry.html",
        section="expiry",
        organization_id=organization_id,
        wanted=wanted,
        periods=PERIODS,
        environments=tuple(EnvironmentName),
        found=found[:_PAGE],
        following=expiry.cursor_of(found[_PAGE - 1]) if len(found) > _PAGE else "",
        projects=_projects(visit, organization_id),
        timeline=_timeline(visit, organization_id, wanted),
        feeds=calendar_feeds.list_own(visit.portal.platform, visit.actor, organization_id, now=visit.now),
        once=repeats.key(visit),
    )


def show_month(visit: Visit) -> Response:
    organization_id, month = _organization(visit), _month(visit)
    following = add_months(month, 1)
    counts = expiry.count_by_day(visit.portal.platform, visit.actor, organization_id, month, now=visit.now)
    named = expiry.list_page(
        visit.portal.platform,
        visit.actor,
        organization_id,
        begin=month,
        end=following,
        limit=_NAMED_A_MONTH,
        now=visit.now,
    )
    return render(
        visit,
        "expiry_month.html",
        section="expiry",
        organization_id=organization_id,
        month=month,
        weeks=_weeks(month, counts, named),
        total=sum(counts),
        previous=max(_FIRST, add_months(month, -1)),
        following=min(_LAST, following),
    )


def make_feed(visit: Visit) -> Response:
    organization_id = _organization(visit)
    made = calendar_feeds.make(
        visit.portal.platform, visit.actor, organization_id, now=visit.now, once=repeats.once(visit)
    )
    address = f"{visit.portal.platform.public_url}/calendar/{made.token}.ics"
    return render(
        visit,
        "calendar_feed_made.html",
        section="expiry",
        organization_id=organization_id,
        url=address if repeats.may_show(visit, made.feed.created_at) else "",
    )


def revoke_feed(visit: Visit) -> Response:
    organization_id = _organization(visit)
    calendar_feeds.revoke(visit.portal.platform, visit.actor, organization_id, visit.path("feed_id"), now=visit.now)
    return visit.go(f"/organizations/{organization_id}/expiry#feeds")


def _organization(visit: Visit) -> OrganizationId:
    return OrganizationId(visit.path("organization_id"))


def _wanted(visit: Visit) -> Wanted:
    within = visit.query("within", _USUAL_PERIOD)
    environment = visit.query("environment")
    return Wanted(
        within if within in PERIODS else _USUAL_PERIOD,
        EnvironmentName(environment) if environment in set(EnvironmentName) else None,
        ProjectId(visit.query("project")) if visit.query("project") else None,
        EndingOrder.LATEST if visit.query("sort") == EndingOrder.LATEST else EndingOrder.NEAREST,
    )


def _period(within: str, now: datetime) -> tuple[datetime, datetime | None]:
    if within == "ended":
        return _FIRST, now
    return now, None if within == "all" else now + timedelta(days=int(within))


def _month(visit: Visit) -> datetime:
    """Read which month is to be shown; this one unless the address names another."""
    text = visit.query("month") or f"{visit.now:%Y-%m}"
    try:
        month = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(Code.INVALID, "A month is written as 2026-11.", field="month") from None
    return min(_LAST, max(_FIRST, month))


def _weeks(month: datetime, counts: Sequence[int], named: Sequence[Ending]) -> list[list[Day]]:
    by_day: dict[date, list[Ending]] = {}
    for each in named:
        by_day.setdefault(each.not_after.astimezone(UTC).date(), []).append(each)
    return [
        [_day(on, month, counts, by_day) for on in week]
        for week in Calendar().monthdatescalendar(month.year, month.month)
    ]


def _day(on: date, month: datetime, counts: Sequence[int], by_day: Mapping[date, list[Ending]]) -> Day:
    inside = on.month == month.month
    return Day(
        on, inside, counts[on.day - 1] if inside else 0, tuple(by_day.get(on, ())[:_NAMED_A_DAY]) if inside else ()
    )


def _projects(visit: Visit, organization_id: OrganizationId) -> list[tuple[ProjectId, str]]:
    found = projects_in_sight.list_all(visit.portal.platform, visit.actor, organization_id, now=visit.now)
    return sorted(((each.project.id, each.project.name) for each in found), key=lambda pair: pair[1].lower())


def _timeline(visit: Visit, organization_id: OrganizationId, wanted: Wanted) -> charts.Timeline:
    months = expiry.count_by_month(
        visit.portal.platform,
        visit.actor,
        organization_id,
        environment=wanted.environment,
        project_id=wanted.project_id,
        now=visit.now,
    )
    return charts.timeline(months, now=visit.now)

"""What expires over HTTP: as a list, as counts by month, and as a calendar file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import Path, Query, Request, Response

from credenza.actions import calendar_feeds, expiry
from credenza.api import answers, paging
from credenza.api.arrival import arrival_of
from credenza.api.asked import Caller, OrganizationPath
from credenza.api.idempotency import Repeatable
from credenza.domain.model import EnvironmentName, OrganizationId, ProjectId
from credenza.wire import expiry as wire
from credenza.wire.shape import EnvironmentName as EnvironmentWord
from credenza.wire.shape import Uuid, told

_USUAL_PAGE = 100

Within = Annotated[
    int | None, Query(alias="withinDays", ge=0, le=1200, description="Only what ends within so many days.")
]
OfProject = Annotated[Uuid | None, Query(alias="projectId")]
FeedPath = Annotated[Uuid, Path(alias="feed_id")]
TokenPath = Annotated[
    str,
    Path(
        pattern=told(r"^[A-Za-z0-9_-]{43}$", "the secret of a calendar feed, 43 characters"),
        description="The secret of a calendar feed.",
    ),
]


def list_page(
    asked: Caller,
    organization_id: OrganizationPath,
    request: Request,
    response: Response,
    within_days: Within = None,
    environment: EnvironmentWord | None = None,
    project_id: OfProject = None,
    limit: paging.Limit = _USUAL_PAGE,
    cursor: paging.Cursor = None,
) -> Sequence[wire.Ending]:
    """List what expires from now on, the nearest first: in the projects that the caller sees, and own API keys."""
    found = expiry.list_page(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        end=None if within_days is None else asked.now + timedelta(days=within_days),
        environment=None if environment is None else EnvironmentName(environment),
        project_id=None if project_id is None else ProjectId(project_id),
        after=cursor,
        limit=limit + 1,
        now=asked.now,
    )
    shown = paging.page(request, response, found, limit, expiry.cursor_of)
    return [answers.ending(each, now=asked.now) for each in shown]


def count_by_month(
    asked: Caller,
    organization_id: OrganizationPath,
    environment: EnvironmentWord | None = None,
    project_id: OfProject = None,
) -> Sequence[wire.MonthCount]:
    """Count what expires in this calendar month and in each of the twelve after it."""
    found = expiry.count_by_month(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        environment=None if environment is None else EnvironmentName(environment),
        project_id=None if project_id is None else ProjectId(project_id),
        now=asked.now,
    )
    return [wire.MonthCount(month=f"{each.start:%Y-%m}", count=each.count) for each in found]


def list_feeds(asked: Caller, organization_id: OrganizationPath) -> Sequence[wire.CalendarFeed]:
    """List the caller's calendar feeds; an organization's admin sees everybody's."""
    found = calendar_feeds.list_own(asked.platform, asked.actor, OrganizationId(organization_id), now=asked.now)
    return [wire.CalendarFeed.model_validate(each) for each in found]


def make_feed(asked: Caller, once: Repeatable, organization_id: OrganizationPath) -> wire.MadeCalendarFeed:
    """Make a calendar feed of what the caller sees expire. Its URL is shown this once."""
    made = calendar_feeds.make(asked.platform, asked.actor, OrganizationId(organization_id), now=asked.now, once=once)
    shown = wire.CalendarFeed.model_validate(made.feed)
    return wire.MadeCalendarFeed(**shown.model_dump(), url=f"{asked.platform.public_url}/calendar/{made.token}.ics")


def revoke_feed(asked: Caller, organization_id: OrganizationPath, feed_id: FeedPath) -> None:
    calendar_feeds.revoke(asked.platform, asked.actor, OrganizationId(organization_id), feed_id, now=asked.now)


def calendar(request: Request, token: TokenPath) -> Response:
    """Read a calendar feed (RFC 5545): one event for each credential that expires, with alarms before it."""
    written = calendar_feeds.read(request.app.state.platform, token, now=arrival_of(request).now)
    return Response(written, media_type="text/calendar; charset=utf-8")

"""What ends, and who is told: lists, calendars, webhooks, the inbox."""

from __future__ import annotations

from typing import Literal

from credenza.client.operations.answers import many, nothing, octets, one, page
from credenza.client.operations.operation import Operation, Page, query_of
from credenza.wire.expiry import CalendarFeed, Ending, MadeCalendarFeed, MonthCount
from credenza.wire.inbox import InboxCount, InboxItem, ReadMark
from credenza.wire.shape import EnvironmentName
from credenza.wire.webhooks import AddedWebhook, Delivery, NewWebhook, Webhook


def list_expiring(
    organization_id: str,
    *,
    within_days: int | None = None,
    environment: EnvironmentName | None = None,
    project_id: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[Ending]]:
    path = f"/api/organizations/{organization_id}/expiring"
    query = query_of(withinDays=within_days, environment=environment, projectId=project_id, limit=limit, cursor=cursor)
    return Operation("GET", path, page(Ending), query=query)


def count_expiring_by_month(
    organization_id: str, *, environment: EnvironmentName | None = None, project_id: str | None = None
) -> Operation[tuple[MonthCount, ...]]:
    path = f"/api/organizations/{organization_id}/expiring/months"
    return Operation("GET", path, many(MonthCount), query=query_of(environment=environment, projectId=project_id))


def list_calendar_feeds(organization_id: str) -> Operation[tuple[CalendarFeed, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/calendar-feeds", many(CalendarFeed))


def make_calendar_feed(organization_id: str) -> Operation[MadeCalendarFeed]:
    return Operation("POST", f"/api/organizations/{organization_id}/calendar-feeds", one(MadeCalendarFeed))


def revoke_calendar_feed(organization_id: str, feed_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/organizations/{organization_id}/calendar-feeds/{feed_id}", nothing)


def get_calendar(token: str) -> Operation[bytes]:
    """The calendar file of a feed (RFC 5545); the token is what its URL ends with."""
    return Operation("GET", f"/calendar/{token}.ics", octets)


def list_webhooks(organization_id: str) -> Operation[tuple[Webhook, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/webhooks", many(Webhook))


def add_webhook(organization_id: str, new: NewWebhook) -> Operation[AddedWebhook]:
    return Operation("POST", f"/api/organizations/{organization_id}/webhooks", one(AddedWebhook), body=new)


def remove_webhook(organization_id: str, webhook_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/organizations/{organization_id}/webhooks/{webhook_id}", nothing)


def test_webhook(organization_id: str, webhook_id: str) -> Operation[Delivery]:
    """Have a test sent; `get_delivery` tells within seconds what came of it."""
    return Operation("POST", f"/api/organizations/{organization_id}/webhooks/{webhook_id}/test", one(Delivery))


def list_deliveries(
    organization_id: str,
    *,
    state: Literal["waiting", "sent", "failed", "dropped"] | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[Delivery]]:
    path = f"/api/organizations/{organization_id}/deliveries"
    return Operation("GET", path, page(Delivery), query=query_of(state=state, limit=limit, cursor=cursor))


def get_delivery(organization_id: str, delivery_id: str) -> Operation[Delivery]:
    return Operation("GET", f"/api/organizations/{organization_id}/deliveries/{delivery_id}", one(Delivery))


def list_inbox(*, limit: int | None = None, cursor: str | None = None) -> Operation[Page[InboxItem]]:
    return Operation("GET", "/api/inbox", page(InboxItem), query=query_of(limit=limit, cursor=cursor))


def count_unread() -> Operation[InboxCount]:
    return Operation("GET", "/api/inbox/unread", one(InboxCount))


def mark_read(mark: ReadMark) -> Operation[InboxCount]:
    return Operation("POST", "/api/inbox/read", one(InboxCount), body=mark)

"""Webhooks of an organization over HTTP, and what became of what was sent for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import Path, Request, Response

from credenza.actions import deliveries, webhooks
from credenza.api import paging
from credenza.api.asked import Caller, OrganizationPath
from credenza.api.idempotency import Repeatable
from credenza.domain.model import OrganizationId
from credenza.domain.outbox import State
from credenza.wire import webhooks as wire
from credenza.wire.shape import Uuid

_USUAL_PAGE = 50

WebhookPath = Annotated[Uuid, Path(alias="webhook_id")]
DeliveryPath = Annotated[Uuid, Path(alias="delivery_id")]


def list_all(asked: Caller, organization_id: OrganizationPath) -> Sequence[wire.Webhook]:
    found = webhooks.list_all(asked.platform, asked.actor, OrganizationId(organization_id), now=asked.now)
    return [wire.Webhook.model_validate(each) for each in found]


def add(asked: Caller, once: Repeatable, organization_id: OrganizationPath, new: wire.NewWebhook) -> wire.AddedWebhook:
    """Add a webhook. The secret that signs its calls is shown this once."""
    added = webhooks.add(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        url=new.url,
        description=new.description,
        now=asked.now,
        once=once,
    )
    shown = wire.Webhook.model_validate(added.webhook)
    return wire.AddedWebhook(**shown.model_dump(), secret=added.secret)


def remove(asked: Caller, organization_id: OrganizationPath, webhook_id: WebhookPath) -> None:
    webhooks.remove(asked.platform, asked.actor, OrganizationId(organization_id), webhook_id, now=asked.now)


def send_test(asked: Caller, organization_id: OrganizationPath, webhook_id: WebhookPath) -> wire.Delivery:
    """Have a test sent to a webhook, once. The delivery tells within seconds what came of it."""
    queued = webhooks.send_test(asked.platform, asked.actor, OrganizationId(organization_id), webhook_id, now=asked.now)
    return wire.Delivery.model_validate(queued)


def list_deliveries(
    asked: Caller,
    organization_id: OrganizationPath,
    request: Request,
    response: Response,
    state: Literal["waiting", "sent", "failed", "dropped"] | None = None,
    limit: paging.Limit = _USUAL_PAGE,
    cursor: paging.Cursor = None,
) -> Sequence[wire.Delivery]:
    """List mail and webhook calls of the last 90 days that were sent for the organization, the newest first."""
    found = deliveries.list_page(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        state=None if state is None else State(state),
        before=cursor,
        limit=limit + 1,
        now=asked.now,
    )
    shown = paging.page(request, response, found, limit, lambda delivery: delivery.id)
    return [wire.Delivery.model_validate(each) for each in shown]


def get_delivery(asked: Caller, organization_id: OrganizationPath, delivery_id: DeliveryPath) -> wire.Delivery:
    found = deliveries.get(asked.platform, asked.actor, OrganizationId(organization_id), delivery_id, now=asked.now)
    return wire.Delivery.model_validate(found)

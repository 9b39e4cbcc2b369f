"""Webhooks of an organization: told of what expires, signed as Standard Webhooks has it.

The secret is `whsec_` and 32 random bytes in base64. It is shown once, and kept wrapped: it is used, not compared.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from credenza.actions.context import Act, Attempt, Once, Platform, acting, viewing
from credenza.actions.once import claim, settle
from credenza.actions.outbox import enqueue
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, OrganizationId
from credenza.domain.outbox import Channel, Delivery, Kind
from credenza.domain.webhooks import check_url
from credenza.store import outbox, webhooks
from credenza.store.webhooks import Webhook

MOST = 10
"""Webhooks of one organization: each gets every notice."""

_PREFIX = "whsec_"
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class AddedWebhook:
    """A new webhook and, this once, the secret that its receiver checks signatures with."""

    webhook: Webhook
    secret: str = field(repr=False)


def add(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    url: str,
    description: str = "",
    now: datetime,
    once: Once | None = None,
) -> AddedWebhook:
    attempt = Attempt(actor, Action.WEBHOOK_ADD, now, organization_id=organization_id, once=once)
    with acting(platform, attempt) as act:
        claimed = claim(act, AddedWebhook)
        if claimed.answer is not None:
            return claimed.answer
        check_url(url, schemes=platform.policy.webhook_schemes)
        _check_room(act)
        added = _new_webhook(platform, organization_id, url, description, now=now)
        webhooks.insert_webhook(act.connection, added.webhook)
        act.note(added.webhook.id, url)
        return settle(act, added, secret=True)


def list_all(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> tuple[Webhook, ...]:
    with viewing(platform, Attempt(actor, Action.WEBHOOK_LIST, now, organization_id=organization_id)) as act:
        return webhooks.list_of_organization(act.connection, organization_id)


def remove(
    platform: Platform, actor: Actor, organization_id: OrganizationId, webhook_id: str, *, now: datetime
) -> None:
    """Remove a webhook; what still waits for it is dropped."""
    with acting(platform, Attempt(actor, Action.WEBHOOK_REMOVE, now, organization_id=organization_id)) as act:
        webhook = _find(act, webhook_id)
        webhooks.mark_removed(act.connection, webhook_id, now=now)
        outbox.drop_for(act.connection, webhook_id, "The webhook was removed.")
        act.note(webhook_id, webhook.url)


def send_test(
    platform: Platform, actor: Actor, organization_id: OrganizationId, webhook_id: str, *, now: datetime
) -> Delivery:
    """Have a test sent, once; `deliveries.get` tells within seconds what came of it."""
    with acting(platform, Attempt(actor, Action.WEBHOOK_TEST, now, organization_id=organization_id)) as act:
        webhook = _find(act, webhook_id)
        act.note(webhook_id, webhook.url)
        event = {"type": "webhook.test", "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}", "data": {"webhookId": webhook_id}}
        return enqueue(
            platform,
            act.connection,
            organization_id,
            Channel.WEBHOOK,
            Kind.TEST,
            identity=platform.new_id(),
            recipient=webhook_id,
            content=msgspec.json.encode(event),
            now=now,
        )


def secret_purpose(webhook_id: str) -> str:
    return f"webhook {webhook_id}"


def _new_webhook(
    platform: Platform, organization_id: OrganizationId, url: str, description: str, *, now: datetime
) -> AddedWebhook:
    identity, secret = platform.new_id(), platform.random(_SECRET_BYTES)
    wrapped = platform.vault.wrap(secret_purpose(identity), secret)
    webhook = Webhook(identity, organization_id, url, description, now, wrapped)
    return AddedWebhook(webhook, _PREFIX + base64.b64encode(secret).decode())


def _find(act: Act, webhook_id: str) -> Webhook:
    webhook = webhooks.find(act.connection, webhook_id)
    if webhook is None or webhook.organization_id != act.organization_id:
        raise Refusal(Code.NOT_FOUND, "No such webhook.", field="webhookId")
    return webhook


def _check_room(act: Act) -> None:
    if len(webhooks.list_of_organization(act.connection, act.organization_id)) >= MOST:
        raise Refusal(Code.INVALID, f"The organization already has {MOST} webhooks. Remove one first.", field="url")

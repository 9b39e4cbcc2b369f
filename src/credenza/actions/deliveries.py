"""What was sent for an organization, what still waits, and what failed and why."""

from __future__ import annotations

from datetime import datetime

from credenza.actions.context import Attempt, Platform, viewing
from credenza.actions.expiry import no_such_cursor
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, OrganizationId
from credenza.domain.outbox import Delivery, State
from credenza.store import outbox


def list_page(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    state: State | None = None,
    before: str | None = None,
    limit: int,
    now: datetime,
) -> tuple[Delivery, ...]:
    """List up to `limit` of the last 90 days, the newest first, from the one after the delivery `before`."""
    attempt = Attempt(actor, Action.DELIVERY_LIST, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        earlier = None if before is None else outbox.find(act.connection, organization_id, before)
        if earlier is None and before is not None:
            raise no_such_cursor()
        return outbox.list_page(act.connection, organization_id, state=state, before=earlier, limit=limit)


def get(
    platform: Platform, actor: Actor, organization_id: OrganizationId, delivery_id: str, *, now: datetime
) -> Delivery:
    attempt = Attempt(actor, Action.DELIVERY_LIST, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        found = outbox.find(act.connection, organization_id, delivery_id)
    if found is None:
        raise Refusal(Code.NOT_FOUND, "No such delivery. They are kept for 90 days.", field="deliveryId")
    return found

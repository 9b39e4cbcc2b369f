"""Webhooks of organizations. Their secrets are wrapped: they are used, not compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from credenza.domain.model import OrganizationId
from credenza.store.schema import webhooks


@dataclass(frozen=True, slots=True)
class Webhook:
    id: str
    organization_id: OrganizationId
    url: str
    description: str
    created_at: datetime
    wrapped_secret: bytes = field(repr=False)


_COLUMNS = (
    webhooks.c.id,
    webhooks.c.organization_id,
    webhooks.c.url,
    webhooks.c.description,
    webhooks.c.created_at,
    webhooks.c.wrapped_secret,
)
_LIVE = webhooks.c.removed_at.is_(None)


def insert_webhook(connection: Connection, webhook: Webhook) -> None:
    connection.execute(insert(webhooks).values({each.name: getattr(webhook, each.name) for each in _COLUMNS}))


def find(connection: Connection, webhook_id: str) -> Webhook | None:
    row = connection.execute(select(*_COLUMNS).where(webhooks.c.id == webhook_id, _LIVE)).one_or_none()
    return None if row is None else _webhook(row)


def list_of_organization(connection: Connection, organization_id: OrganizationId) -> tuple[Webhook, ...]:
    query = select(*_COLUMNS).where(webhooks.c.organization_id == organization_id, _LIVE)
    return tuple(map(_webhook, connection.execute(query.order_by(webhooks.c.created_at, webhooks.c.id))))


def mark_removed(connection: Connection, webhook_id: str, *, now: datetime) -> None:
    connection.execute(update(webhooks).where(webhooks.c.id == webhook_id, _LIVE).values(removed_at=now))


def _webhook(row: Row[*tuple[Any, ...]]) -> Webhook:
    return Webhook(
        row.id, OrganizationId(row.organization_id), row.url, row.description, row.created_at, row.wrapped_secret
    )

"""How many calls an organization's keys make, by minute, for a look at what goes on; deleted after a day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, func, select

from credenza.domain.model import OrganizationId
from credenza.store import trace_writing
from credenza.store.engine_traces import EngineTransaction
from credenza.store.schema import traffic
from credenza.store.trace_writing import Traffic

__all__ = ["Traffic", "add", "delete_before", "last_at", "list_since"]


def add(connection: Connection, counted: Iterable[Traffic]) -> None:
    trace_writing.add_traffic(EngineTransaction(connection), counted)


def delete_before(connection: Connection, moment: datetime) -> int:
    return trace_writing.delete_traffic_before(EngineTransaction(connection), moment)


def list_since(connection: Connection, organization_id: OrganizationId, since: datetime) -> tuple[Traffic, ...]:
    """List the minutes with calls from `since` on, the earliest first."""
    query = (
        select(traffic.c.organization_id, traffic.c.minute, traffic.c.admitted, traffic.c.refused, traffic.c.last_at)
        .where(traffic.c.organization_id == organization_id, traffic.c.minute >= since)
        .order_by(traffic.c.minute)
    )
    return tuple(Traffic(*row) for row in connection.execute(query))


def last_at(connection: Connection, organization_id: OrganizationId) -> datetime | None:
    """When the latest call came that is still counted by the minute."""
    query = select(func.max(traffic.c.last_at)).where(traffic.c.organization_id == organization_id)
    found: datetime | None = connection.execute(query).scalar_one()
    return found

"""How many calls an organization's keys make, by minute, for a look at what goes on; deleted after a day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, delete, func, select

from credenza.domain.model import OrganizationId
from credenza.store.schema import traffic
from credenza.store.upsert import insert_into

KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls of one minute, which starts at `minute`; `last_at` is the latest of them."""

    organization_id: OrganizationId
    minute: datetime
    admitted: int
    refused: int
    last_at: datetime


def add(connection: Connection, counted: Iterable[Traffic]) -> None:
    # In one order everywhere, so that two gates cannot wait for each other's rows.
    for each in sorted(counted, key=lambda one: (one.organization_id, one.minute)):
        statement = insert_into(connection, traffic).values(**asdict(each))
        new = statement.excluded
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["organization_id", "minute"],
                set_={
                    "admitted": traffic.c.admitted + new.admitted,
                    "refused": traffic.c.refused + new.refused,
                    "last_at": case((new.last_at > traffic.c.last_at, new.last_at), else_=traffic.c.last_at),
                },
            )
        )


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


def delete_before(connection: Connection, moment: datetime) -> int:
    return connection.execute(delete(traffic).where(traffic.c.minute < moment)).rowcount

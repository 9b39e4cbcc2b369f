"""What is to be sent, one row a delivery, and which receivers are away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, delete, exists, func, literal, or_, select, update

from credenza.domain.model import PLATFORM, OrganizationId
from credenza.domain.outbox import LONGEST_PAUSE, Channel, Delivery, Kind, State
from credenza.store.schema import outages, outbox
from credenza.store.upsert import insert_if_absent, insert_into

_LONGEST_ERROR = 300
_COLUMNS = (
    outbox.c.id,
    outbox.c.organization_id,
    outbox.c.channel,
    outbox.c.kind,
    outbox.c.recipient,
    outbox.c.notice_id,
    outbox.c.wrapped,
    outbox.c.state,
    outbox.c.attempts,
    outbox.c.due_at,
    outbox.c.created_at,
    outbox.c.sent_at,
    outbox.c.error,
)
_lane: ColumnElement[str] = case(
    (outbox.c.channel == Channel.MAIL, literal(Channel.MAIL.value)),
    else_=literal(f"{Channel.WEBHOOK} ").concat(outbox.c.recipient),
)


def insert_delivery(connection: Connection, delivery: Delivery) -> bool:
    """Insert it unless it is there; say whether it was inserted."""
    row = {column.name: getattr(delivery, column.name) for column in _COLUMNS}
    return insert_if_absent(connection, outbox, row)


def any_due(connection: Connection, channel: Channel, *, now: datetime) -> bool:
    return connection.execute(select(outbox.c.id).where(_due(channel, now)).limit(1)).first() is not None


def claim(
    connection: Connection, channel: Channel, *, limit: int, until: datetime, now: datetime
) -> tuple[Delivery, ...]:
    """Take what is due for oneself until `until`. What another node is just taking is passed over."""
    query = select(*_COLUMNS).where(_due(channel, now)).order_by(outbox.c.due_at, outbox.c.id).limit(limit)
    claimed = tuple(map(_delivery, connection.execute(query.with_for_update(skip_locked=True, of=outbox))))
    taken = [each.id for each in claimed]
    connection.execute(update(outbox).where(outbox.c.id.in_(taken)).values(claimed_until=until))
    return claimed


def release(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    """Give back what was claimed and not tried."""
    taken = [each.id for each in deliveries]
    connection.execute(update(outbox).where(outbox.c.id.in_(taken), _WAITING).values(claimed_until=None))


def mark_sent(connection: Connection, delivery_id: str, *, now: datetime) -> None:
    _settle(connection, delivery_id, State.SENT, sent_at=now, attempts=outbox.c.attempts + 1, error="")


def mark_dropped(connection: Connection, delivery_id: str, reason: str) -> None:
    _settle(connection, delivery_id, State.DROPPED, error=reason)


def mark_failed(connection: Connection, delivery_id: str, reason: str) -> None:
    _settle(connection, delivery_id, State.FAILED, attempts=outbox.c.attempts + 1, error=reason[:_LONGEST_ERROR])


def mark_tried(connection: Connection, delivery_id: str, reason: str, *, due_at: datetime) -> None:
    connection.execute(
        update(outbox)
        .where(outbox.c.id == delivery_id, _WAITING)
        .values(attempts=outbox.c.attempts + 1, due_at=due_at, claimed_until=None, error=reason[:_LONGEST_ERROR])
    )


def fail_older(connection: Connection, lane: str, reason: str, *, than: datetime) -> int:
    """Give up what has waited for a receiver since before `than`; say how many."""
    statement = update(outbox).where(_WAITING, _lane == lane, outbox.c.created_at <= than)
    return connection.execute(statement.values(_gone(State.FAILED, error=reason[:_LONGEST_ERROR]))).rowcount


def drop_for(connection: Connection, recipient: str, reason: str) -> None:
    """Drop what waits for a webhook that is no more."""
    statement = update(outbox).where(_WAITING, outbox.c.channel == Channel.WEBHOOK, outbox.c.recipient == recipient)
    connection.execute(statement.values(_gone(State.DROPPED, error=reason)))


def delete_older(connection: Connection, *, than: datetime) -> int:
    statement = delete(outbox).where(outbox.c.state != State.WAITING, outbox.c.created_at <= than)
    return connection.execute(statement).rowcount


def find(connection: Connection, organization_id: OrganizationId, delivery_id: str) -> Delivery | None:
    query = select(*_COLUMNS).where(outbox.c.id == delivery_id, outbox.c.organization_id == organization_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _delivery(row)


def list_page(
    connection: Connection,
    organization_id: OrganizationId,
    *,
    state: State | None,
    before: Delivery | None,
    limit: int,
) -> tuple[Delivery, ...]:
    """List an organization's deliveries, the newest first, from the one after `before`."""
    query = select(*_COLUMNS).where(outbox.c.organization_id == organization_id)
    if state is not None:
        query = query.where(outbox.c.state == state)
    if before is not None:
        query = query.where(
            or_(
                outbox.c.created_at < before.created_at,
                (outbox.c.created_at == before.created_at) & (outbox.c.id < before.id),
            )
        )
    query = query.order_by(outbox.c.created_at.desc(), outbox.c.id.desc()).limit(limit)
    return tuple(map(_delivery, connection.execute(query)))


def count_by_state(connection: Connection) -> dict[tuple[Channel, State], int]:
    query = select(outbox.c.channel, outbox.c.state, func.count()).group_by(outbox.c.channel, outbox.c.state)
    return {(Channel(channel), State(state)): count for channel, state, count in connection.execute(query)}


def away_since(connection: Connection, lane: str) -> datetime | None:
    return connection.execute(select(outages.c.since).where(outages.c.lane == lane)).scalar_one_or_none()


def pause(connection: Connection, lane: str, *, now: datetime, pause: timedelta) -> None:
    """Note that a receiver is away: nobody knocks before the pause is over."""
    row = {"organization_id": PLATFORM, "lane": lane, "since": now, "until": now + pause}
    statement = insert_into(connection, outages).values(**row)
    connection.execute(statement.on_conflict_do_update(index_elements=["lane"], set_={"until": now + pause}))


def resume(connection: Connection, lane: str) -> None:
    connection.execute(delete(outages).where(outages.c.lane == lane))


_WAITING = outbox.c.state == State.WAITING


def _due(channel: Channel, now: datetime) -> ColumnElement[bool]:
    # No pause is as long as a clock may have been wrong by that has set it.
    paused = exists().where(outages.c.lane == _lane, outages.c.until > now, outages.c.until <= now + 2 * LONGEST_PAUSE)
    free = or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= now)
    return _WAITING & (outbox.c.channel == channel) & (outbox.c.due_at <= now) & free & ~paused


def _settle(connection: Connection, delivery_id: str, state: State, **columns: Any) -> None:
    statement = update(outbox).where(outbox.c.id == delivery_id, _WAITING)
    connection.execute(statement.values(_gone(state, **columns)))


def _gone(state: State, **columns: Any) -> dict[str, Any]:
    """Nothing is to be done with it any more, so its content goes."""
    return {"state": state, "wrapped": None, "claimed_until": None, **columns}


def _delivery(row: Row[*tuple[Any, ...]]) -> Delivery:
    return Delivery(
        id=row.id,
        organization_id=OrganizationId(row.organization_id),
        channel=Channel(row.channel),
        kind=Kind(row.kind),
        recipient=row.recipient,
        notice_id=row.notice_id,
        wrapped=row.wrapped,
        state=State(row.state),
        attempts=row.attempts,
        due_at=row.due_at,
        created_at=row.created_at,
        sent_at=row.sent_at,
        error=row.error,
    )

"""Leases of gates on PostgreSQL: until when a gate may admit from memory without hearing from the database.

A gate registers, renews, and confirms with every renewal the last change it has applied; it counts its lease from
before it sent the renewal. Who revokes waits in `await_reach` until every gate has confirmed the revocation or cannot
hold a lease any more (settled 24). That wait is counted on the waiter's own clock, from what it has seen itself: a
database clock that is set forward shortens no lease.

A call must be remembered where every gate of the fleet looks. A gate says where it remembers calls, and none registers
beside a live one that does it elsewhere. Of two that slipped in at the same moment, or came back, none can renew until
the other has lapsed: one of them is left.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Row, delete, func, select, text, update

from credenza.domain.model import PLATFORM, ChangeNumber, Reach
from credenza.store.engine import reading, writing
from credenza.store.schema import gates, timelines
from credenza.store.upsert import insert_if_absent

if TYPE_CHECKING:
    # Imported by those who have one: psycopg takes 9 MB that an embedded database can do without.
    from credenza.store.postgresql import Line

LEASE = timedelta(seconds=5)
"""For one PostgreSQL; 35 seconds ride out a failover."""

SHARED_MEMORY = "redis"
"""What gates say that remember calls in the Redis all of them share; the others name a place on their machine."""

POLL = timedelta(milliseconds=10)

_RATE_TOLERANCE = 1.01
"""Two clocks run apart by less than this: oscillators by 0.01 %, a clock that is slewed by 0.05 %."""

# A gate of an older release does not say where it remembers calls, and is believed to do it in the right place.
_ELSEWHERE = """
SELECT other.name FROM gates other WHERE other.memory NOT IN ('', {memory})
AND other.renewed_at + other.lease_us * 1.01 > extract(epoch FROM clock_timestamp()) * 1000000
"""
_OTHERS = _ELSEWHERE.format(memory="%s") + "ORDER BY other.name"
_REGISTER = f"""
INSERT INTO gates (organization_id, id, name, applied, lease_us, renewed_at, fenced, memory)
SELECT %s, %s, %s, number, %s, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, false, %s FROM change_counter
WHERE NOT EXISTS ({_ELSEWHERE.format(memory="%s")})
RETURNING applied
"""  # noqa: S608 - of constants
_RENEW = f"""
UPDATE gates SET applied = %s, renewed_at = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
WHERE id = %s AND NOT fenced
AND (memory IN ('', '{SHARED_MEMORY}') OR NOT EXISTS ({_ELSEWHERE.format(memory="gates.memory")}))
RETURNING (SELECT number FROM change_counter)
"""  # noqa: S608 - likewise
_DEREGISTER = "DELETE FROM gates WHERE id = %s"
# Fails on a standby, which has no write-ahead log of its own: nobody leases there.
_TIMELINE = "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint"


async def timeline(line: Line) -> int:
    """Read which line of history the server writes; a failover begins another. Raises on a standby."""
    return int((await line.rows(_TIMELINE))[0][0])


class OtherMemory(Exception):  # noqa: N818 - a verdict on the fleet, not an error of ours
    """Live gates remember calls elsewhere: what one has admitted, another would admit again."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"Gates of this database remember calls in another place: {', '.join(names) or 'one that has just gone'}. "
            "What one of them has admitted would be admitted here again. Give all machines one CREDENZA_REPLAY_URL, or "
            "stop those gates; one that has died is forgotten when its lease has run out."
        )


async def register(line: Line, gate_id: str, *, name: str, lease: timedelta, memory: str) -> ChangeNumber:
    """Announce a gate that knows no keys yet. What it loads afterwards is at least as new as the answer.

    `memory` is where it remembers calls. Raises OtherMemory.
    """
    lease_us = lease // timedelta(microseconds=1)
    rows = await line.rows(_REGISTER, PLATFORM, gate_id, name, lease_us, memory, memory)
    if not rows:
        raise OtherMemory([str(row[0]) for row in await line.rows(_OTHERS, memory)])
    return ChangeNumber(rows[0][0])


def check_memory(connection: Connection, memory: str) -> None:
    """Raises OtherMemory when a gate with this memory could not register now."""
    found = connection.exec_driver_sql(_OTHERS, (memory,)).scalars().all()
    if found:
        raise OtherMemory(found)


def memories(connection: Connection) -> Sequence[tuple[str, str]]:
    """List the live gates' names with where they remember calls."""
    query = text(
        "SELECT name, memory FROM gates WHERE memory <> '' AND renewed_at + lease_us * 1.01 > "
        "extract(epoch FROM clock_timestamp()) * 1000000 ORDER BY name"
    )
    return [(row.name, row.memory) for row in connection.execute(query)]


async def renew(line: Line, gate_id: str, *, applied: ChangeNumber) -> ChangeNumber | None:
    """Confirm what is applied and begin the lease anew; the answer is the last change there is.

    None: the gate was given up and must not go on with what it remembers.
    """
    rows = await line.rows(_RENEW, applied, gate_id)
    return ChangeNumber(rows[0][0]) if rows else None


async def deregister(line: Line, gate_id: str) -> None:
    """Leave, so that nobody waits for the lease. The gate has stopped admitting before."""
    await line.rows(_DEREGISTER, gate_id)


def await_reach(engine: Engine, number: ChangeNumber, *, lease: timedelta, poll: timedelta = POLL) -> Reach:
    """Wait until no gate can admit by what it knew before `number`, which is committed.

    `lease` is what gates are set to. It is awaited in full when this line of history is new, since registrations may
    have been lost with the old one. On SQLite nothing is awaited: gates look before every decision.
    """
    if engine.dialect.name == "sqlite":
        return Reach(0, 0, 0, timedelta(0))
    started = time.monotonic()
    unknown = _unknown_timeline(engine)
    confirmed, lapsed = _await_gates(engine, number, poll.total_seconds())
    _await_leases_of_old(engine, unknown, since=started, lease_s=lease.total_seconds() * _RATE_TOLERANCE)
    took = timedelta(seconds=time.monotonic() - started)
    return Reach(gates=confirmed + lapsed, confirmed=confirmed, lapsed=lapsed, took=took)


@dataclass(slots=True)
class _Sight:
    """A gate that has not confirmed, as it was last seen to act. `patience_until`: it is fenced then if it goes on."""

    renewed_at: datetime
    lapses_at: float
    patience_until: float


def _await_gates(engine: Engine, number: ChangeNumber, poll_s: float) -> tuple[int, int]:
    """Count the gates that confirmed and those whose lease ran out."""
    sights: dict[str, _Sight] = {}
    lapsed = 0
    while True:
        rows = _list_gates(engine)
        behind = [row for row in rows if row.applied < number]
        if not behind:
            return len(rows), lapsed
        for row in behind:
            lapsed += _watch(engine, number, row, sights)
        time.sleep(poll_s)


def _watch(engine: Engine, number: ChangeNumber, row: Row[*tuple[Any, ...]], sights: dict[str, _Sight]) -> bool:
    """Look at a gate that is behind, and say whether it was given up just now."""
    now = time.monotonic()
    lease_s = row.lease_us / 1_000_000 * _RATE_TOLERANCE
    sight = sights.setdefault(row.id, _Sight(row.renewed_at, now + lease_s, now + lease_s))
    if row.renewed_at != sight.renewed_at:
        sight.renewed_at, sight.lapses_at = row.renewed_at, now + lease_s
        if now >= sight.patience_until:
            _fence(engine, row.id, number)
        return False
    return now >= sight.lapses_at and _give_up(engine, row.id, row.renewed_at)


def _fence(engine: Engine, gate_id: str, number: ChangeNumber) -> None:
    with writing(engine) as connection:
        connection.execute(update(gates).where(gates.c.id == gate_id, gates.c.applied < number).values(fenced=True))


def _give_up(engine: Engine, gate_id: str, renewed_at: datetime) -> bool:
    """Delete a gate, unless it has renewed after all: a renewal that arrives later finds no row and no lease."""
    with writing(engine) as connection:
        statement = delete(gates).where(gates.c.id == gate_id, gates.c.renewed_at == renewed_at)
        return connection.execute(statement).rowcount == 1


def _list_gates(engine: Engine) -> Sequence[Row[*tuple[Any, ...]]]:
    with reading(engine) as connection:
        return connection.execute(select(gates.c.id, gates.c.applied, gates.c.lease_us, gates.c.renewed_at)).all()


def _await_leases_of_old(engine: Engine, unknown: int | None, *, since: float, lease_s: float) -> None:
    """Outwait the leases of gates whose registration a failover may have lost, then remember that it was done.

    `unknown` is the new line of history when it was noticed at `since`; one that began only now is waited for in full.
    """
    while (found := _unknown_timeline(engine)) is not None:
        if found != unknown:
            unknown, since = found, time.monotonic()
        time.sleep(max(0.0, since + lease_s - time.monotonic()))
        with writing(engine) as connection:
            now = connection.execute(select(func.clock_timestamp())).scalar_one()
            row = {"organization_id": PLATFORM, "timeline": found, "first_seen_at": now}
            insert_if_absent(connection, timelines, row)


def _unknown_timeline(engine: Engine) -> int | None:
    with reading(engine) as connection:
        current = int(connection.execute(text(_TIMELINE)).scalar_one())
        known = connection.execute(select(timelines.c.timeline)).scalars().all()
    return None if current in known else current

"""Work that one node at a time does, and how far it has got. A lease row, so that no second service is needed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from credenza.domain.expiry import OVERLAP
from credenza.domain.model import PLATFORM
from credenza.store.instants import at_micros
from credenza.store.schema import chores
from credenza.store.upsert import insert_if_absent, insert_into

_NEVER = at_micros(0)


def take(connection: Connection, name: str, holder: str, *, until: datetime, now: datetime) -> bool:
    """Take the work, or keep it, unless another node has it until later; say whether it is ours."""
    row = {"organization_id": PLATFORM, "name": name, "holder": holder, "until": until, "done_until": _NEVER}
    if insert_if_absent(connection, chores, row):
        return True
    # A turn that reaches so much further than ours was taken by a clock that was wrong: it may last for a year.
    free = or_(chores.c.holder == holder, chores.c.until <= now, chores.c.until > until + OVERLAP)
    statement = update(chores).where(chores.c.name == name, free).values(holder=holder, until=until)
    return connection.execute(statement).rowcount == 1


def done_until(connection: Connection, name: str) -> datetime | None:
    """How far the work was done; None when it never was."""
    query = select(chores.c.done_until).where(chores.c.name == name)
    found = connection.execute(query).scalar_one_or_none()
    return None if found == _NEVER else found


def mark_done(connection: Connection, name: str, *, until: datetime) -> None:
    """Note how far the work was done, whoever had the turn."""
    row = {"organization_id": PLATFORM, "name": name, "holder": "", "until": _NEVER, "done_until": until}
    statement = insert_into(connection, chores).values(**row)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"done_until": until}))

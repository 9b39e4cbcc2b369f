"""The change sequence: what gates may already know has changed, in the order of the commits.

The number comes from one row that stays locked to the commit, so no lower number can appear after a higher one has
been seen (settled 22). Lock order everywhere: project, then this counter, then the head of an audit chain.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, insert, select, update

from credenza.domain.model import ChangeNumber, OrganizationId
from credenza.store.change_kinds import Change, ChangeKind
from credenza.store.prepared import Prepared
from credenza.store.schema import change_counter, changes

__all__ = ["CHANNEL", "Change", "ChangeKind", "current", "record", "since"]

CHANNEL = "credenza_changes"

_NEXT = Prepared(update(change_counter).values(number=change_counter.c.number + 1).returning(change_counter.c.number))
_INSERT = Prepared(insert(changes), sets=("organization_id", "number", "kind", "subject"))
_NOTIFY = Prepared(select(func.pg_notify(bindparam("channel"), bindparam("number"))))


def record(
    connection: Connection, organization_id: OrganizationId, kind: ChangeKind, subject: str | int
) -> ChangeNumber:
    """Take the next number for a change made in this transaction, and wake the gates at its commit."""
    number: int = _NEXT.one(connection).number
    row = {"organization_id": organization_id, "number": number, "kind": kind, "subject": str(subject)}
    _INSERT.run(connection, row)
    if connection.dialect.name == "postgresql":
        _NOTIFY.run(connection, {"channel": CHANNEL, "number": str(number)})
    return ChangeNumber(number)


def current(connection: Connection) -> ChangeNumber:
    return ChangeNumber(connection.execute(select(change_counter.c.number)).scalar_one())


def since(connection: Connection, number: ChangeNumber) -> tuple[Change, ...]:
    """List the changes after `number`, in order."""
    query = (
        select(changes.c.number, changes.c.kind, changes.c.subject)
        .where(changes.c.number > number)
        .order_by(changes.c.number)
    )
    return tuple(Change(row.number, ChangeKind(row.kind), row.subject) for row in connection.execute(query))

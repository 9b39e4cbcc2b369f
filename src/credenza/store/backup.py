"""The records as batches of rows and back again: the same on both databases, so that either restores the other's.

`gates` and `timelines` stay out: they are about the running fleet and the server, not about the installation.
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    Column,
    Connection,
    ForeignKeyConstraint,
    LargeBinary,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from credenza.domain.model import PLATFORM, ChangeNumber
from credenza.domain.outbox import State
from credenza.store import changes, schema
from credenza.store.archive import Batch, Cell
from credenza.store.changes import ChangeKind
from credenza.store.instants import at_micros, micros
from credenza.store.schema import Instant

HISTORY = frozenset(
    {
        schema.wrapped_secrets,
        schema.authorities,
        schema.certificates,
        schema.change_counter,
        schema.changes,
        schema.audit_heads,
        schema.audit_entries,
    }
)
"""What only ever grows. A database that goes on from a backup has all of the backup's, and more."""

_OF_THE_FLEET = frozenset({schema.gates, schema.timelines})
_BATCH_ROWS = 200

Values: TypeAlias = dict[str, Any]


def tables() -> tuple[Table, ...]:
    """The tables of a backup, each after those it refers to."""
    return tuple(each for each in schema.records.sorted_tables if each not in _OF_THE_FLEET)


def dump(connection: Connection) -> Generator[Batch]:
    """Read everything in the connection's snapshot; to be closed before that. An empty table is one empty batch."""
    for table in tables():
        # SQLAlchemy's names are strings of a class of their own.
        name, columns = str(table.name), tuple(str(column.name) for column in table.columns)
        query = select(table).order_by(*table.primary_key).execution_options(yield_per=_BATCH_ROWS)
        batches = 0
        with connection.execute(query) as found:
            for rows in found.partitions():
                batches += 1
                yield Batch(name, columns, tuple(tuple(map(_encode, row)) for row in rows))
        if batches == 0:
            yield Batch(name, columns, ())


def is_empty(connection: Connection) -> bool:
    """Whether nothing was ever kept in the database, not even by a first start."""
    return not any(
        connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in tables()
        if table is not schema.change_counter
    )


def hold(connection: Connection) -> None:
    """Let nobody else write to the end of the transaction, and let it take its time."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        # EXCLUSIVE, so that gates go on reading; whoever wants to write waits, or gives up after its own deadline.
        names = ", ".join(each.name for each in tables())
        connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))


def empty(connection: Connection, *, but: frozenset[Table] = frozenset()) -> None:
    # Not TRUNCATE, which would show gates an empty table before the commit (PostgreSQL: it is not MVCC-safe).
    for table in reversed(tables()):
        if table not in but:
            connection.execute(delete(table))


def fill(connection: Connection, batches: Iterable[Batch], *, but: frozenset[Table] = frozenset()) -> None:
    """Insert the rows of a backup into empty tables."""
    links: dict[Column[Any], list[Values]] = {}
    for batch in batches:
        table = schema.records.tables[batch.table]
        rows = list(values(batch))
        if table in but or not rows:
            continue
        for column in _links_to_itself(table):
            links.setdefault(column, []).extend(_take_links(table, column, rows))
        connection.execute(insert(table), rows)
    for column, found in links.items():
        _set_links(connection, column, found)
    _follow_numbers(connection)


def drop_openings(connection: Connection) -> None:
    """Forget what may have been used up or ended since the backup: who needs one gets another.

    Links, open invitations, sessions, recovery codes and the letters that carry links. Notices of expiry that wait are
    kept: they name what is still true, and a repeat carries the same id.
    """
    connection.execute(delete(schema.one_time_links))
    connection.execute(delete(schema.sessions))
    connection.execute(delete(schema.recovery_codes))
    open_ones = schema.invitations.c.accepted_at.is_(None) & schema.invitations.c.withdrawn_at.is_(None)
    connection.execute(delete(schema.invitations).where(open_ones))
    letters = schema.outbox.c.notice_id.is_(None)
    connection.execute(delete(schema.outbox).where(letters, schema.outbox.c.state == State.WAITING))


def values(batch: Batch) -> Iterator[Values]:
    """Turn a batch into rows by column name. Raises KeyError or ValueError for what does not fit the table."""
    table = schema.records.tables[batch.table]
    columns = [table.columns[name] for name in batch.columns]
    for row in batch.rows:
        yield {
            column.name: None if cell is None else _decode(column, cell)
            for column, cell in zip(columns, row, strict=True)
        }


def begin_anew(connection: Connection, number: ChangeNumber) -> None:
    """Go on at `number`. The hole before it makes every gate forget all it knows (`lookup.News.follows`)."""
    connection.execute(update(schema.change_counter).values(number=number - 1))
    changes.record(connection, PLATFORM, ChangeKind.CATALOG, "restored")


def _encode(value: Any) -> Cell:
    if isinstance(value, datetime):
        return micros(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    cell: Cell = value
    return cell


def _decode(column: Column[Any], cell: Cell) -> Any:
    if isinstance(column.type, Instant):
        return at_micros(int(cell or 0))
    if isinstance(column.type, LargeBinary):
        return base64.b64decode(str(cell), validate=True)
    return cell


def _links_to_itself(table: Table) -> list[Column[Any]]:
    """A row may refer to a later one of its table, so such links are set when all rows are there."""
    return [
        constraint.columns[0]
        for constraint in table.constraints
        if isinstance(constraint, ForeignKeyConstraint) and constraint.referred_table is table
    ]


def _take_links(table: Table, column: Column[Any], rows: Iterable[Values]) -> Iterator[Values]:
    (key,) = table.primary_key
    for row in rows:
        if row[column.name] is not None:
            yield {"row": row[key.name], "link": row[column.name]}
            row[column.name] = None


def _set_links(connection: Connection, column: Column[Any], links: list[Values]) -> None:
    (key,) = column.table.primary_key
    statement = update(schema.records.tables[column.table.name]).where(key == bindparam("row"))
    if links:
        connection.execute(statement.values({column.name: bindparam("link")}), links)


def _follow_numbers(connection: Connection) -> None:
    """PostgreSQL counts services apart from their rows; a number that was used is not used again."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text(
                "SELECT setval('services_id_seq', greatest((SELECT max(id) FROM services), "
                "(SELECT last_value FROM services_id_seq)))"
            )
        )


def rows_by_key(connection: Connection, table: Table) -> Mapping[tuple[Any, ...], Values]:
    """Read a whole table that is small enough to be held."""
    keys = [column.name for column in table.primary_key]
    found = (dict(row) for row in connection.execute(select(table)).mappings())
    return {tuple(row[key] for key in keys): row for row in found}

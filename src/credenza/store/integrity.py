"""Whether the database itself is sound: its pages, its constraints, and that every reference leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Engine, ForeignKeyConstraint, Table, and_, func, or_, select, text

from credenza.store import schema
from credenza.store.engine import Database, reading

_UNPROVEN_CONSTRAINTS = """
SELECT conrelid::regclass || ': ' || conname || ' was never checked' FROM pg_constraint WHERE NOT convalidated
"""
_BROKEN_INDEXES = """
SELECT indrelid::regclass || ': the index ' || indexrelid::regclass || ' is not valid'
FROM pg_index WHERE NOT (indisvalid AND indisready)
"""


def flaws(database: Database) -> tuple[str, ...]:
    """List what is broken, a sentence each. Reads everything; raises DBAPIError when that is not possible."""
    if database.embedded:
        return (*_flaws_of_file(database.records), *_flaws_of_file(database.traces))
    with reading(database.records) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        catalog = [row for query in (_UNPROVEN_CONSTRAINTS, _BROKEN_INDEXES) for row in _texts(connection, query)]
        return (*catalog, *_lost_references(connection))


def _flaws_of_file(engine: Engine) -> Iterator[str]:
    with reading(engine) as connection:
        for found in _texts(connection, "PRAGMA integrity_check"):
            if found != "ok":
                yield f"{engine.url.database}: {found}"
        for row in connection.execute(text("PRAGMA foreign_key_check")):
            yield f"{row[0]}: row {row[1]} refers to a row of {row[2]} that is not there"


def _texts(connection: Connection, query: str) -> list[str]:
    return list(connection.execute(text(query)).scalars())


def _lost_references(connection: Connection) -> Iterator[str]:
    for table in schema.records.sorted_tables:
        for constraint in table.foreign_key_constraints:
            lost = _count_lost(connection, table, constraint)
            if lost:
                yield f"{table.name}: {lost} rows refer to rows of {constraint.referred_table.name} that are not there"


def _count_lost(connection: Connection, table: Table, constraint: ForeignKeyConstraint) -> int:
    target = constraint.referred_table.alias("target")
    pairs = [(table.c[key.parent.name], target.c[key.column.name]) for key in constraint.elements]
    query = (
        select(func.count())
        .select_from(table.outerjoin(target, and_(*(own == other for own, other in pairs))))
        .where(and_(*(own.is_not(None) for own, _ in pairs)), or_(*(other.is_(None) for _, other in pairs)))
    )
    return int(connection.execute(query).scalar_one())

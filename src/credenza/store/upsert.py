"""What the databases spell differently: `INSERT … ON CONFLICT`, and which unique constraint was violated."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from credenza.store.prepared import Prepared


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Begin an insert that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return insert_on(connection.dialect.name, table)


def insert_on(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def insert_if_absent(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert one row unless a unique constraint already holds its place; say whether it was inserted."""
    return _if_absent(connection.dialect.name, table, tuple(row)).run(connection, row) == 1


@cache
def _if_absent(dialect: str, table: Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(insert_on(dialect, table).on_conflict_do_nothing(), sets=columns)


def violates(error: IntegrityError, constraint: str, *columns: Column[Any]) -> bool:
    """Say whether it was this unique constraint: PostgreSQL names it, SQLite names its columns."""
    names = ", ".join(f"{column.table.name}.{column.name}" for column in columns)
    text = str(error.orig)
    return text == f"UNIQUE constraint failed: {names}" or f'unique constraint "{constraint}"' in text

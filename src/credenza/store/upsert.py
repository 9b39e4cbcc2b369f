"""What the databases spell differently: `INSERT … ON CONFLICT`, and which unique constraint was violated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Begin an insert that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_if_absent(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert one row unless a unique constraint already holds its place; say whether it was inserted."""
    statement = insert_into(connection, table).on_conflict_do_nothing()
    # Without the option SQLAlchemy does not ask psycopg how many rows an INSERT has made, and answers -1.
    return connection.execute(statement, row, execution_options={"preserve_rowcount": True}).rowcount == 1


def violates(error: IntegrityError, constraint: str, *columns: Column[Any]) -> bool:
    """Say whether it was this unique constraint: PostgreSQL names it, SQLite names its columns."""
    names = ", ".join(f"{column.table.name}.{column.name}" for column in columns)
    text = str(error.orig)
    return text == f"UNIQUE constraint failed: {names}" or f'unique constraint "{constraint}"' in text

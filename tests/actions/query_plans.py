"""How SQLite goes about what it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event


@contextmanager
def steps_of(records: Engine, *, of: str) -> Iterator[list[str]]:
    """The steps of all statements that read the table."""
    steps: list[str] = []

    def explain(_: Connection, cursor: Any, statement: str, values: Any, *_rest: object) -> None:
        if f"FROM {of}" in statement:
            steps.extend(row[3] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))

    event.listen(records, "before_cursor_execute", explain)
    yield steps
    event.remove(records, "before_cursor_execute", explain)

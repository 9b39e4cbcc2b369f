"""A connection of its own to either database, to put questions over as a gate does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from credenza.store.embedded import EmbeddedReader
from credenza.store.engine import Database


class GateConnection:
    """On SQLite `_sqlite` answers; on PostgreSQL `_rows` has what a statement finds."""

    def __init__(self, database: Database) -> None:
        self._embedded = database.embedded
        url = database.records.url
        if self._embedded:
            self._sqlite = EmbeddedReader(Path(url.database or ""))
        else:
            self._postgresql = psycopg.connect(
                url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
            )

    def close(self) -> None:
        (self._sqlite if self._embedded else self._postgresql).close()

    def _rows(self, statement: str, *values: Any) -> Any:
        return self._postgresql.execute(statement.encode(), values).fetchall()

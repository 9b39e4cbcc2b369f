"""The gate's own connection to the traces of SQLite, opened with the first batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from credenza.store.deadline import STATEMENT_DEADLINE
from credenza.store.trace_writing import Unwritten


def traces_path(records: Path) -> Path:
    return records.with_name("traces.db")


class EmbeddedTraces:
    """Batches come from threads, one at a time: SQLite's own lock is tried again and again, and unfairly."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = Lock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def writing(self) -> Iterator[EmbeddedTransaction]:
        with self._turn:
            try:
                connection = self._connection = self._connection or _open(self._path)
                with _committed(connection):
                    yield EmbeddedTransaction(connection)
            except sqlite3.Error as error:
                raise Unwritten("traces") from error

    def close(self) -> None:
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class EmbeddedTransaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def change(self, statement: str, values: Mapping[str, Any]) -> int:
        return self._connection.execute(statement, values).rowcount


def _open(path: Path) -> sqlite3.Connection:
    """Open what is there: a file that is missing must not come back empty."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=STATEMENT_DEADLINE.total_seconds(),
        isolation_level=None,
        check_same_thread=False,
    )
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {pragma}").close()
    return connection


@contextmanager
def _committed(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise

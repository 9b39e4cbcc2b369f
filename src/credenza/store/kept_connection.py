"""A connection to SQLite that is kept for those who use it one after the other: to take one from the pool and to give
it back takes as long as several statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy import Connection, Engine


class KeptConnection:
    """Who uses it sees to it that nobody else does. One that was closed, because something went wrong on it, is
    replaced by another."""

    def __init__(self) -> None:
        self._connection: Connection | None = None

    def open(self, engine: Engine, **options: bool) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = engine.connect().execution_options(**options)
        return self._connection

    def close(self) -> None:
        """Close it for good, and not give it back."""
        if self._connection is not None and not self._connection.closed:
            self._connection.invalidate()
            self._connection.close()


class Questions:
    """Single statements that read, one at a time: each takes microseconds."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._kept = KeptConnection()

    @contextmanager
    def ask(self, engine: Engine) -> Iterator[Connection]:
        with self._mutex:
            connection = self._kept.open(engine, credenza_reading=True)
            try:
                yield connection
                connection.rollback()  # SQLAlchemy has begun a transaction unless the statement was a prepared one
            except BaseException:
                connection.close()
                raise

    def close(self) -> None:
        with self._mutex:
            self._kept.close()

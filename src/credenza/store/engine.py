"""Open the database, SQLite or PostgreSQL, and begin transactions on it.

`writing` takes the write lock at once on SQLite, so that what was read stays true until the commit; on PostgreSQL the
callers lock rows. `reading` sees one snapshot on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL, Dialect

STATEMENT_DEADLINE = timedelta(seconds=5)
"""No statement, lock wait or connection attempt outlives this; a hung database must not hang us."""

_POOL_SIZE = 10


@dataclass(frozen=True, slots=True)
class Database:
    """`records` is the truth; `traces` is what calls leave behind. On PostgreSQL both are the same server."""

    records: Engine
    traces: Engine

    @property
    def embedded(self) -> bool:
        return self.records.dialect.name == "sqlite"

    def close(self) -> None:
        self.records.dispose()
        self.traces.dispose()


def open_database(url: str) -> Database:
    """Open what `url` names: `sqlite:///path/to/credenza.db`, or `postgresql://user@host/name`.

    On SQLite the traces live beside the records in `traces.db`.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database:
            raise ValueError("The database needs a file: sqlite:///path/to/credenza.db")
        return Database(_sqlite(parsed), _sqlite(parsed.set(database=str(traces_path(Path(parsed.database))))))
    if parsed.get_backend_name() == "postgresql":
        engine = _postgresql(parsed.set(drivername="postgresql+psycopg"))
        return Database(engine, engine)
    raise ValueError(f"Unknown database {parsed.get_backend_name()}: use sqlite:///… or postgresql://…")


def traces_path(records_path: Path) -> Path:
    return records_path.with_name("traces.db")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed when the block ends and rolled back when it raises."""
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One snapshot of the database; nothing can be written in it."""
    with engine.connect().execution_options(**_snapshot(engine.dialect)) as connection, connection.begin():
        yield connection


def _snapshot(dialect: Dialect) -> dict[str, Any]:
    if dialect.name == "sqlite":
        return {"credenza_reading": True}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": STATEMENT_DEADLINE.total_seconds(), "check_same_thread": False},
        pool_size=_POOL_SIZE,
        max_overflow=0,
        pool_timeout=STATEMENT_DEADLINE.total_seconds(),
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction control begins late and commits before DDL; we begin ourselves.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("credenza_reading", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _postgresql(url: URL) -> Engine:
    deadline_ms = int(STATEMENT_DEADLINE.total_seconds() * 1000)
    return create_engine(
        url,
        connect_args={
            "connect_timeout": int(STATEMENT_DEADLINE.total_seconds()),
            # A frozen server answers nothing: the client's own TCP deadline ends the wait (security.md, decision 4).
            "tcp_user_timeout": deadline_ms,
            "keepalives_idle": 2,
            "keepalives_interval": 1,
            "keepalives_count": 3,
            "options": f"-c statement_timeout={deadline_ms} -c lock_timeout={deadline_ms} -c timezone=UTC "
            f"-c idle_in_transaction_session_timeout={2 * deadline_ms}",
        },
        pool_size=_POOL_SIZE,
        max_overflow=0,
        pool_timeout=STATEMENT_DEADLINE.total_seconds(),
        pool_pre_ping=True,
    )

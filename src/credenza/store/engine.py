"""Open the database, SQLite or PostgreSQL, and begin transactions on it.

`writing` takes the write lock at once on SQLite, so that what was read stays true until the commit, and those who wait
for it commit together (`turns`); on PostgreSQL the callers lock rows. `reading` sees one snapshot on both, and so does
the single statement of `asking`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL, Dialect

from credenza.store.deadline import STATEMENT_DEADLINE
from credenza.store.embedded_traces import traces_path
from credenza.store.kept_connection import Questions
from credenza.store.prepared import run_sql
from credenza.store.turns import Turns

POOL_SIZE = 10
_KEPT = 2
"""Connections that writers, and single questions, have to themselves."""
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "trusted_schema=OFF",
    # What a savepoint would undo fills a file otherwise, made and removed for every writer.
    "temp_store=MEMORY",
)


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
        # Imported by those who have one: psycopg takes 7 MB that an embedded database can do without.
        postgresql = import_module("credenza.store.postgresql_engine")
        engine: Engine = postgresql.open_engine(parsed.set(drivername="postgresql+psycopg"))
        return Database(engine, engine)
    raise ValueError(f"Unknown database {parsed.get_backend_name()}: use sqlite:///… or postgresql://…")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed when the block ends and rolled back when it raises."""
    turns: Turns | None = engine.get_execution_options().get("credenza_turns")
    if turns is not None:
        with turns.turn(engine) as connection:
            yield connection
        return
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One snapshot of the database; nothing can be written in it."""
    with engine.connect().execution_options(**_snapshot(engine.dialect)) as connection, connection.begin():
        yield connection


@contextmanager
def asking(engine: Engine) -> Iterator[Connection]:
    """For one question alone: a single SELECT sees one state of the database without a transaction around it."""
    questions: Questions | None = engine.get_execution_options().get("credenza_questions")
    if questions is not None:
        with questions.ask(engine) as connection:
            yield connection
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def _snapshot(dialect: Dialect) -> dict[str, Any]:
    if dialect.name == "sqlite":
        return {"credenza_reading": True}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _sqlite(url: URL) -> Engine:
    turns, questions = Turns(), Questions()
    engine = create_engine(
        url,
        connect_args={"timeout": STATEMENT_DEADLINE.total_seconds(), "check_same_thread": False},
        pool_size=POOL_SIZE + _KEPT,
        max_overflow=0,
        pool_timeout=STATEMENT_DEADLINE.total_seconds(),
        execution_options={"credenza_turns": turns, "credenza_questions": questions},
        hide_parameters=True,  # what is stored must not stand in logs
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    for kept in (turns, questions):
        event.listen(engine, "engine_disposed", lambda _engine, kept=kept: kept.close())
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction control begins late and commits before DDL; we begin ourselves.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("credenza_reading", False)
    run_sql(connection, "BEGIN" if reads else "BEGIN IMMEDIATE")

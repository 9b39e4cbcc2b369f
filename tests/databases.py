"""Databases for tests: as their template each time, made once per process.

What is kept are the engines, and with them the statements that SQLAlchemy has compiled and the catalogs that
PostgreSQL's sessions have read: more than half of what a short test costs.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import event
from tests.servers import PostgreSQLServer

from credenza.store import migrate
from credenza.store.engine import Database, open_database

_LOCKED_S = 10

# As a replica it does not look whether a row is referred to: all that refer to it go too.
_OPTIONS = f"-c session_replication_role=replica -c lock_timeout={_LOCKED_S}s -c synchronous_commit=off"

_STRANGERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> ALL(%s)
"""

# Whatever a test may have added, renamed or taken away, and which revisions it left.
_SHAPE = """
SELECT
    (SELECT array_agg((oid, relname, relnatts) ORDER BY oid) FROM pg_class
     WHERE relnamespace = 'public'::regnamespace)::text,
    (SELECT array_agg((oid, conname, convalidated) ORDER BY oid) FROM pg_constraint
     WHERE connamespace = 'public'::regnamespace)::text,
    (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal),
    (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
    (SELECT count(*) FROM pg_namespace),
    (SELECT version_num FROM alembic_version_records),
    (SELECT version_num FROM alembic_version_traces)
"""

_TABLES = """
SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'alembic%' ORDER BY 1
"""


def migrate_files(directory: Path) -> Path:
    """Make the files of an empty database on SQLite, to be copied."""
    database = open_database(f"sqlite:///{directory}/credenza.db")
    migrate.upgrade(database)
    database.close()
    return directory


class SqlitePlace:
    """One place for the files of one database after the other."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._database = open_database(f"sqlite:///{directory}/credenza.db")

    def put(self, template: Path) -> Database:
        """The database whose files are in `template`. Whoever still has a file of the one before writes to nowhere."""
        self.close()
        for path in self._directory.iterdir():
            path.unlink()
        for path in template.glob("*.db"):
            shutil.copy(path, self._directory)
        return _own(self._database)

    def close(self) -> None:
        self._database.close()


class RenewedDatabase:
    """A database on PostgreSQL that gets the rows of its template again before each test. When a test has changed more
    than rows, or somebody does not let go, another copy of the template takes its place: that takes ten times as long.
    """

    def __init__(self, server: PostgreSQLServer, template: str) -> None:
        self._server, self._template = server, template
        self._make()

    def renew(self) -> Database:
        if not self._renewed():
            self.drop()
            self._make()
        return _own(self._database)

    def drop(self) -> None:
        self._database.close()
        self._own_connection.close()
        self._server.drop_database(self._url)

    def _make(self) -> None:
        self._url = self._server.create_database(template=self._template)
        self._own_connection = psycopg.connect(self._url, autocommit=True, options=_OPTIONS)
        self._pids = [self._own_connection.info.backend_pid]
        self._shape = self._own_connection.execute(_SHAPE).fetchone()
        self._tables = [row[0] for row in self._own_connection.execute(_TABLES)]
        self._refilling = "; ".join(_refilling(self._own_connection, self._tables))
        self._database = open_database(self._url)
        event.listen(self._database.records, "connect", self._note)

    def _note(self, connection: psycopg.Connection, _record: object) -> None:
        self._pids.append(connection.info.backend_pid)

    def _renewed(self) -> bool:
        """Say whether it is as new: nobody is in it any more, and it has the shape and the rows that it had."""
        if self._database.records.pool.checkedout():
            return False
        try:
            self._own_connection.execute(_STRANGERS, [self._pids])
            if self._own_connection.execute(_SHAPE).fetchone() != self._shape:
                return False
            self._empty()
            self._own_connection.execute(self._refilling)
        except psycopg.Error:
            return False
        return True

    def _empty(self) -> None:
        """Without VACUUM new rows would fill gaps, and what is read in no order would come in another one."""
        cursor = self._own_connection.execute("; ".join(f"DELETE FROM {table}" for table in self._tables))
        deleted = [(cursor.rowcount, cursor.nextset()) for _ in self._tables]
        full = [table for table, (rows, _) in zip(self._tables, deleted, strict=True) if rows]
        if full:
            self._own_connection.execute(f"VACUUM (INDEX_CLEANUP ON) {', '.join(full)}")


def _refilling(connection: psycopg.Connection, tables: list[str]) -> Iterator[str]:
    """The statements that bring back the rows and the sequences as they are now."""
    for table in tables:
        (rows,) = connection.execute(f"SELECT json_agg(rows)::text FROM {table} AS rows").fetchone()
        if rows is not None:
            made = f"json_populate_recordset(NULL::{table}, {sql.Literal(rows).as_string(connection)})"
            yield f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {made}"
    for (sequence,) in connection.execute("SELECT quote_ident(sequencename) FROM pg_sequences").fetchall():
        last, called = connection.execute(f"SELECT last_value, is_called FROM {sequence}").fetchone()
        yield f"SELECT setval('{sequence}', {last}, {called})"


def _own(database: Database) -> Database:
    """The same engines, but a test's listeners go when it goes."""
    records = database.records.execution_options()
    return Database(records, records if database.traces is database.records else database.traces.execution_options())

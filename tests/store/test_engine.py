"""Nobody waits for a database without end, and nobody is passed over."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from tests.servers import PostgreSQLServer

from credenza.domain.model import PLATFORM
from credenza.store import changes, migrate
from credenza.store.changes import ChangeKind
from credenza.store.engine import Database, open_database, reading, writing


def ask(database: Database) -> object:
    with reading(database.records) as connection:
        return connection.execute(text("SELECT 1")).scalar_one()


def test_a_frozen_server_does_not_hold_up_whoever_waits_on_it_for_ever() -> None:
    with PostgreSQLServer() as server:
        database = open_database(server.create_database())
        migrate.upgrade(database)
        ask(database)
        server.freeze()

        with pytest.raises(OperationalError):
            ask(database)

        server.thaw()
        assert ask(database) == 1
        database.close()


def test_a_connection_that_the_server_has_closed_is_replaced_at_once() -> None:
    with PostgreSQLServer() as server:
        database = open_database(server.create_database())
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: ask(database), range(3)))
        closed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        with psycopg.connect(server.url("postgres")) as other:
            other.execute(closed + " AND backend_type = 'client backend'")

        assert ask(database) == 1
        database.close()


def test_sixteen_writers_all_have_their_turn(database: Database) -> None:
    def write(subject: int) -> None:
        for _ in range(10):
            with writing(database.records) as connection:
                changes.record(connection, PLATFORM, ChangeKind.CATALOG, subject)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))

    with reading(database.records) as connection:
        assert changes.current(connection) == 160

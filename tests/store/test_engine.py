"""Nobody waits for a database without end, and nobody is passed over."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from tests.servers import PostgreSQLServer

from credenza.domain.model import PLATFORM, OrganizationId
from credenza.store import changes, migrate, people
from credenza.store.changes import ChangeKind
from credenza.store.engine import Database, asking, open_database, reading, writing
from credenza.store.prepared import Prepared
from credenza.store.schema import change_counter


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
        closed = "SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        with psycopg.connect(server.url("postgres")) as other:
            other.execute(closed + " AND backend_type = 'client backend'")

        assert ask(database) == 1
        database.close()


def test_a_single_question_begins_no_transaction(database: Database) -> None:
    with asking(database.records) as connection:
        people.organization_exists(connection, OrganizationId("nobody"))
        driver: Any = connection.connection.dbapi_connection
        begun = driver.in_transaction if database.embedded else driver.info.transaction_status != TransactionStatus.IDLE

    assert not begun


def test_after_a_question_its_connection_has_transactions_as_before(database: Database) -> None:
    with asking(database.records) as connection:
        people.organization_exists(connection, OrganizationId("nobody"))

    with suppress(LookupError), writing(database.records) as connection:
        changes.record(connection, PLATFORM, ChangeKind.CATALOG, 1)
        raise LookupError

    with asking(database.records) as connection:
        assert changes.current(connection) == 0


def test_each_question_sees_what_was_written_last(database: Database) -> None:
    query = select(change_counter.c.number)
    for number in (1, 2):
        with writing(database.records) as connection:
            changes.record(connection, PLATFORM, ChangeKind.CREDENTIAL, "key")

        with asking(database.records) as connection:
            assert connection.execute(query).scalar_one() == number
        with asking(database.records) as connection:
            assert Prepared(query).one(connection).number == number


def test_a_question_that_fails_spoils_no_other(database: Database) -> None:
    for _ in range(2):
        with pytest.raises(DBAPIError), asking(database.records) as connection:
            connection.execute(text("SELECT nothing"))

        with asking(database.records) as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_closed_database_has_no_file_open(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/credenza.db")
    with writing(database.records) as connection:
        connection.execute(text("CREATE TABLE things (name TEXT)"))
    with asking(database.records) as connection:
        connection.execute(text("SELECT name FROM things"))

    database.close()

    assert not [each for each in Path("/proc/self/fd").iterdir() if str(tmp_path) in str(each.resolve())]


def test_sixteen_writers_all_have_their_turn(database: Database) -> None:
    def write(subject: int) -> None:
        for _ in range(10):
            with writing(database.records) as connection:
                changes.record(connection, PLATFORM, ChangeKind.CATALOG, subject)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))

    with reading(database.records) as connection:
        assert changes.current(connection) == 160

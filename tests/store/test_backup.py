"""Rows out of one database and into another, and what gates make of it."""

from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import select, text
from tests.clock import NOON
from tests.store.rows import Rows

from credenza.domain.model import PLATFORM, ChangeNumber
from credenza.gate.freshness import SqliteFreshness, SqliteKeys
from credenza.gate.keyring import Entry, Keyring, RouteTable
from credenza.store import backup, changes, integrity, quarantine, schema
from credenza.store.archive import Batch
from credenza.store.changes import ChangeKind
from credenza.store.embedded import EmbeddedReader
from credenza.store.engine import Database, reading, writing


@pytest.fixture
def filled(database: Database) -> Database:
    rows = Rows(database)
    organization, user = rows.organization(), rows.user(disabled_at=NOON)
    project = rows.project(organization, owner_id=user)
    rows.environment(organization, project)
    rows.entitle(organization, project, rows.service())
    key = rows.credential(organization, project_id=project, slot=1, public_key_der=bytes(range(256)))
    with writing(database.records) as connection:
        changes.record(connection, PLATFORM, ChangeKind.CREDENTIAL, key)
    return database


def dump(database: Database) -> list[Batch]:
    with reading(database.records) as connection:
        return list(backup.dump(connection))


def refill(database: Database, batches: list[Batch]) -> None:
    with writing(database.records) as connection:
        backup.hold(connection)
        backup.empty(connection)
        backup.fill(connection, batches)


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_rows_come_back_the_same_in_either_database(
    filled: Database, target: str, request: pytest.FixtureRequest
) -> None:
    batches = dump(filled)
    other: Database = request.getfixturevalue(f"{target}_database")

    refill(other, batches)

    assert dump(other) == batches
    assert integrity.flaws(other) == ()


def test_a_row_may_refer_to_one_that_comes_after_it(filled: Database) -> None:
    rows = Rows(filled)
    (project,) = [row["id"] for row in content(filled, schema.projects)]
    (organization,) = [row["organization_id"] for row in content(filled, schema.organizations)]
    last, first = "f" * 48, "0" * 48
    rows.credential(organization, project_id=project, id=last, spki_sha256="f")
    rows.credential(organization, project_id=project, id=first, spki_sha256="0", predecessor_id=last)
    batches = dump(filled)

    refill(filled, batches)

    assert dump(filled) == batches


def content(database: Database, table: Any) -> list[dict[str, Any]]:
    with reading(database.records) as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def test_every_table_is_in_a_backup_but_those_of_the_running_fleet(filled: Database) -> None:
    named = {batch.table for batch in dump(filled)}

    assert set(schema.records.tables) - named == {"gates", "timelines"}


def test_the_number_of_a_service_is_not_given_twice(filled: Database) -> None:
    batches = dump(filled)
    refill(filled, batches)

    assert Rows(filled).service() == 1 + max(row["id"] for batch in batches for row in services_in(batch))


def services_in(batch: Batch) -> list[dict[str, Any]]:
    return list(backup.values(batch)) if batch.table == "services" else []


def test_a_database_is_empty_until_something_is_kept_in_it(database: Database) -> None:
    with reading(database.records) as connection:
        assert backup.is_empty(connection)

    Rows(database).organization()

    with reading(database.records) as connection:
        assert not backup.is_empty(connection)


def test_a_gate_forgets_what_was_replaced_under_it(sqlite_database: Database) -> None:
    key = Rows(sqlite_database).signing_key()
    reader = EmbeddedReader(file_of(sqlite_database))
    routes = RouteTable()
    keyring = Keyring(SqliteKeys(reader), clock=monotonic)
    freshness = SqliteFreshness(reader, keyring, routes)
    freshness.look()
    before = keyring.peek(key)
    assert isinstance(before, Entry)

    with writing(sqlite_database.records) as connection:
        quarantine.impose(connection, now=NOON)
        backup.begin_anew(connection, ChangeNumber(1_000_000_007))
    freshness.look()

    after = keyring.peek(key)
    reader.close()
    assert isinstance(after, Entry)
    assert (before.live, after.record.status, keyring.number) == (False, "INACTIVE", 1_000_000_007)


def file_of(database: Database) -> Path:
    return Path(str(database.records.url.database))


def test_a_reference_that_leads_nowhere_is_found(filled: Database) -> None:
    lose_projects(filled)

    flaws = integrity.flaws(filled)

    assert flaws
    assert all("projects" in flaw for flaw in flaws)


def lose_projects(database: Database) -> None:
    """As a hand in the database would."""
    with database.records.connect() as connection:
        if database.embedded:
            connection.connection.execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            if not database.embedded:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("DELETE FROM projects"))
        connection.invalidate()


def test_a_damaged_page_is_found(sqlite_database: Database) -> None:
    rows = Rows(sqlite_database)
    for _ in range(50):
        rows.user()
    sqlite_database.close()  # the last connection brings everything from the log into the file
    path = file_of(sqlite_database)
    content = path.read_bytes()
    place = content.index(b"@example.org", 4096)
    path.write_bytes(content[:place] + b"@example.com" + content[place + 12 :])

    assert integrity.flaws(sqlite_database) != ()

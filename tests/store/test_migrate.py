"""Migrations lead to exactly the tables that `schema` describes."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, inspect, select, text

from credenza.actions.accounts import _FIRST_WORKSPACE
from credenza.store import changes, migrate, revision, schema
from credenza.store.engine import Database, open_database, reading, writing
from credenza.store.instants import at_micros

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/credenza.db"
    else:
        url = request.getfixturevalue("postgresql_url")
    database = open_database(url)
    yield database
    database.close()


@pytest.mark.parametrize("name", ["records", "traces"])
def test_migrated_tables_are_those_of_the_schema(database: Database, name: str) -> None:
    metadata: MetaData = getattr(schema, name)

    def ours(found: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or found in metadata.tables

    with reading(getattr(database, name)) as connection:
        context = MigrationContext.configure(connection, opts={"include_name": ours, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize("name", ["records", "traces"])
def test_migrated_check_constraints_are_those_of_the_schema(empty: Database, name: str) -> None:
    metadata: MetaData = getattr(schema, name)
    engine: Engine = getattr(empty, name)
    metadata.create_all(engine)
    described = check_constraints(engine, metadata)
    metadata.drop_all(engine)

    migrate.upgrade(empty)

    assert described == check_constraints(engine, metadata)


def check_constraints(engine: Engine, metadata: MetaData) -> dict[str, dict[str | None, str]]:
    # compare_metadata does not look at these
    inspector = inspect(engine)
    return {
        table: {each["name"]: each["sqltext"] for each in inspector.get_check_constraints(table)}
        for table in metadata.tables
    }


def test_the_change_sequence_begins_at_zero(database: Database) -> None:
    with reading(database.records) as connection:
        assert changes.current(connection) == 0


def test_an_empty_database_is_pending_until_it_is_upgraded(empty: Database) -> None:
    before = migrate.pending(empty)
    migrate.upgrade(empty)

    assert (before, migrate.pending(empty)) == (True, False)


def test_a_second_upgrade_changes_nothing(database: Database) -> None:
    with writing(database.records) as connection:
        connection.execute(text("UPDATE change_counter SET number = 7"))

    migrate.upgrade(database)

    with reading(database.records) as connection:
        assert changes.current(connection) == 7


_ROWS_OF_0005 = (
    ("organizations", {"organization_id": "o", "name": "Shop", "project_limit": 1, "created_at": 1}),
    ("users", {"organization_id": "platform", "id": "u", "email": "a@example.org", "name": "", "created_at": 1}),
    ("memberships", {"organization_id": "o", "user_id": "u", "role": "admin", "created_at": 1}),
    (
        "invitations",
        {"organization_id": "o", "id": "i", "email": "b@example.org", "role": "read_only", "invited_by": "u"}
        | {"token_hash": "t", "created_at": 1, "expires_at": 2},
    ),
    (
        "token_keys",
        {"organization_id": "platform", "kid": "k", "environment": "SANDBOX", "issuer": "compat", "generation": 1}
        | {"algorithm": "ES256", "public_jwk": "{}", "wrapped_private_key": b"w", "published_at": 1, "signs_from": 1},
    ),
    ("changes", {"organization_id": "o", "number": 1, "kind": "user", "subject": "u"}),
)


def test_an_upgrade_to_custom_roles_keeps_every_row(empty: Database) -> None:
    """The tables whose constraints it widens are copied on SQLite."""
    with writing(empty.records) as connection:
        config = migrate._config("records")
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        before = MetaData()
        before.reflect(connection)
        for name, row in _ROWS_OF_0005:
            connection.execute(before.tables[name].insert(), row)

    migrate.upgrade(empty)

    with reading(empty.records) as connection:
        for name, row in _ROWS_OF_0005:
            kept = [before.tables[name].c[column] for column in row]
            assert [each._asdict() for each in connection.execute(select(*kept))] == [row]
    after = inspect(empty.records)
    for name, table in before.tables.items():
        assert {each.name for each in table.indexes} <= {each["name"] for each in after.get_indexes(name)}


def test_an_upgrade_gives_organizations_without_places_those_that_new_ones_begin_with(empty: Database) -> None:
    with writing(empty.records) as connection:
        config = migrate._config("records")
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        for number, name in enumerate(("Bare", "Grown", "Left"), start=1):
            row = {"organization_id": name.lower(), "name": name, "project_limit": 1, "created_at": at_micros(number)}
            connection.execute(schema.organizations.insert(), row)
        for name, archived_at in (("Grown", None), ("Left", at_micros(9))):
            row = {"organization_id": name.lower(), "id": name, "name": "Own", "created_at": at_micros(5)}
            connection.execute(schema.accounts.insert(), row | {"archived_at": archived_at})

    migrate.upgrade(empty)

    with reading(empty.records) as connection:
        accounts = {each.organization_id: each for each in connection.execute(select(schema.accounts))}
        (workspace,) = connection.execute(select(schema.workspaces))
    assert {each: row.name for each, row in accounts.items()} == {"bare": "Bare", "grown": "Own", "left": "Own"}
    assert (workspace.organization_id, workspace.account_id) == ("bare", accounts["bare"].id)
    assert (workspace.name, workspace.created_at) == (_FIRST_WORKSPACE, accounts["bare"].created_at)
    assert accounts["bare"].created_at == at_micros(1)
    assert UUID(accounts["bare"].id).version == UUID(workspace.id).version == 4


def test_a_database_of_a_newer_release_is_left_alone(database: Database) -> None:
    with writing(database.records) as connection:
        connection.execute(text("UPDATE alembic_version_records SET version_num = '9999'"))

    migrate.upgrade(database)

    assert not migrate.pending(database)


def test_an_upgrade_that_fails_leaves_no_half_of_itself(empty: Database) -> None:
    with writing(empty.records) as connection:
        connection.execute(text("CREATE TABLE audit_entries (id integer)"))

    with pytest.raises(Exception, match="audit_entries"):
        migrate.upgrade(empty)

    with reading(empty.records) as connection:
        assert set(inspect(connection).get_table_names()) == {"audit_entries"}


def test_upgrades_at_the_same_time_take_turns(empty: Database) -> None:
    program = (
        "import sys; from credenza.store import engine, migrate; migrate.upgrade(engine.open_database(sys.argv[1]))"
    )
    url = empty.records.url.render_as_string(hide_password=False).replace("+psycopg", "")
    starts = [subprocess.Popen([sys.executable, "-W", "error", "-c", program, url]) for _ in range(4)]

    assert [each.wait() for each in starts] == [0, 0, 0, 0]
    assert not migrate.pending(empty)


def test_the_wheel_carries_its_migrations(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    program = (
        "import sys; from credenza.store import engine, migrate; database = engine.open_database(sys.argv[1]); "
        "migrate.upgrade(database); print(migrate.__file__, migrate.pending(database)); database.close()"
    )
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, f"sqlite:///{tmp_path}/credenza.db"],
        env={"PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        text=True,
    )

    assert done.stdout.split() == [str(tmp_path / "installed/credenza/store/migrate.py"), "False"]


@pytest.mark.parametrize("name", ["records", "traces"])
def test_the_newest_revision_is_told_without_alembic(name: str) -> None:
    script = ScriptDirectory.from_config(migrate._config(name))

    assert script.get_current_head() == revision.newest(name)


def test_a_database_is_current_when_both_sets_are_at_the_newest_revision(empty: Database) -> None:
    assert not revision.is_current(empty)

    migrate.upgrade(empty)
    assert revision.is_current(empty)

    with writing(empty.traces) as connection:
        connection.execute(text("UPDATE alembic_version_traces SET version_num = '0001'"))
    assert not revision.is_current(empty)

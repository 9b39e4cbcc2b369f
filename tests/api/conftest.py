"""A desk is furnished once on each kind of database; the others have its rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.api.desk import Desk
from tests.databases import RenewedDatabase, SqlitePlace
from tests.servers import PostgreSQLServer

from credenza.store.engine import Database, open_database


@dataclass(frozen=True, slots=True)
class OnPostgreSQL:
    furnished: Desk
    renewed: RenewedDatabase


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Desk:
    directory = tmp_path_factory.mktemp("furnished")
    return _furnish(directory, SqlitePlace(directory).put(sqlite_template))


@pytest.fixture(scope="session")
def furnished_on_postgresql(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQLServer, postgresql_template: str
) -> Iterator[OnPostgreSQL]:
    url = postgresql.create_database(template=postgresql_template)
    desk = _furnish(tmp_path_factory.mktemp("furnished"), open_database(url))
    renewed = RenewedDatabase(postgresql, url.rpartition("/")[2])
    yield OnPostgreSQL(desk, renewed)
    renewed.drop()


def _furnish(directory: Path, database: Database) -> Desk:
    made = Desk(directory, database)
    made.close()
    return made


@pytest.fixture
def desk(furnished: Desk, sqlite_place: SqlitePlace, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, sqlite_place.put(furnished.directory), template=furnished)
    yield made
    made.close()


@pytest.fixture
def postgresql_desk(furnished_on_postgresql: OnPostgreSQL, tmp_path: Path) -> Desk:
    database = furnished_on_postgresql.renewed.renew()
    return Desk(tmp_path, database, template=furnished_on_postgresql.furnished)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_desk(request: pytest.FixtureRequest) -> Desk:
    """The same desk on each database."""
    made: Desk = request.getfixturevalue("desk" if request.param == "sqlite" else "postgresql_desk")
    return made

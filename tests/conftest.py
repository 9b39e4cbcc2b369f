"""Fixtures that more than one folder of tests needs. A server starts when it is first asked for."""

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.actions.kept_stages import KeptStages, PostgreSQLRoom, SqliteRoom
from tests.clock import Clock
from tests.databases import RenewedDatabase, SqlitePlace, migrate_files
from tests.servers import PostgreSQLServer, RedisServer, Server

from credenza.store import migrate
from credenza.store.engine import Database, open_database

MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 * 2**30

# The same examples each time, for whoever changed nothing; `pytest --hypothesis-profile=search` looks for new ones.
settings.register_profile("tests", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=2_000)
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--volume", type=int, default=1, metavar="PERCENT", help="run claims at this share of the volume of the proof"
    )
    parser.addoption(
        "--screenshots", metavar="DIR", help="have tests of the portal put pictures of its pages there, in both themes"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests' files in memory where there is room for them: they are killed, but the machine is not."""
    if "TMPDIR" not in os.environ and _has_room(MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
    # Tests start hundreds of processes of ours: what one has compiled serves the next.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Without the garbage collector, which would look through what is collected again and again, then and later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _has_room(place: Path) -> bool:
    if not place.is_dir():
        return False
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize >= ROOM_BYTES and not found.f_flag & os.ST_NOEXEC


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> Callable[[int], int]:
    """How often to do what the proof does so many times: at least once."""
    percent: int = request.config.getoption("--volume")
    return lambda full: max(1, full * percent // 100)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """One cluster per test worker, fsync off. A test that kills it starts its own: PostgreSQLServer(durable=True)."""
    with PostgreSQLServer() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql: PostgreSQLServer) -> Iterator[str]:
    """A fresh, empty database."""
    url = postgresql.create_database()
    yield url
    postgresql.drop_database(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a database that is migrated and otherwise empty."""
    return migrate_files(tmp_path_factory.mktemp("migrated"))


@pytest.fixture(scope="session")
def sqlite_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlitePlace]:
    place = SqlitePlace(tmp_path_factory.mktemp("sqlite"))
    yield place
    place.close()


@pytest.fixture
def sqlite_database(sqlite_place: SqlitePlace, sqlite_template: Path) -> Iterator[Database]:
    yield sqlite_place.put(sqlite_template)
    sqlite_place.close()


@pytest.fixture(scope="session")
def postgresql_template(postgresql: PostgreSQLServer) -> str:
    """The name of a database that is migrated and otherwise empty."""
    url = postgresql.create_database()
    database = open_database(url)
    migrate.upgrade(database)
    database.close()
    return url.rpartition("/")[2]


@pytest.fixture(scope="session")
def renewed_database(postgresql: PostgreSQLServer, postgresql_template: str) -> Iterator[RenewedDatabase]:
    renewed = RenewedDatabase(postgresql, postgresql_template)
    yield renewed
    renewed.drop()


@pytest.fixture
def postgresql_database(renewed_database: RenewedDatabase) -> Database:
    return renewed_database.renew()


@pytest.fixture
def migrated_postgresql_url(postgresql: PostgreSQLServer, postgresql_template: str) -> Iterator[str]:
    """A database of the test's own, migrated and otherwise empty."""
    url = postgresql.create_database(template=postgresql_template)
    yield url
    postgresql.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated, empty database; a test that asks for it runs on both kinds."""
    found = request.getfixturevalue(f"{request.param}_database")
    assert isinstance(found, Database)
    return found


@pytest.fixture(scope="session")
def stages_on_sqlite(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[KeptStages]:
    room = SqliteRoom(tmp_path_factory.mktemp("stages"), sqlite_template)
    yield KeptStages(room)
    room.close()


@pytest.fixture(scope="session")
def stages_on_postgresql(postgresql: PostgreSQLServer, postgresql_template: str) -> Iterator[KeptStages]:
    room = PostgreSQLRoom(postgresql, postgresql_template)
    yield KeptStages(room)
    room.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def kept_stages(request: pytest.FixtureRequest) -> KeptStages:
    """A test that asks for a stage or a shop of them runs on both kinds of database."""
    found = request.getfixturevalue(f"stages_on_{request.param}")
    assert isinstance(found, KeptStages)
    return found


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis of the test's own, appendfsync always: it may be killed, frozen and wiped."""
    with RedisServer() as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the logs of the servers it used."""
    report = yield
    if report.failed:
        servers = (value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Server))
        report.sections += [(f"log of {server}", server.log_tail()) for server in servers]
    return report

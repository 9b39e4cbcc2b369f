"""Fixtures that more than one folder of tests needs. A server starts when it is first asked for."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from tests.clock import Clock
from tests.servers import PostgreSQLServer, RedisServer, Server

from credenza.store import migrate
from credenza.store.engine import Database, open_database

ROOT = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--volume", type=int, default=1, metavar="PERCENT", help="run claims at this share of the volume of the proof"
    )
    parser.addoption(
        "--screenshots", default=str(ROOT / "build" / "screenshots"), metavar="DIR", help="where portal tests put them"
    )


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


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/credenza.db")
    migrate.upgrade(database)
    yield database
    database.close()


@pytest.fixture(scope="session")
def postgresql_template(postgresql: PostgreSQLServer) -> str:
    """The name of a database that is migrated and otherwise empty: copying it is faster than migrating another."""
    url = postgresql.create_database()
    database = open_database(url)
    migrate.upgrade(database)
    database.close()
    return url.rpartition("/")[2]


@pytest.fixture
def postgresql_database(postgresql: PostgreSQLServer, postgresql_template: str) -> Iterator[Database]:
    url = postgresql.create_database(template=postgresql_template)
    database = open_database(url)
    yield database
    database.close()
    postgresql.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated, empty database; a test that asks for it runs on both kinds."""
    found = request.getfixturevalue(f"{request.param}_database")
    assert isinstance(found, Database)
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

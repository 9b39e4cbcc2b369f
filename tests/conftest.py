"""Fixtures that more than one folder of tests needs. A server starts when it is first asked for."""

from collections.abc import Generator, Iterator

import pytest
from tests.clock import Clock
from tests.servers import PostgreSQLServer, RedisServer, Server


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

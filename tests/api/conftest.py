from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.desk import Desk


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Made once: the other desks on SQLite are copies of it."""
    made = Desk(tmp_path_factory.mktemp("furnished"))
    made.close()
    return made


@pytest.fixture
def desk(furnished: Desk, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, template=furnished)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """The same desk on each database."""
    if request.param == "sqlite":
        made = Desk(tmp_path, template=request.getfixturevalue("furnished"))
    else:
        made = Desk(tmp_path, postgresql_url=request.getfixturevalue("postgresql_url"))
    yield made
    made.close()

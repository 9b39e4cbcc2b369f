"""A stage on both databases. Whatever a test did, its audit chains verify at the end."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.actions.stage import Shop, Stage, know_the_timeline, new_platform
from tests.clock import Clock

from credenza.domain.model import ProjectType
from credenza.store.engine import Database


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged."""
    with capture_logs() as logs:
        yield logs


@pytest.fixture
def stage(database: Database, clock: Clock) -> Iterator[Stage]:
    know_the_timeline(database.records)
    stage = Stage(new_platform(database, now=clock.now()), clock)
    yield stage
    assert stage.flaws() == []


@pytest.fixture
def shop(stage: Stage) -> Shop:
    return Shop(stage)


@pytest.fixture
def mtls_shop(stage: Stage) -> Shop:
    return Shop(stage, ProjectType.MTLS)


@pytest.fixture
def oauth2_shop(stage: Stage) -> Shop:
    return Shop(stage, ProjectType.OAUTH2_FAPI)

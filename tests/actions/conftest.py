"""A stage on both databases. Whatever a test did, its audit chains verify at the end."""

from collections.abc import Iterator

import pytest
from tests.actions.stage import Shop, Stage, know_the_timeline, new_platform
from tests.clock import Clock

from credenza.domain.model import ProjectType
from credenza.store.engine import Database


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
def oauth2_shop(stage: Stage) -> Shop:
    return Shop(stage, ProjectType.OAUTH2_FAPI)

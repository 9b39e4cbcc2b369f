from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.actions.stage import Stage, know_the_timeline, new_platform
from tests.clock import Clock
from tests.gate.api_scene import ApiGate, standing
from tests.gate.scene import Scene, furnished

from credenza.store.engine import Database


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with furnished(tmp_path) as furnished_scene:
        yield furnished_scene


@pytest.fixture
def stage(database: Database, clock: Clock) -> Stage:
    know_the_timeline(database.records)
    return Stage(new_platform(database, now=clock.now()), clock)


@pytest.fixture
async def gate(stage: Stage) -> AsyncIterator[ApiGate]:
    """A gate on either kind of database, and what its clients call."""
    async with standing(stage) as opened:
        yield opened

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.actions.kept_stages import KeptStages
from tests.actions.stage import Stage
from tests.clock import Clock
from tests.gate.api_scene import ApiGate, standing
from tests.gate.scene import Scene, furnished


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with furnished(tmp_path) as furnished_scene:
        yield furnished_scene


@pytest.fixture
def stage(kept_stages: KeptStages, clock: Clock) -> Stage:
    return kept_stages.stage(clock)


@pytest.fixture
async def gate(stage: Stage) -> AsyncIterator[ApiGate]:
    """A gate on either kind of database, and what its clients call."""
    async with standing(stage) as opened:
        yield opened

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gate.scene import Scene, furnished


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with furnished(tmp_path) as furnished_scene:
        yield furnished_scene

"""What a gate that is told to sign needs before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.forked import ForkedServer
from tests.installation import settings

from credenza.settings import Settings

WITHOUT_THE_KEY = (
    "credenza: identity_life_s needs the key-encryption key, and {path} does not exist. Copy it from the machine that "
    "made it, or set CREDENZA_KEY_ENCRYPTION_KEY."
)


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    """An installation that has been started once, on the machine that keeps its key."""
    chosen = settings(tmp_path)
    with ForkedServer(chosen):
        return chosen


@pytest.mark.parametrize("workers", [1, 2])
def test_a_gate_told_to_sign_who_calls_does_not_start_without_the_key_encryption_key(
    chosen: Settings, workers: int
) -> None:
    chosen.key_path.unlink()
    server = ForkedServer(chosen, role="gate", workers=workers, identity_life_s=60)

    with pytest.raises(RuntimeError, match="did not start") as ended:
        server.start()

    assert WITHOUT_THE_KEY.format(path=chosen.key_path) in " ".join(str(ended.value).split())
    assert "Traceback" not in str(ended.value)


def test_a_gate_that_signs_nothing_starts_without_it(chosen: Settings) -> None:
    chosen.key_path.unlink()

    with ForkedServer(chosen, role="gate") as server:
        assert server.answers()


def test_the_key_may_come_by_the_environment(chosen: Settings) -> None:
    key = chosen.key_path.read_text().strip()
    chosen.key_path.unlink()

    with ForkedServer(chosen, role="gate", identity_life_s=60, key_encryption_key=key) as server:
        assert server.answers()

"""What a gate's parts are opened with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.clock import NOON

from credenza.cli import plane
from credenza.protocol import client_assertion, dpop
from credenza.store.replay import LmdbReplay


@pytest.mark.parametrize("skew_s", [1, 30, 300, 3600])
def test_what_is_good_once_is_remembered_for_as_long_as_it_is_good_whatever_the_skew(
    tmp_path: Path, skew_s: int
) -> None:
    skew, used_s = timedelta(seconds=skew_s), NOON.timestamp()
    remember, ahead = plane.replay_window(skew)
    good_for = {
        "nonce": 2 * skew,
        "assertion": client_assertion.LONGEST_LIFE + client_assertion.SKEW,
        "proof": dpop.PAST + dpop.FUTURE,
    }

    for what, long in good_for.items():
        replay = LmdbReplay(tmp_path / what, remember=remember, ahead=ahead, now=used_s, capacity=100)
        assert replay.first_seen(what.encode(), used_s)
        for tenth in range(1, 10):
            replay.first_seen(f"another, {tenth}".encode(), used_s + long.total_seconds() * tenth / 10)
        assert not replay.first_seen(what.encode(), used_s + long.total_seconds()), what
        replay.close()

"""Limits of calls: a minute's worth at once, and then as they flow back."""

from hypothesis import given
from hypothesis import strategies as st

from credenza.domain.call_limits import MINUTE_US, CallLimits

SECOND = 1_000_000


def test_a_minutes_calls_may_come_at_once_and_the_next_waits_for_one_to_flow_back() -> None:
    limits = CallLimits(most=10)

    counted = [limits.count("a", 4, now_us=0) for _ in range(5)]

    assert [(each.used, each.remaining, each.percent, each.wait_s) for each in counted] == [
        (1, 3, 25, 0),
        (2, 2, 50, 0),
        (3, 1, 75, 0),
        (4, 0, 100, 0),
        (4, 0, 100, 15),
    ]
    assert limits.count("a", 4, now_us=15 * SECOND).wait_s == 0
    assert limits.count("a", 4, now_us=15 * SECOND).wait_s == 15
    assert limits.count("b", 4, now_us=0).used == 1


def test_after_a_quiet_minute_nothing_is_used() -> None:
    limits = CallLimits(most=10)
    for _ in range(9):
        limits.count("a", 4, now_us=0)

    assert limits.count("a", 4, now_us=MINUTE_US).used == 1


def test_a_changed_limit_counts_from_the_next_call_on() -> None:
    limits = CallLimits(most=10)
    for _ in range(4):
        limits.count("a", 4, now_us=0)

    assert limits.count("a", 8, now_us=0).wait_s == 0 or limits.count("a", 8, now_us=MINUTE_US).used == 1
    assert limits.count("a", 1, now_us=10 * MINUTE_US).used == 1


def test_what_was_used_longest_ago_is_forgotten() -> None:
    limits = CallLimits(most=1)
    limits.count("a", 1, now_us=0)
    limits.count("b", 1, now_us=0)

    assert limits.count("a", 1, now_us=0).wait_s == 0


@given(st.integers(1, 100_000), st.lists(st.integers(0, 5 * SECOND), max_size=60))
def test_no_minute_has_more_than_twice_its_calls(per_minute: int, pauses: list[int]) -> None:
    """A bucket that was full gives its minute at once, and what flows back meanwhile."""
    limits, now, admitted = CallLimits(most=1), 0, []
    for pause in pauses:
        now += pause
        if limits.count("a", per_minute, now_us=now).wait_s == 0:
            admitted.append(now)

    for began in admitted:
        assert sum(began <= each < began + MINUTE_US for each in admitted) <= 2 * per_minute

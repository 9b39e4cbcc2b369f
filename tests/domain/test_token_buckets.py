"""Token buckets: a burst, then the rate; one key never pays for another; memory stays bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from credenza.domain.token_buckets import TokenBuckets


def buckets(per_minute: int = 60, burst: int = 3, most: int = 10) -> TokenBuckets:
    return TokenBuckets(per_minute=per_minute, burst=burst, most=most)


def test_a_burst_is_given_and_then_one_token_at_the_rate() -> None:
    asked = buckets()

    assert [asked.take("a", now=100.0) for _ in range(4)] == [0, 0, 0, 1.0]
    assert asked.take("a", now=100.5) == 0.5
    assert [asked.take("a", now=101.0), asked.take("a", now=101.0)] == [0, 1.0]


def test_a_bucket_holds_no_more_than_its_burst_however_long_nobody_asks() -> None:
    asked = buckets()
    asked.take("a", now=0.0)

    assert [asked.take("a", now=1e6) == 0 for _ in range(4)] == [True, True, True, False]


def test_who_is_refused_has_taken_nothing() -> None:
    asked = buckets(burst=1)
    asked.take("a", now=0.0)

    assert {asked.take("a", now=0.9) > 0 for _ in range(1000)} == {True}
    assert asked.take("a", now=1.0) == 0


def test_asking_how_long_takes_nothing() -> None:
    asked = buckets(burst=1)

    assert [asked.wait_s("a", now=0.0) for _ in range(3)] == [0, 0, 0]
    assert asked.take("a", now=0.0) == 0
    assert asked.wait_s("a", now=0.25) == 0.75


def test_every_key_has_a_bucket_of_its_own() -> None:
    asked = buckets(burst=1)

    assert [asked.take(key, now=0.0) for key in ("a", "b", "a")] == [0, 0, 1.0]


def test_the_bucket_that_was_used_longest_ago_is_forgotten_first() -> None:
    asked = buckets(burst=1, most=2)
    for key in ("a", "b"):
        asked.take(key, now=0.0)
    asked.take("a", now=1.0)  # again

    asked.take("c", now=1.0)

    assert [asked.wait_s(key, now=1.0) for key in ("a", "b", "c")] == [1.0, 0, 1.0]


@given(
    per_minute=st.integers(1, 10_000),
    burst=st.integers(1, 10_000),
    pauses=st.lists(st.floats(0, 10), min_size=1, max_size=200),
    start=st.floats(0, 1e7),
)
def test_no_more_is_given_than_the_burst_and_the_rate(
    per_minute: int, burst: int, pauses: list[float], start: float
) -> None:
    asked, now, given_out = buckets(per_minute, burst), start, 0
    for pause in pauses:
        now += pause
        given_out += sum(asked.take("a", now=now) == 0 for _ in range(3))

    assert given_out <= burst + (now - start) * per_minute / 60 * (1 + 1e-6) + 1e-3


@given(per_minute=st.integers(1, 100_000), burst=st.integers(1, 2_000), now=st.floats(0, 1e7))
def test_the_whole_burst_is_given_at_once(per_minute: int, burst: int, now: float) -> None:
    asked = buckets(per_minute, burst)

    assert sum(asked.take("a", now=now) == 0 for _ in range(burst)) == burst

"""Dates of the product: 13 calendar months, the notices, and what counts as expiring."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import NOON

from credenza.domain import expiry

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
MOMENTS = st.timedeltas(timedelta(days=-9_000), timedelta(days=27_000)).map(NOON.__add__)


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T12:00:00+00:00")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("2025-03-15", "2026-04-15", id="13 months"),
        pytest.param("2025-12-15", "2027-01-15", id="over two ends of a year"),
        pytest.param("2025-01-31", "2026-02-28", id="a day the month does not have becomes its last one"),
        pytest.param("2027-01-31", "2028-02-29", id="the last one of a leap year is the 29th"),
        pytest.param("2024-02-29", "2025-03-29", id="a leap day is a day like others where the month has a 29th"),
        pytest.param("2025-08-31", "2026-09-30", id="a month of 30 days"),
        pytest.param("2098-12-31", "2100-01-31", id="into the next century"),
        pytest.param("2099-01-31", "2100-02-28", id="2100 is no leap year"),
    ],
)
def test_keys_are_valid_for_13_calendar_months(start: str, end: str) -> None:
    assert expiry.add_months(day(start), expiry.VALIDITY_MONTHS) == day(end)


@given(start=MOMENTS, months=st.integers(0, 60))
def test_months_keep_the_time_of_day_and_never_leave_the_month_meant(start: datetime, months: int) -> None:
    end = expiry.add_months(start, months)

    assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == months
    assert end.timetz() == start.timetz()
    assert end.day == start.day or (end.day < start.day and (end + DAY).day == 1)


@pytest.mark.parametrize(
    ("to_go", "expiring"),
    [
        pytest.param(90 * DAY + MICROSECOND, False, id="more than 90 days to go"),
        pytest.param(90 * DAY, True, id="90 days to go"),
        pytest.param(MICROSECOND, True, id="hardly any time to go"),
        pytest.param(timedelta(), False, id="ended"),
        pytest.param(-DAY, False, id="ended yesterday"),
    ],
)
def test_expiring_means_90_days_or_less_to_go(to_go: timedelta, expiring: bool) -> None:
    assert expiry.is_expiring(NOON + to_go, now=NOON) is expiring


@pytest.mark.parametrize("days", [90, 60, 30, 15, 7, 1], ids="{} days before".format)
def test_notices_are_due_before_the_key_expires(days: int) -> None:
    moment = NOON - days * DAY

    assert expiry.notices_due(NOON, since=moment - DAY / 2, now=moment - MICROSECOND) == ()
    assert expiry.notices_due(NOON, since=moment - DAY / 2, now=moment) == (days,)
    assert expiry.notices_due(NOON, since=moment, now=moment + DAY / 2) == ()


def test_upon_expiration_there_is_one_more_notice() -> None:
    assert expiry.notices_due(NOON, since=NOON - MICROSECOND, now=NOON) == (0,)
    assert expiry.notices_due(NOON, since=NOON, now=NOON + 1000 * DAY) == ()


def test_a_sender_that_slept_finds_all_that_it_missed_the_most_distant_first() -> None:
    assert expiry.notices_due(NOON, since=NOON - 400 * DAY, now=NOON) == (90, 60, 30, 15, 7, 1, 0)


@given(end=MOMENTS, looks=st.lists(st.integers(0, 500 * 24), min_size=1, max_size=50))
def test_each_notice_is_due_exactly_once_however_often_the_sender_looks(end: datetime, looks: list[int]) -> None:
    start = end - 450 * DAY
    moments = [start, *(start + timedelta(hours=hours) for hours in sorted(looks)), end + 100 * DAY]

    told = [days for since, now in pairwise(moments) for days in expiry.notices_due(end, since=since, now=now)]

    assert told == list(expiry.NOTICE_DAYS)


@pytest.mark.parametrize(
    ("used", "quiet_for", "silent"),
    [
        pytest.param(True, timedelta(hours=72), True, id="replaced"),
        pytest.param(True, timedelta(hours=72) - MICROSECOND, False, id="the old one was used a moment too late"),
        pytest.param(True, None, True, id="the old one was never used"),
        pytest.param(False, timedelta(days=400), False, id="nobody uses the new one"),
        pytest.param(False, None, False, id="nobody uses either"),
    ],
)
def test_what_has_been_replaced_is_silent(used: bool, quiet_for: timedelta | None, silent: bool) -> None:
    last = None if quiet_for is None else NOON - quiet_for

    assert expiry.is_silent(successor_used=used, last_used=last, now=NOON) is silent


@given(end=MOMENTS, to_go=st.timedeltas(MICROSECOND, 90 * DAY))
def test_the_first_look_of_all_finds_the_nearest_notice_of_everything_expiring(end: datetime, to_go: timedelta) -> None:
    now = end - to_go

    due = expiry.notices_due(end, since=expiry.look_back(None, now=now) - MICROSECOND, now=now)

    assert due[-1] == min(days for days in expiry.NOTICE_DAYS if to_go <= days * DAY)


@given(done=MOMENTS, now=MOMENTS)
def test_a_look_reaches_back_before_the_last_one_and_before_now(done: datetime, now: datetime) -> None:
    assert expiry.look_back(done, now=now) < min(done, now)


def test_months_and_days_are_those_of_the_calendar() -> None:
    months = expiry.month_starts(NOON, 13)

    assert [f"{each:%Y-%m-%d %H}" for each in (months[0], months[1], months[-1])] == [
        "2025-01-01 00", "2025-02-01 00", "2026-02-01 00",
    ]  # fmt: skip
    assert len(expiry.day_starts(day("2024-02-10"))) == 30
    assert len(expiry.day_starts(NOON)) == 32

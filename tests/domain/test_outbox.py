"""When to try again, and when to give up."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.clock import NOON

from credenza.domain import outbox
from credenza.domain.model import PLATFORM
from credenza.domain.outbox import Channel, Delivery, Kind, State

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
MAIL = Delivery(
    "i", PLATFORM, Channel.MAIL, Kind.EXPIRY, "a@b.example", None, b"secret", State.WAITING, 0, NOON, NOON, None, ""
)


def test_waits_double_from_a_minute_to_six_hours() -> None:
    waits = [outbox.wait_after(attempts) // MINUTE for attempts in range(1, 13)]

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]
    assert outbox.wait_after(10_000) == timedelta(hours=6)


def test_pauses_are_as_long_as_the_receiver_has_been_away() -> None:
    away = [timedelta(0), 30 * MINUTE / 60, 3 * MINUTE, 14 * MINUTE, 15 * MINUTE, DAY]

    assert [outbox.pause_after(each) / MINUTE for each in away] == [1, 1, 3, 14, 15, 15]


@pytest.mark.parametrize(
    ("kind", "age", "given_up"),
    [
        (Kind.EXPIRY, 3 * DAY - MINUTE, False),
        (Kind.EXPIRY, 3 * DAY, True),
        (Kind.PASSWORD_RESET, 3 * DAY, True),
        (Kind.TEST, timedelta(0), True),
    ],
)
def test_three_days_are_enough_and_a_test_tells_about_now(kind: Kind, age: timedelta, given_up: bool) -> None:
    assert outbox.is_given_up(replace(MAIL, kind=kind), now=NOON + age) is given_up


def test_all_mail_goes_by_one_lane_and_every_webhook_by_its_own() -> None:
    hook = replace(MAIL, channel=Channel.WEBHOOK, recipient="w")

    assert (MAIL.lane, replace(MAIL, recipient="c@d.example").lane, hook.lane) == ("mail", "mail", "webhook w")


def test_the_content_shows_nowhere() -> None:
    assert "secret" not in repr(MAIL)

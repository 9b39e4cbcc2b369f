"""Calls by the minute: what several gates count adds up, and the past is forgotten."""

from dataclasses import replace
from datetime import timedelta

from tests.clock import NOON

from credenza.domain.model import OrganizationId
from credenza.store import traffic
from credenza.store.engine import Database, reading, writing
from credenza.store.traffic import Traffic

MINUTE = timedelta(minutes=1)
ONE = Traffic(OrganizationId("organization"), NOON, admitted=3, refused=1, last_at=NOON + timedelta(seconds=5))


def add(database: Database, *counted: Traffic) -> None:
    with writing(database.traces) as connection:
        traffic.add(connection, counted)


def stored(database: Database) -> tuple[Traffic, ...]:
    with reading(database.traces) as connection:
        return traffic.list_since(connection, ONE.organization_id, NOON)


def test_what_two_gates_count_in_a_minute_adds_up(database: Database) -> None:
    later = ONE.last_at + timedelta(seconds=5)
    add(database, replace(ONE, last_at=later))
    add(database, ONE)

    assert stored(database) == (replace(ONE, admitted=6, refused=2, last_at=later),)


def test_minutes_are_listed_from_a_moment_on_and_for_one_organization(database: Database) -> None:
    add(database, replace(ONE, minute=NOON - MINUTE), ONE, replace(ONE, minute=NOON + MINUTE))
    add(database, replace(ONE, organization_id=OrganizationId("another")))

    assert [each.minute for each in stored(database)] == [NOON, NOON + MINUTE]


def test_the_latest_call_is_known_and_that_there_was_none_too(database: Database) -> None:
    with reading(database.traces) as connection:
        never = traffic.last_at(connection, ONE.organization_id)
    add(database, replace(ONE, minute=NOON - MINUTE, last_at=NOON - MINUTE), ONE)

    with reading(database.traces) as connection:
        assert (never, traffic.last_at(connection, ONE.organization_id)) == (None, ONE.last_at)


def test_minutes_before_a_moment_are_deleted(database: Database) -> None:
    add(database, ONE, replace(ONE, minute=NOON + MINUTE))

    with writing(database.traces) as connection:
        assert traffic.delete_before(connection, NOON + MINUTE) == 1
    assert [each.minute for each in stored(database)] == [NOON + MINUTE]

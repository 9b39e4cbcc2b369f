"""What calls leave behind, on both databases: counts add up, callers and refusals stay bounded."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from tests.clock import NOON

from credenza.domain.model import CredentialId, OrganizationId, ProjectId
from credenza.store import traces
from credenza.store.engine import Database, reading, writing
from credenza.store.schema import daily_calls
from credenza.store.traces import CALLER_LIMIT, OAUTH2, OTHERS, Caller, StoredRefusal

KEY = CredentialId("key")
PROJECT = ProjectId("project")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

CALLER = Caller(
    organization_id=OrganizationId("organization"),
    credential_id=KEY,
    service_id=3,
    address="192.0.2.7",
    user_agent="till/1.0",
    first_seen_at=NOON,
    last_seen_at=NOON,
    admitted=2,
    refused=1,
)
REFUSAL = StoredRefusal(
    id="1",
    organization_id=OrganizationId("organization"),
    project_id=PROJECT,
    credential_id=KEY,
    at=NOON,
    expires_at=NOON + timedelta(hours=1),
    code="signature",
    explanation='{"steps": []}',
)


def add(database: Database, *found: Caller) -> None:
    with writing(database.traces) as connection:
        traces.add_callers(connection, found)


def stored(database: Database, credential_id: CredentialId = KEY) -> tuple[Caller, ...]:
    with reading(database.traces) as connection:
        return traces.list_callers(connection, credential_id)


def test_counts_of_a_caller_add_up_and_its_times_widen(database: Database) -> None:
    add(database, replace(CALLER, first_seen_at=NOON + MINUTE, last_seen_at=NOON + 2 * MINUTE))
    add(database, replace(CALLER, last_seen_at=NOON + MINUTE))

    assert stored(database) == (replace(CALLER, last_seen_at=NOON + 2 * MINUTE, admitted=4, refused=2),)


def test_a_caller_is_told_apart_by_service_address_and_user_agent(database: Database) -> None:
    others = [
        replace(CALLER, service_id=4),
        replace(CALLER, address="192.0.2.8"),
        replace(CALLER, user_agent="till/1.1"),
    ]

    add(database, CALLER, *others)

    assert set(stored(database)) == {CALLER, *others}


def test_callers_are_listed_the_latest_first(database: Database) -> None:
    early, late = CALLER, replace(CALLER, address="192.0.2.8", last_seen_at=NOON + MINUTE)

    add(database, early, late)

    assert stored(database) == (late, early)


def test_beyond_the_limit_callers_are_counted_together_however_they_come(database: Database) -> None:
    several = [replace(CALLER, address=f"192.0.2.{number}") for number in range(CALLER_LIMIT + 20)]
    for start in range(0, len(several), 7):
        add(database, *several[start : start + 7])
    add(database, several[0])

    found = {caller.address: caller for caller in stored(database)}

    assert len(found) == CALLER_LIMIT + 1
    assert (found[OTHERS].admitted, found[OTHERS].service_id, found["192.0.2.0"].admitted) == (40, 0, 4)


def test_a_long_user_agent_is_cut(database: Database) -> None:
    add(database, replace(CALLER, user_agent="x" * 300), replace(CALLER, user_agent="x" * 250))

    assert stored(database) == (replace(CALLER, user_agent="x" * 200, admitted=4, refused=2),)


def test_gates_that_count_at_the_same_time_lose_nothing(database: Database) -> None:
    callers = [replace(CALLER, credential_id=CredentialId(str(number))) for number in range(20)]

    with ThreadPoolExecutor(8) as gates:
        list(gates.map(lambda turn: add(database, *(callers if turn % 2 else reversed(callers))), range(16)))

    assert {stored(database, each.credential_id)[0].admitted for each in callers} == {32}


def test_a_refusal_is_found_until_it_expires(database: Database) -> None:
    with writing(database.traces) as connection:
        traces.insert_refusals(connection, [REFUSAL])
        before = traces.find_refusal(connection, "1", now=REFUSAL.expires_at - MINUTE)
        after = traces.find_refusal(connection, "1", now=REFUSAL.expires_at)

    assert (before, after) == (REFUSAL, None)


def test_refusals_of_a_project_are_listed_the_latest_first(database: Database) -> None:
    several = [replace(REFUSAL, id=str(number), at=NOON + number * MINUTE) for number in range(4)]
    elsewhere = replace(REFUSAL, id="elsewhere", project_id=ProjectId("other"))
    with writing(database.traces) as connection:
        traces.insert_refusals(connection, [*several, elsewhere])

    with reading(database.traces) as connection:
        found = traces.list_refusals(connection, PROJECT, limit=3, now=NOON)

    assert found == (several[3], several[2], several[1])


def test_a_batch_may_be_repeated(database: Database) -> None:
    second = replace(REFUSAL, id="2", at=NOON + MINUTE)
    with writing(database.traces) as connection:
        traces.insert_refusals(connection, [REFUSAL])
        traces.insert_refusals(connection, [REFUSAL, second])
        traces.insert_refusals(connection, [])

        assert traces.list_refusals(connection, PROJECT, limit=9, now=NOON) == (second, REFUSAL)


def test_expired_refusals_are_deleted_and_others_stay(database: Database) -> None:
    later = replace(REFUSAL, id="2", expires_at=NOON + timedelta(hours=2))
    with writing(database.traces) as connection:
        traces.insert_refusals(connection, [REFUSAL, later])

        assert traces.delete_expired(connection, now=REFUSAL.expires_at) == 1
        assert traces.list_refusals(connection, PROJECT, limit=9, now=NOON) == (later,)


def test_on_sqlite_traces_do_not_move_the_records(sqlite_database: Database) -> None:
    def data_version() -> int:
        return int(watching.exec_driver_sql("PRAGMA data_version").scalar_one())

    with sqlite_database.records.connect().execution_options(credenza_reading=True) as watching:
        before = data_version()
        add(sqlite_database, CALLER)

        assert data_version() == before


def test_one_caller_of_both_schemes_is_told_apart(database: Database) -> None:
    newer = replace(CALLER, scheme=OAUTH2, admitted=5, last_seen_at=NOON + MINUTE)

    add(database, CALLER, newer, CALLER)

    assert stored(database) == (newer, replace(CALLER, admitted=4, refused=2))


def calls(database: Database, day: datetime) -> dict[str, int]:
    """By address."""
    with reading(database.traces) as connection:
        return {place.address: count for place, count in traces.calls_since(connection, [KEY], day).items()}


def test_admitted_calls_are_counted_by_the_day_in_which_they_came(database: Database) -> None:
    midnight = traces.day_of(NOON)
    evening, morning = midnight - SECOND, midnight

    add(database, replace(CALLER, last_seen_at=evening, admitted=5))
    add(database, replace(CALLER, last_seen_at=morning, admitted=3), replace(CALLER, last_seen_at=morning, admitted=1))
    add(database, replace(CALLER, last_seen_at=morning, admitted=0, address="192.0.2.9"))

    assert calls(database, midnight - DAY) == {CALLER.address: 9}
    assert calls(database, midnight) == {CALLER.address: 4}


def test_calls_of_a_day_that_nobody_asks_for_any_more_are_forgotten(database: Database) -> None:
    for day in range(20):
        several = [replace(CALLER, address=f"192.0.2.{number}") for number in range(CALLER_LIMIT + 20)]
        add(database, *(replace(each, last_seen_at=NOON + day * DAY) for each in several))

    with reading(database.traces) as connection:
        days = connection.execute(select(daily_calls.c.day, func.count()).group_by(daily_calls.c.day)).all()
    assert sorted(tuple(row) for row in days) == [
        (traces.day_of(NOON) + day * DAY, CALLER_LIMIT + 1) for day in range(12, 20)
    ]


def test_who_only_fetches_tokens_has_called_no_service(database: Database) -> None:
    fetched = replace(CALLER, service_id=0, scheme=OAUTH2)
    others = replace(CALLER, service_id=0, address=OTHERS, user_agent="", scheme=OAUTH2)
    refused = replace(CALLER, address="192.0.2.99", admitted=0)

    add(database, CALLER, fetched, others, refused)

    with reading(database.traces) as connection:
        assert set(traces.list_callers_of_services(connection, [KEY])) == {CALLER, others}
    assert calls(database, traces.day_of(NOON)) == {CALLER.address: 2, OTHERS: 2}

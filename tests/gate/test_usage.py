"""What gathers in memory about calls is written in batches, and survives a flush that fails and a stop."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from tests.clock import NOON, Clock
from tests.store.trace_files import opened_traces

from credenza.domain.model import CredentialId, OrganizationId, ProjectId
from credenza.gate.flushing import Flusher
from credenza.gate.refusals import KEPT_FOR, PER_CREDENTIAL_AND_MINUTE, PER_MINUTE, Refusals
from credenza.gate.usage import Usage
from credenza.store import traces, traffic
from credenza.store.engine import Database, reading, writing
from credenza.store.engine_traces import EngineTraces
from credenza.store.trace_writing import TraceFile
from credenza.store.traces import CALLER_LIMIT, OTHERS, Caller, StoredRefusal

pytestmark = pytest.mark.anyio

ORGANIZATION = OrganizationId("organization")
KEY = CredentialId("key")
PROJECT = ProjectId("project")
SECOND = timedelta(seconds=1)


@pytest.fixture
def reports() -> list[Exception]:
    return []


@pytest.fixture
def kept(database: Database) -> Iterator[TraceFile]:
    with opened_traces(database) as found:
        yield found


@pytest.fixture
def usage(kept: TraceFile, reports: list[Exception]) -> Usage:
    return Usage(kept, report=reports.append)


@pytest.fixture
def refusals(kept: TraceFile, clock: Clock, reports: list[Exception]) -> Refusals:
    return Refusals(kept, clock=clock.now, report=reports.append)


def call(
    usage: Usage,
    *,
    address: str = "192.0.2.7",
    now: datetime = NOON,
    admitted: bool = True,
    scheme: str = "oauth1",
) -> None:
    usage.count(ORGANIZATION, KEY, 3, address, "till/1.0", admitted=admitted, now=now, scheme=scheme)


def callers(database: Database) -> tuple[Caller, ...]:
    with reading(database.traces) as connection:
        return traces.list_callers(connection, KEY)


def break_traces(database: Database, table: str) -> Callable[[], None]:
    """Take a table away; the answer gives it back."""
    with writing(database.traces) as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO elsewhere"))

    def mend() -> None:
        with writing(database.traces) as connection:
            connection.execute(text(f"ALTER TABLE elsewhere RENAME TO {table}"))

    return mend


async def test_calls_are_counted_by_caller_and_outcome(usage: Usage, database: Database) -> None:
    call(usage)
    call(usage, now=NOON + SECOND)
    call(usage, now=NOON + 2 * SECOND, admitted=False)

    await usage.flush()

    assert callers(database) == (
        Caller(ORGANIZATION, KEY, 3, "192.0.2.7", "till/1.0", NOON, NOON + 2 * SECOND, admitted=2, refused=1),
    )


async def test_a_flush_writes_only_what_came_since_the_last(usage: Usage, database: Database) -> None:
    call(usage)
    await usage.flush()
    await usage.flush()
    call(usage)
    await usage.flush()

    assert [caller.admitted for caller in callers(database)] == [2]


async def test_a_failing_flush_keeps_the_counts_and_says_so(
    usage: Usage, database: Database, reports: list[Exception]
) -> None:
    call(usage)
    mend = break_traces(database, "callers")
    await usage.flush()
    call(usage, now=NOON + SECOND)
    mend()

    await usage.flush()

    (caller,) = callers(database)
    assert (caller.admitted, caller.first_seen_at, caller.last_seen_at) == (2, NOON, NOON + SECOND)
    assert len(reports) == 1


async def test_calls_are_counted_by_the_minute_those_of_strangers_too(
    usage: Usage, database: Database, reports: list[Exception]
) -> None:
    call(usage)
    mend = break_traces(database, "traffic")
    await usage.flush()
    usage.total(ORGANIZATION, admitted=False, now=NOON + SECOND)
    mend()

    await usage.flush()

    with reading(database.traces) as connection:
        (minute,) = traffic.list_since(connection, ORGANIZATION, NOON)
    assert (minute.admitted, minute.refused, minute.last_at) == (1, 1, NOON + SECOND)
    assert [caller.refused for caller in callers(database)] == [0]


async def test_memory_holds_a_hundred_callers_of_a_credential_and_then_the_others(
    usage: Usage, database: Database
) -> None:
    for number in range(2 * CALLER_LIMIT):
        call(usage, address=f"192.0.2.{number}")
        call(usage, address=f"192.0.2.{number}")

    assert len(usage._counts) == CALLER_LIMIT + 1
    await usage.flush()
    assert {caller.address: caller.admitted for caller in callers(database)}[OTHERS] == 2 * CALLER_LIMIT


async def test_memory_holds_so_many_callers_of_all_credentials(kept: TraceFile, reports: list[Exception]) -> None:
    usage = Usage(kept, report=reports.append, capacity=10)

    for number in range(50):
        call(usage, address=f"192.0.2.{number}")

    assert len(usage._counts) == 11


async def test_a_long_user_agent_is_one_caller(usage: Usage) -> None:
    for _ in range(3):
        usage.count(ORGANIZATION, KEY, 3, "192.0.2.7", "x" * 300, admitted=True, now=NOON)

    assert [count.admitted for count in usage._counts.values()] == [3]


async def test_the_loop_goes_on_while_a_flush_waits_for_the_database(
    postgresql_database: Database, reports: list[Exception]
) -> None:
    usage = Usage(EngineTraces(postgresql_database.traces), report=reports.append)
    call(usage)
    with writing(postgresql_database.traces) as connection:
        connection.execute(text("LOCK TABLE callers"))
        flush = asyncio.create_task(usage.flush())
        await asyncio.sleep(0.1)
        call(usage)
        waited = not flush.done()
    await flush

    assert (waited, [caller.admitted for caller in callers(postgresql_database)]) == (True, [1])


def refusal(number: int, *, at: datetime = NOON, credential_id: str = KEY) -> StoredRefusal:
    return StoredRefusal(
        id=str(number),
        organization_id=ORGANIZATION,
        project_id=PROJECT,
        credential_id=CredentialId(credential_id),
        at=at,
        expires_at=at + KEPT_FOR,
        code="signature",
        explanation="{}",
    )


def keep(refusals: Refusals, number: int, *, at: datetime = NOON, credential_id: str = KEY) -> bool:
    return refusals.keep(credential_id, at, lambda: refusal(number, at=at, credential_id=credential_id))


def stored(database: Database, *, now: datetime = NOON) -> set[str]:
    with reading(database.traces) as connection:
        return {each.id for each in traces.list_refusals(connection, PROJECT, limit=100_000, now=now)}


async def test_a_refusal_can_be_read_after_the_flush(refusals: Refusals, database: Database) -> None:
    keep(refusals, 1)
    before = stored(database)

    await refusals.flush()

    assert (before, stored(database)) == (set(), {"1"})


async def test_twenty_refusals_a_minute_are_kept_of_a_credential(refusals: Refusals, database: Database) -> None:
    kept = [keep(refusals, number) for number in range(PER_CREDENTIAL_AND_MINUTE + 5)]
    other = keep(refusals, 100, credential_id="other")
    next_minute = keep(refusals, 101, at=NOON + timedelta(minutes=1))

    await refusals.flush()

    assert kept == [True] * PER_CREDENTIAL_AND_MINUTE + [False] * 5
    assert (other, next_minute, len(stored(database))) == (True, True, PER_CREDENTIAL_AND_MINUTE + 2)


async def test_a_refusal_that_is_not_kept_is_not_explained(refusals: Refusals) -> None:
    for number in range(PER_CREDENTIAL_AND_MINUTE):
        keep(refusals, number)

    def explain() -> StoredRefusal:
        raise AssertionError("explained")

    assert not refusals.keep(KEY, NOON, explain)


async def test_made_up_credentials_have_a_cap_together(refusals: Refusals) -> None:
    kept = sum(keep(refusals, number, credential_id=str(number)) for number in range(PER_MINUTE + 100))

    assert kept == PER_MINUTE


async def test_refusals_that_could_not_be_written_are_written_later(
    refusals: Refusals, database: Database, reports: list[Exception]
) -> None:
    keep(refusals, 1)
    mend = break_traces(database, "refusals")
    await refusals.flush()
    keep(refusals, 2)
    mend()

    await refusals.flush()

    assert (stored(database), len(reports)) == ({"1", "2"}, 1)


async def test_the_queue_is_bounded_while_the_database_fails(
    database: Database, kept: TraceFile, clock: Clock, reports: list[Exception]
) -> None:
    refusals = Refusals(kept, clock=clock.now, report=reports.append, queue_limit=30)
    mend = break_traces(database, "refusals")
    for number in range(50):
        keep(refusals, number, credential_id=str(number))
        await refusals.flush()
    mend()

    await refusals.flush()

    assert stored(database) == {str(number) for number in range(20, 50)}


async def test_expired_refusals_are_deleted_even_when_none_come(
    refusals: Refusals, database: Database, clock: Clock
) -> None:
    keep(refusals, 1)
    await refusals.flush()

    clock.advance(KEPT_FOR)
    await refusals.flush()

    assert stored(database) == set()


async def test_what_gathers_is_flushed_every_so_often_and_at_the_end(usage: Usage, database: Database) -> None:
    flusher = Flusher(usage.flush, every=timedelta(milliseconds=10))
    flusher.start()
    call(usage)
    while not callers(database):
        await asyncio.sleep(0.01)
    call(usage)

    await flusher.stop()

    assert [caller.admitted for caller in callers(database)] == [2]


async def test_calls_of_one_caller_are_told_apart_by_scheme(usage: Usage, database: Database) -> None:
    call(usage)
    call(usage, scheme="oauth2")
    call(usage, scheme="oauth2")

    await usage.flush()

    assert {(each.scheme, each.admitted) for each in callers(database)} == {("oauth1", 1), ("oauth2", 2)}

"""Leases of gates: a revocation is answered when no gate can admit by what it knew before it."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import delete, select, text

from credenza.domain.model import PLATFORM, ChangeNumber, Reach
from credenza.store import changes, leases
from credenza.store.changes import ChangeKind
from credenza.store.engine import Database, reading, writing
from credenza.store.postgresql import Line
from credenza.store.schema import gates, timelines

pytestmark = pytest.mark.anyio

LEASE = timedelta(seconds=0.4)
LEASE_S = LEASE.total_seconds()
# A test that waited for this one would never end.
ENDLESS = timedelta(days=1)


@pytest.fixture
async def line(postgresql_database: Database) -> AsyncIterator[Line]:
    url = postgresql_database.records.url.set(drivername="postgresql").render_as_string(hide_password=False)
    line = await Line.open(url, deadline_s=5)
    yield line
    await line.close()


def change(database: Database) -> ChangeNumber:
    with writing(database.records) as connection:
        return changes.record(connection, PLATFORM, ChangeKind.CREDENTIAL, "key")


async def reach(database: Database, number: ChangeNumber, *, lease: timedelta = ENDLESS) -> Reach:
    return await anyio.to_thread.run_sync(partial(leases.await_reach, database.records, number, lease=lease))


def registered(database: Database) -> set[str]:
    with reading(database.records) as connection:
        return set(connection.execute(select(gates.c.id)).scalars())


async def join(line: Line, gate_id: str, *, lease: timedelta = ENDLESS, memory: str = "here") -> ChangeNumber:
    return await leases.register(line, gate_id, name=f"{gate_id}.example.org", lease=lease, memory=memory)


async def test_with_no_gate_there_is_nothing_to_wait_for(postgresql_database: Database) -> None:
    found = await reach(postgresql_database, change(postgresql_database))

    assert (found.gates, found.confirmed, found.lapsed) == (0, 0, 0)


async def test_on_sqlite_gates_look_for_themselves(sqlite_database: Database) -> None:
    assert await reach(sqlite_database, change(sqlite_database)) == Reach(0, 0, 0, timedelta(0))


async def test_a_gate_registers_with_the_last_change_there_is(postgresql_database: Database, line: Line) -> None:
    number = change(postgresql_database)

    assert await join(line, "gate") == number
    assert await leases.renew(line, "gate", applied=number) == number


async def test_a_renewal_tells_of_changes_that_are_not_applied_yet(postgresql_database: Database, line: Line) -> None:
    before = await join(line, "gate")
    number = change(postgresql_database)

    assert await leases.renew(line, "gate", applied=before) == number


async def test_a_revocation_waits_until_every_gate_has_confirmed(postgresql_database: Database, line: Line) -> None:
    await join(line, "quick")
    await join(line, "slow")
    number = change(postgresql_database)
    answered: list[Reach] = []

    async def answer() -> None:
        answered.append(await reach(postgresql_database, number))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer)
        await leases.renew(line, "quick", applied=number)
        await anyio.sleep(LEASE_S / 4)
        early = list(answered)
        await leases.renew(line, "slow", applied=number)

    assert (early, [(each.gates, each.confirmed, each.lapsed) for each in answered]) == ([], [(2, 2, 0)])


async def test_a_silent_gate_is_waited_for_as_long_as_its_lease_may_last(
    postgresql_database: Database, line: Line
) -> None:
    await join(line, "silent", lease=LEASE)
    asked_at = time.monotonic()

    found = await reach(postgresql_database, change(postgresql_database))

    assert (found.gates, found.confirmed, found.lapsed) == (1, 0, 1)
    assert time.monotonic() - asked_at >= LEASE_S
    assert await leases.renew(line, "silent", applied=ChangeNumber(1)) is None
    assert registered(postgresql_database) == set()


async def test_a_database_clock_set_forward_shortens_no_lease(postgresql_database: Database, line: Line) -> None:
    await join(line, "silent", lease=LEASE)
    with writing(postgresql_database.records) as connection:
        connection.execute(text("UPDATE gates SET renewed_at = renewed_at - 3600000000"))

    found = await reach(postgresql_database, change(postgresql_database))

    assert found.lapsed == 1
    assert found.took >= LEASE


async def test_a_gate_that_renews_without_confirming_is_fenced(postgresql_database: Database, line: Line) -> None:
    before = await join(line, "stubborn", lease=LEASE)
    number = change(postgresql_database)
    last_renewal = 0.0

    async def renew_until_given_up() -> None:
        nonlocal last_renewal
        sent = time.monotonic()
        while await leases.renew(line, "stubborn", applied=before) is not None:
            last_renewal = sent
            await anyio.sleep(LEASE_S / 10)
            sent = time.monotonic()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(renew_until_given_up)
        found = await reach(postgresql_database, number)
        answered_at = time.monotonic()

    assert (found.confirmed, found.lapsed) == (0, 1)
    assert answered_at >= last_renewal + LEASE_S


async def test_a_renewal_at_the_last_moment_keeps_the_revocation_waiting(
    postgresql_database: Database, line: Line
) -> None:
    """The row is given up only as it was seen: between the look and the end, the gate may have renewed."""
    await join(line, "gate")
    with reading(postgresql_database.records) as connection:
        seen = connection.execute(select(gates.c.renewed_at)).scalar_one()
    await leases.renew(line, "gate", applied=ChangeNumber(0))

    assert not leases._give_up(postgresql_database.records, "gate", seen)
    assert registered(postgresql_database) == {"gate"}


async def test_nobody_waits_for_a_gate_that_has_left(postgresql_database: Database, line: Line) -> None:
    await join(line, "gate")
    await leases.deregister(line, "gate")

    found = await reach(postgresql_database, change(postgresql_database))

    assert found.gates == 0


async def test_a_gate_that_leaves_meanwhile_ends_the_wait(postgresql_database: Database, line: Line) -> None:
    await join(line, "gate")
    number = change(postgresql_database)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leases.deregister, line, "gate")
        found = await reach(postgresql_database, number)

    assert (found.gates, found.lapsed) == (0, 0)


async def test_a_gate_that_comes_after_the_change_is_not_waited_for(postgresql_database: Database, line: Line) -> None:
    number = change(postgresql_database)
    await join(line, "new")

    found = await reach(postgresql_database, number)

    assert (found.gates, found.confirmed) == (1, 1)


async def test_after_a_failover_the_first_revocation_waits_one_full_lease(
    postgresql_database: Database, line: Line
) -> None:
    """What gates registered before it may be lost; the new line of history is one that nobody has noted yet."""
    with writing(postgresql_database.records) as connection:
        connection.execute(delete(timelines))

    first = await reach(postgresql_database, change(postgresql_database), lease=LEASE)
    await reach(postgresql_database, change(postgresql_database))

    assert first.took >= LEASE
    with reading(postgresql_database.records) as connection:
        assert connection.execute(select(timelines.c.timeline)).scalars().all() == [await leases.timeline(line)]


# --- where calls are remembered --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"), [("here", "there"), ("here", leases.SHARED_MEMORY), (leases.SHARED_MEMORY, "here")]
)
async def test_a_gate_that_remembers_calls_elsewhere_does_not_register(
    postgresql_database: Database, line: Line, first: str, second: str
) -> None:
    await join(line, "first", memory=first)

    with pytest.raises(leases.OtherMemory, match=r"first\.example\.org.*CREDENZA_REPLAY_URL"):
        await join(line, "second", memory=second)

    assert registered(postgresql_database) == {"first"}
    with reading(postgresql_database.records) as connection, pytest.raises(leases.OtherMemory):
        leases.check_memory(connection, second)


@pytest.mark.parametrize("memory", ["here", leases.SHARED_MEMORY])
async def test_gates_that_share_a_memory_are_as_many_as_you_like(
    postgresql_database: Database, line: Line, memory: str
) -> None:
    for gate_id in ("first", "second"):
        number = await join(line, gate_id, memory=memory)
        assert await leases.renew(line, gate_id, applied=number) == number

    with reading(postgresql_database.records) as connection:
        leases.check_memory(connection, memory)


async def test_a_gate_whose_lease_has_run_out_keeps_nobody_out_and_does_not_come_back(line: Line) -> None:
    """A machine that was frozen, or cut off, finds another in its place."""
    await join(line, "frozen", lease=LEASE)
    await anyio.sleep(LEASE_S * 1.1)

    number = await join(line, "successor", memory="there")

    assert await leases.renew(line, "frozen", applied=number) is None
    assert await leases.renew(line, "successor", applied=number) == number


async def test_of_two_that_slipped_in_together_neither_goes_on_while_the_other_may_admit(
    postgresql_database: Database, line: Line
) -> None:
    number = await join(line, "first")
    await join(line, "second")
    with writing(postgresql_database.records) as connection:
        connection.execute(gates.update().where(gates.c.id == "second").values(memory="there"))

    assert await leases.renew(line, "first", applied=number) is None
    assert await leases.renew(line, "second", applied=number) is None


async def test_a_gate_of_an_older_release_keeps_nobody_out(postgresql_database: Database, line: Line) -> None:
    number = await join(line, "older", memory="")

    await join(line, "newer")

    assert await leases.renew(line, "older", applied=number) == number

"""The audit log as it stands in the table: unbroken however many write it, and no alteration goes unseen."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Connection, delete, func, select, update
from tests.clock import NOON

from credenza.domain import audit as chain
from credenza.domain.model import PLATFORM, OrganizationId
from credenza.store import audit
from credenza.store.engine import Database, reading, writing
from credenza.store.schema import audit_entries

WRITERS = 16
ENTRIES_EACH = 4
LENGTH = WRITERS * ENTRIES_EACH
ALTERATIONS = 100
ORGANIZATION = OrganizationId("3f0d9a52-6f0c-4a55-9a3d-1f6f6a1d9b11")

RECORD = chain.Record(
    at=NOON,
    actor_kind="operator",
    actor_id="root",
    user_id="",
    address="192.0.2.7",
    action="key.revoke",
    outcome=chain.Outcome.DONE,
    code="",
    project_id="",
    subject="",
    detail="ends «today»",
)


@pytest.fixture
def written(database: Database) -> Database:
    """A database in which 16 writers have appended to one chain at the same time, and to the platform's between."""
    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(lambda writer: write(database, writer), range(WRITERS)))
    return database


def write(database: Database, writer: int) -> None:
    for turn in range(ENTRIES_EACH):
        with writing(database.records) as connection:
            audit.append(connection, ORGANIZATION, replace(RECORD, subject=f"{writer}/{turn}"))
            if turn % 2:
                audit.append(connection, PLATFORM, RECORD)


def flaw(connection: Connection, *checkpoints: chain.Checkpoint) -> chain.Flaw | None:
    return chain.verify(ORGANIZATION, audit.entries(connection, ORGANIZATION), checkpoints)


def test_writers_at_the_same_time_make_one_unbroken_chain(written: Database) -> None:
    with reading(written.records) as connection:
        subjects = [entry.record.subject for entry in audit.entries(connection, ORGANIZATION)]
        head = audit.head(connection, ORGANIZATION)

        assert head is not None
        assert (head.sequence, flaw(connection, head)) == (LENGTH, None)
        assert sorted(subjects) == sorted(
            f"{writer}/{turn}" for writer in range(WRITERS) for turn in range(ENTRIES_EACH)
        )
        assert audit.chains(connection) == (PLATFORM, ORGANIZATION)


def edit(connection: Connection, chance: random.Random) -> None:
    column = chance.choice([each for each in audit_entries.columns if each.name != "organization_id"])
    sequence = chance.randint(1, LENGTH)
    values = {
        "sequence": LENGTH + 10,
        "at": func.abs(audit_entries.c.at) + 1,
        "outcome": chance.choice(["refused", "failed"]),
    }
    statement = update(audit_entries).where(of_chain(), audit_entries.c.sequence == sequence)
    connection.execute(statement.values({column.name: values.get(column.name, f"{chance.getrandbits(64):x}")}))


def edit_and_hash_again(connection: Connection, chance: random.Random) -> None:
    entry = chance.choice(list(audit.entries(connection, ORGANIZATION)))
    hashed = chain.follow(
        ORGANIZATION, entry.sequence - 1, entry.previous_hash, replace(entry.record, detail="nothing happened")
    )
    connection.execute(
        update(audit_entries)
        .where(of_chain(), audit_entries.c.sequence == entry.sequence)
        .values(detail=hashed.record.detail, hash=hashed.hash)
    )


def delete_one(connection: Connection, chance: random.Random) -> None:
    sequence = chance.randint(1, LENGTH)
    connection.execute(delete(audit_entries).where(of_chain(), audit_entries.c.sequence == sequence))


def cut_off_tail(connection: Connection, chance: random.Random) -> None:
    length = chance.randint(0, LENGTH - 1)
    connection.execute(delete(audit_entries).where(of_chain(), audit_entries.c.sequence > length))


def swap(connection: Connection, chance: random.Random) -> None:
    one, other = chance.sample(range(1, LENGTH + 1), 2)
    for found, becomes in ((one, 0), (other, one), (0, other)):
        connection.execute(
            update(audit_entries).where(of_chain(), audit_entries.c.sequence == found).values(sequence=becomes)
        )


def move_to_another_chain(connection: Connection, chance: random.Random) -> None:
    entry = chance.choice(list(audit.entries(connection, ORGANIZATION)))
    last = connection.execute(
        select(func.max(audit_entries.c.sequence)).where(audit_entries.c.organization_id == PLATFORM)
    ).scalar_one()
    connection.execute(
        update(audit_entries)
        .where(of_chain(), audit_entries.c.sequence == entry.sequence)
        .values(organization_id=PLATFORM, sequence=last + 1)
    )


def of_chain():
    return audit_entries.c.organization_id == ORGANIZATION


ALTERING = [edit, edit_and_hash_again, delete_one, cut_off_tail, swap, move_to_another_chain]


@pytest.mark.parametrize("alter", ALTERING, ids=lambda alter: alter.__name__)
def test_a_random_alteration_of_the_table_is_found(
    written: Database, alter: Callable[[Connection, random.Random], None]
) -> None:
    with reading(written.records) as connection:
        checkpoint = audit.head(connection, ORGANIZATION)
    assert checkpoint is not None

    found = [flaw for seed in range(ALTERATIONS) for flaw in altered(written, alter, random.Random(seed), checkpoint)]

    assert None not in found


def altered(
    database: Database,
    alter: Callable[[Connection, random.Random], None],
    chance: random.Random,
    checkpoint: chain.Checkpoint,
) -> Iterator[chain.Flaw | None]:
    """Alter the table, look, and undo it."""
    with database.records.connect() as connection, connection.begin() as transaction:
        alter(connection, chance)
        yield flaw(connection, checkpoint)
        transaction.rollback()


def test_without_a_checkpoint_a_cut_off_tail_goes_unseen(written: Database) -> None:
    """Why checkpoints are kept away from the database."""
    with writing(written.records) as connection:
        connection.execute(delete(audit_entries).where(of_chain(), audit_entries.c.sequence > LENGTH - 3))

        assert flaw(connection) is None


def test_entries_are_read_newest_first_and_a_page_at_a_time(written: Database) -> None:
    with reading(written.records) as connection:
        page = audit.latest(connection, ORGANIZATION, chain.EVERYTHING, before=None, limit=3)
        following = audit.latest(connection, ORGANIZATION, chain.EVERYTHING, before=page[-1].sequence, limit=2)

    assert [entry.sequence for entry in page + following] == [LENGTH, LENGTH - 1, LENGTH - 2, LENGTH - 3, LENGTH - 4]

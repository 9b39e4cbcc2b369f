"""The change sequence: its order is the order of the commits, and nothing in it is ever seen with a gap."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from time import sleep

import psycopg

from credenza.domain.model import PLATFORM
from credenza.store import changes
from credenza.store.changes import Change, ChangeKind
from credenza.store.engine import Database, reading, writing

WRITERS = 16
CHANGES_EACH = 5


class UndoneError(Exception):
    """Ends a transaction that shall not be committed."""


def test_a_change_is_read_after_the_number_before_it(database: Database) -> None:
    with writing(database.records) as connection:
        first = changes.record(connection, PLATFORM, ChangeKind.CREDENTIAL, "key")
        second = changes.record(connection, PLATFORM, ChangeKind.CATALOG, 3)

    with reading(database.records) as connection:
        assert changes.since(connection, first) == (Change(second, ChangeKind.CATALOG, "3"),)
        assert changes.current(connection) == second


def test_no_reader_sees_a_later_number_before_an_earlier_one(database: Database) -> None:
    done = Event()
    with ThreadPoolExecutor(WRITERS + 1) as threads:
        reader = threads.submit(follow, database, done)
        writers = [threads.submit(write, database, random.Random(seed)) for seed in range(WRITERS)]
        committed = [number for writer in writers for number in writer.result()]
        done.set()
        seen = reader.result()

    assert len(committed) == WRITERS * CHANGES_EACH
    assert sorted(committed) == seen == list(range(1, len(committed) + 1))


def write(database: Database, chance: random.Random) -> list[int]:
    committed: list[int] = []
    while len(committed) < CHANGES_EACH:
        committed += attempt(database, undone=chance.random() < 0.3, length_s=chance.uniform(0, 0.003))
    return committed


def attempt(database: Database, *, undone: bool, length_s: float) -> list[int]:
    with suppress(UndoneError), writing(database.records) as connection:
        number = changes.record(connection, PLATFORM, ChangeKind.CREDENTIAL, "key")
        sleep(length_s)
        if undone:
            raise UndoneError
        return [number]
    return []


def follow(database: Database, done: Event) -> list[int]:
    """Read as a gate does, from the last number seen on; look once more after the last commit."""
    seen: list[int] = []
    last_look = False
    while not last_look:
        last_look = done.is_set()
        with reading(database.records) as connection:
            now = changes.current(connection)
            found = [change.number for change in changes.since(connection, changes.ChangeNumber(len(seen)))]
        assert found == list(range(len(seen) + 1, now + 1))
        seen += found
    return seen


def test_an_undone_change_leaves_no_gap(database: Database) -> None:
    attempt(database, undone=True, length_s=0)

    assert attempt(database, undone=False, length_s=0) == [1]


def test_a_listener_is_woken_by_the_commit_and_not_before(postgresql_database: Database) -> None:
    url = postgresql_database.records.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as listener:
        listener.execute(f"LISTEN {changes.CHANNEL}")

        with writing(postgresql_database.records) as connection:
            number = changes.record(connection, PLATFORM, ChangeKind.CREDENTIAL, "key")
            before = list(listener.notifies(timeout=0.05))
        after = list(listener.notifies(timeout=60, stop_after=1))

    assert ([each.payload for each in before], [each.payload for each in after]) == ([], [str(number)])

"""Writers to SQLite that meet, and what becomes of the others when one of them fails."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import IntegrityError, OperationalError

from credenza.store.engine import open_database, reading, writing

_PATIENCE_S = 60.0


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    database = open_database(f"sqlite:///{tmp_path}/credenza.db")
    with writing(database.records) as connection:
        connection.execute(text("CREATE TABLE parents (name TEXT PRIMARY KEY)"))
        connection.execute(text("CREATE TABLE things (name TEXT, parent TEXT REFERENCES parents DEFERRABLE)"))
        connection.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON things WHEN new.name = 'too much' "
                "BEGIN SELECT RAISE(ROLLBACK, 'all is taken back'); END"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER wrong BEFORE INSERT ON things WHEN new.name = 'wrong' "
                "BEGIN SELECT RAISE(ABORT, 'nothing but this is taken back'); END"
            )
        )
    yield database.records
    database.close()


def write(engine: Engine, name: str, parent: str | None = None) -> None:
    with writing(engine) as connection:
        insert(connection, name, parent)


def insert(connection: Connection, name: str, parent: str | None = None) -> None:
    connection.execute(text("INSERT INTO things VALUES (:name, :parent)"), {"name": name, "parent": parent})


def names(engine: Engine) -> set[str]:
    with reading(engine) as connection:
        return set(connection.execute(text("SELECT name FROM things")).scalars())


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.001)


@contextmanager
def meeting(
    engine: Engine, *others: Callable[[], None], at_last: str = "more"
) -> Iterator[tuple[Future[None], list[Future[None]]]]:
    """One writes "first" and something `at_last`, and the others, who came meanwhile, follow it in their order."""
    turns, written, go_on = engine.get_execution_options()["credenza_turns"], Event(), Event()

    def first() -> None:
        with writing(engine) as connection:
            insert(connection, "first")
            written.set()
            assert go_on.wait(_PATIENCE_S)
            insert(connection, at_last)

    with ThreadPoolExecutor() as threads:
        leading = threads.submit(first)
        assert written.wait(_PATIENCE_S)
        following = []
        for number, other in enumerate(others, start=1):
            following.append(threads.submit(other))
            wait_until(lambda: len(turns._line) == number)  # noqa: B023 - called before the next
        go_on.set()
        yield leading, following


def test_who_waits_for_the_turn_commits_together(engine: Engine) -> None:
    commits: list[Connection] = []
    event.listen(engine, "commit", commits.append)

    with meeting(engine, lambda: write(engine, "second"), lambda: write(engine, "third")):
        pass

    assert names(engine) == {"first", "more", "second", "third"}
    assert len(commits) - 1 == 1, "one for the three of them, and one of the look"


def test_nobody_goes_on_before_the_common_commit(engine: Engine) -> None:
    begun, go_on = Event(), Event()

    def second() -> None:
        with writing(engine) as connection:
            insert(connection, "second")
            begun.set()
            assert go_on.wait(_PATIENCE_S)

    with meeting(engine, second) as (leading, _):
        assert begun.wait(_PATIENCE_S)

        assert not leading.done()
        assert names(engine) == set()

        go_on.set()
    assert leading.result(_PATIENCE_S) is None
    assert names(engine) == {"first", "more", "second"}


@pytest.mark.parametrize("last", [True, False])
def test_who_fails_undoes_its_own_and_nothing_else(engine: Engine, last: bool) -> None:
    def second() -> None:
        with writing(engine) as connection:
            insert(connection, "second")
            raise LookupError

    with meeting(engine, second, *([] if last else [lambda: write(engine, "third")])) as (leading, following):
        pass

    assert isinstance(following[0].exception(), LookupError)
    assert leading.exception() is None
    assert names(engine) == {"first", "more"} | (set() if last else {"third"})


def test_a_commit_that_fails_has_failed_for_all(engine: Engine) -> None:
    def second() -> None:
        with writing(engine) as connection:
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
            insert(connection, "second", parent="nobody")

    with meeting(engine, second) as (leading, following):
        pass

    assert isinstance(leading.exception(), IntegrityError)
    assert isinstance(following[0].exception(), IntegrityError)
    assert leading.exception() is not following[0].exception()
    assert names(engine) == set()


def test_what_sqlite_takes_back_with_anothers_failure_is_not_told_as_done(engine: Engine) -> None:
    with meeting(engine, lambda: write(engine, "too much"), lambda: write(engine, "third")) as (leading, following):
        pass

    assert isinstance(leading.exception(), OperationalError)
    assert isinstance(following[0].exception(), IntegrityError)
    assert following[1].exception() is None
    assert names(engine) == {"third"}


def test_after_a_transaction_that_is_gone_the_next_writer_begins_another(engine: Engine) -> None:
    begun: list[Connection] = []
    event.listen(engine, "begin", begun.append)

    with meeting(engine, lambda: write(engine, "second"), at_last="too much") as (leading, following):
        pass

    assert isinstance(leading.exception(), IntegrityError)
    assert following[0].exception() is None
    assert len(begun) == 2
    assert names(engine) == {"second"}


def test_after_a_failure_the_next_writer_has_its_turn(engine: Engine) -> None:
    with pytest.raises(IntegrityError):
        write(engine, "too much")

    write(engine, "done")

    assert names(engine) == {"done"}


def test_a_first_writer_that_fails_leaves_nothing_to_those_who_follow(engine: Engine) -> None:
    with meeting(engine, lambda: write(engine, "second"), at_last="wrong") as (first, (second,)):
        pass

    with pytest.raises(IntegrityError, match="nothing but this"):
        first.result(_PATIENCE_S)
    second.result(_PATIENCE_S)
    assert names(engine) == {"second"}

"""The look at SQLite's shared memory: it moves with every commit, and costs SQLite none of its locks."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from credenza.store import wal_index


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (a)")
    return path


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, isolation_level=None)) as opened:
        opened.execute("SELECT * FROM t").fetchall()
        yield opened


@pytest.fixture
def header(database: Path, connection: sqlite3.Connection) -> Callable[[], bytes]:
    return wal_index.open_header(database)


def write(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("INSERT INTO t VALUES (1)")


def test_it_moves_with_every_commit(database: Path, header: Callable[[], bytes]) -> None:
    seen = {header()}
    for _ in range(5):
        write(database)
        seen.add(header())

    assert len(seen) == 6


def test_it_moves_with_the_commit_of_another_process(database: Path, header: Callable[[], bytes]) -> None:
    before = header()
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute('DELETE FROM t')"
    write(database)
    between = header()
    subprocess.run([sys.executable, "-c", program, str(database)], check=True)

    assert len({before, between, header()}) == 3


def test_it_moves_when_the_log_begins_anew(database: Path, header: Callable[[], bytes]) -> None:
    write(database)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
    before = header()

    write(database)

    assert header() != before


def test_it_stays_for_readers_and_for_what_is_rolled_back(
    database: Path, connection: sqlite3.Connection, header: Callable[[], bytes]
) -> None:
    before = header()
    connection.execute("SELECT * FROM t").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (2)")
    connection.execute("ROLLBACK")

    assert header() == before


def test_an_unknown_format_tells_nothing(database: Path, connection: sqlite3.Connection) -> None:
    with Path(f"{database}-shm").open("r+b") as file:
        file.write(b"\0\0\0\1")

    assert wal_index.open_header(database)() == b""


def test_sqlite_keeps_its_locks(database: Path, connection: sqlite3.Connection) -> None:
    before = locks(database)

    wal_index.open_header(database)

    assert before != ""
    assert locks(database) == before


def locks(database: Path) -> str:
    """This process's locks on the shared memory."""
    inode = Path(f"{database}-shm").stat().st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    return "\n".join(line for line in lines if f" {os.getpid()} " in line and f":{inode} " in line)

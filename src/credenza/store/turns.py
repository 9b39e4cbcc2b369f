"""Writers to SQLite take turns, and commit together.

SQLite has one writer at a time, and to make a commit durable takes longer than to write what is in it. So whoever has
written leaves the transaction to the next in line, and the last of them commits for all. Nobody goes on before that
commit. A writer that fails undoes what it has done itself, back to its savepoint, and nothing else; when the commit
fails, it has failed for each of them.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from threading import Event, Lock
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeout

from credenza.store.deadline import STATEMENT_DEADLINE
from credenza.store.kept_connection import KeptConnection
from credenza.store.prepared import run_sql

_MOST_TOGETHER: Final = 32


class Turns:
    """The writers of this process: without a line they would try for SQLite's own lock again and again, unfairly."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._taken = False
        self._line: deque[Lock] = deque()
        self._together: _Together | None = None
        self._kept = KeptConnection()

    @contextmanager
    def turn(self, engine: Engine) -> Iterator[Connection]:
        """Write inside; what was written is durable when the block has ended."""
        self._await_turn()
        try:
            together = self._together = self._together or _Together(self._kept.open(engine))
            with together.member():
                yield together.connection
        finally:
            self._pass_on()
        together.await_commit()

    def close(self) -> None:
        """Close the connection, unless somebody writes."""
        with self._mutex:
            if not self._taken:
                self._kept.close()

    def _await_turn(self) -> None:
        with self._mutex:
            if not self._taken:
                self._taken = True
                return
            place = Lock()
            place.acquire()
            self._line.append(place)
        if place.acquire(timeout=STATEMENT_DEADLINE.total_seconds()):
            return
        with self._mutex:
            if place in self._line:  # else the turn was given to us in the last moment
                self._line.remove(place)
                raise SQLAlchemyTimeout("the database is busy with other writers of this process")

    def _pass_on(self) -> None:
        """Leave the transaction to the next in line, or end it."""
        together = self._together
        if together is not None and together.is_open and self._call_next():
            return
        if together is not None:
            self._together = None
            together.end()
        with self._mutex:
            self._taken = bool(self._line)
            if self._line:
                self._line.popleft().release()

    def _call_next(self) -> bool:
        with self._mutex:
            if self._line:
                self._line.popleft().release()
                return True
            return False


class _Together:
    """One transaction of several writers. Only who has the turn may touch it, but for `await_commit`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        try:
            self._transaction = connection.begin()
        except BaseException:
            connection.close()
            raise
        self._ended = Event()
        self._members = 0
        self._failure: Exception | None = None

    @property
    def is_open(self) -> bool:
        # Asked when a member has ended: without any the first has failed, and all of it is taken back.
        return self._failure is None and 0 < self._members < _MOST_TOGETHER and self._driver.in_transaction

    @contextmanager
    def member(self) -> Iterator[None]:
        if self._members:
            with self._after_others():
                yield
        else:
            # Without a savepoint, for which SQLite keeps a copy of every page: there is nobody whose work must stay.
            yield
        self._members += 1

    @contextmanager
    def _after_others(self) -> Iterator[None]:
        run_sql(self.connection, "SAVEPOINT member")
        try:
            yield
        except BaseException as error:
            self._undo(error)
            raise
        run_sql(self.connection, "RELEASE member")

    def _undo(self, error: BaseException) -> None:
        if self._driver.in_transaction:
            run_sql(self.connection, "ROLLBACK TO member")
            run_sql(self.connection, "RELEASE member")
        else:
            # https://sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction": a full disk, for
            # one, takes all of it back, and with it what others were told was written.
            self._failure = OperationalError("COMMIT", None, error)

    def end(self) -> None:
        """Commit for all who have written."""
        try:
            if self._failure is None and self._members:
                self._transaction.commit()
            else:
                self.connection.close()
        except Exception as error:  # noqa: BLE001 - raised to each of them
            self._failure = error
            self._driver.rollback()  # SQLAlchemy believes that a commit that failed has ended the transaction
            self.connection.close()
        finally:
            self._ended.set()

    def await_commit(self) -> None:
        self._ended.wait()
        if self._failure is not None:
            raise copy(self._failure)  # each raises its own, with a traceback of its own

    @property
    def _driver(self) -> sqlite3.Connection:
        driver = self.connection.connection.dbapi_connection
        assert isinstance(driver, sqlite3.Connection), "turns are taken on SQLite"
        return driver

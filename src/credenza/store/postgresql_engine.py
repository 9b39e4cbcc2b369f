"""SQLAlchemy's engine for PostgreSQL: psycopg, with an end to every wait. `engine.open_database` opens it."""

from __future__ import annotations

from functools import partial
from select import POLLIN, poll
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import InvalidatePoolError

from credenza.store.deadline import STATEMENT_DEADLINE
from credenza.store.engine import POOL_SIZE

_CLIENT_DEADLINE_S = STATEMENT_DEADLINE.total_seconds() + 0.5  # the server's own comes first, with a better reason
_TRUSTED_S: Final = 1.0
_RETURNED_AT: Final = "credenza_returned_at"


class _PatientConnection(psycopg.Connection[Any]):
    """A connection whose every wait ends. The kernel of a frozen server goes on acknowledging, so neither the server's
    statement timeout nor one of TCP ends the wait (security.md, decision 4; R12)."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, timeout or _CLIENT_DEADLINE_S)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()  # nobody knows what it is doing: the pool must not keep it
            raise


def open_engine(url: URL) -> Engine:
    deadline_s = STATEMENT_DEADLINE.total_seconds()
    deadline_ms = int(deadline_s * 1000)
    target = url.set(drivername="postgresql").render_as_string(hide_password=False)

    def connect() -> psycopg.Connection[Any]:
        return _PatientConnection.connect(
            target,
            connect_timeout=int(deadline_s),
            options=f"-c statement_timeout={deadline_ms} -c lock_timeout={deadline_ms} -c timezone=UTC "
            f"-c idle_in_transaction_session_timeout={2 * deadline_ms}",
        )

    engine = create_engine(
        url,
        creator=connect,
        pool_size=POOL_SIZE,
        pool_use_lifo=True,  # the one that answered last needs no question
        max_overflow=0,
        pool_timeout=deadline_s,
        hide_parameters=True,
    )
    event.listen(engine, "checkin", _note_return)
    event.listen(engine, "checkout", partial(_check_alive, engine.dialect))
    return engine


def _note_return(_connection: psycopg.Connection[Any] | None, record: Any) -> None:
    record.info[_RETURNED_AT] = monotonic()


def _check_alive(dialect: Dialect, connection: psycopg.Connection[Any], record: Any, _fairy: Any) -> None:
    """Replace what the server has closed. Asking it takes a round trip of each transaction, so that a connection is
    only asked when it has been idle for a while, or when something has arrived on it, such as its end."""
    returned_at = record.info.get(_RETURNED_AT)
    if returned_at is None or (monotonic() - returned_at < _TRUSTED_S and not _has_news(connection)):
        return
    asked: Any = connection
    try:
        dialect.do_ping(asked)
    except psycopg.OperationalError as error:
        raise InvalidatePoolError from error


def _has_news(connection: psycopg.Connection[Any]) -> bool:
    if connection.closed:
        return True
    arriving = poll()
    arriving.register(connection.fileno(), POLLIN)
    return bool(arriving.poll(0))

"""SQLAlchemy's engine for PostgreSQL: psycopg, with an end to every wait. `engine.open_database` opens it."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL

from credenza.store.deadline import STATEMENT_DEADLINE
from credenza.store.engine import POOL_SIZE

_CLIENT_DEADLINE_S = STATEMENT_DEADLINE.total_seconds() + 0.5  # the server's own comes first, with a better reason


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

    return create_engine(
        url,
        creator=connect,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=deadline_s,
        pool_pre_ping=True,
        hide_parameters=True,
    )

"""What was answered survives whoever answered it (R3), and the audit log tells everything that was done (R14)."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator

from tests.servers import PostgreSQLServer

from proof import stage, workload
from proof.claim import Claim, Progress, hold
from proof.stage import Stage
from proof.workload import Log

_BETWEEN_S = (0.05, 0.6)


def of_workers(kills: int) -> str:
    with stage.on_sqlite(workers=3) as where:
        with workload.writing(where) as log:
            for _ in _rounds("kills", kills, log):
                _kill_a_worker(where)
        return f"{kills} kills of workers: {workload.check(where, log)}"


def of_everything(kills: int) -> str:
    """The whole server at once, as the out-of-memory killer or a container's end would."""
    with stage.on_sqlite(workers=2) as where:
        with workload.writing(where) as log:
            for _ in _rounds("kills", kills, log):
                where.manage.kill()
                where.manage.start()
        return f"{kills} kills of all processes: {workload.check(where, log)}"


def of_postgresql(kills: int) -> str:
    with (
        PostgreSQLServer(durable=True) as database,
        stage.on_postgresql(gates=1, database_url=database.create_database()) as where,
    ):
        with workload.writing(where) as log:
            for _ in _rounds("kills", kills, log):
                database.kill()
                database.start()
        return f"{kills} kills of PostgreSQL: {workload.check(where, log)}"


def _rounds(what: str, count: int, log: Log) -> Iterator[None]:
    """Between two faults something has to be answered, or they would meet nobody at work."""
    progress = Progress(what, count)
    for _ in range(count):
        answered = log.answers
        time.sleep(random.uniform(*_BETWEEN_S))
        log.await_more_than(answered)
        yield
        progress.add()


def _kill_a_worker(where: Stage) -> None:
    workers = where.manage.worker_pids()
    hold(workers, "no worker is left")
    os.kill(random.choice(workers), signal.SIGKILL)


CLAIMS = (
    Claim(
        "R3, workers",
        "no answered change is lost or doubled, nothing half done, audit complete; SQLite, random worker kill -9",
        200,
        "kills",
        of_workers,
    ),
    Claim("R3, server", "the same when all processes are killed at once", 50, "kills", of_everything),
    Claim("R3, PostgreSQL", "the same when PostgreSQL is killed", 50, "kills", of_postgresql),
)

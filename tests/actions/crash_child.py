"""Processes that ask for one action and are killed on the way, forked from a parent that has imported what they need:
python -m tests.actions.crash_child, see `tests.actions.killer`.

The parent has one thread, opens nothing, and forks one process after the other: a line FILE FAILPOINT starts one and
is answered with its pid, an empty line with how it ended. FILE holds a pickled `Errand`. This is the composition root
of the crash tests: it alone gives a platform a failpoint that kills (settled 31).
"""

import multiprocessing
import os
import pickle
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

# SQLAlchemy imports them when it first opens a database: in each process anew.
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.pysqlite  # noqa: F401
from tests.actions.repeatable import Request
from tests.actions.stage import new_platform

from credenza.actions.context import Once
from credenza.store.engine import open_database

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Errand:
    url: str
    request: Request
    once: Once


def main() -> None:
    for line in sys.stdin:
        file, _, failpoint = line.rstrip("\n").rpartition(" ")
        child = _FORK.Process(target=_run, args=(pickle.loads(Path(file).read_bytes()), failpoint))
        child.start()
        print(child.pid, flush=True)
        sys.stdin.readline()
        child.join()
        print(child.exitcode, flush=True)


def _run(errand: Errand, failpoint: str) -> None:
    def kill(reached: str) -> None:
        if reached == failpoint:
            os.kill(os.getpid(), signal.SIGKILL)

    platform = new_platform(open_database(errand.url), now=errand.request.clock.now(), failpoint=kill)
    errand.request.ask(platform, errand.once)


if __name__ == "__main__":
    main()

"""Worker processes: forked from a parent that has imported what they serve with, and shares it; restarted when they
die, stopped together, and none outlives its parent."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from threading import Thread
from types import FrameType

import structlog

from credenza.cli.ending import ending
from credenza.cli.failure import ExitCode

log = structlog.get_logger()

_FORK = multiprocessing.get_context("fork")
_PATIENCE_S = 15
_RESTART_PAUSE_S = 1.0
_STOPPING = (signal.SIGTERM, signal.SIGINT)


class Pool:
    """Keeps `count` workers running until it is told to stop. `work` is what each does; it calls what it is given as
    soon as it serves.

    The parent has one thread, opens nothing that workers use, and serves nothing: a fork of it is as good as new.
    """

    def __init__(self, work: Callable[[Callable[[], None]], None], count: int) -> None:
        self._work = work
        self._count = count
        self._workers: list[multiprocessing.context.ForkProcess] = []
        self._stopping = False
        self._exit_code: int = ExitCode.OK
        # Shared with the workers, and without a lock that a killed one could hold.
        self._has_served = mmap.mmap(-1, 1)

    def run(self) -> int:
        """Returns the exit code of the server."""
        for number in _STOPPING:
            signal.signal(number, self._stop)
        self._workers = [self._start() for _ in range(self._count)]
        while not self._stopping:
            self._replace_dead()
            time.sleep(0.2)
        self._end()
        return self._exit_code

    def _start(self) -> multiprocessing.context.ForkProcess:
        worker = _FORK.Process(target=_run, args=(partial(self._work, self._note_serving),))
        # Until the worker has its own way to stop, a signal waits: it would be told to the parent's, in vain.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        worker.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        return worker

    def _replace_dead(self) -> None:
        for index, worker in enumerate(self._workers):
            if worker.exitcode is not None and not self._stopping:
                if worker.exitcode > 0 and not self._has_served[0]:
                    # It has said what is amiss, and the next one would say it again.
                    self._exit_code, self._stopping = worker.exitcode, True
                    return
                log.error("worker.died", pid=worker.pid, exit_code=worker.exitcode)
                time.sleep(_RESTART_PAUSE_S)  # a worker that cannot start must not be started a thousand times
                self._workers[index] = self._start()

    def _note_serving(self) -> None:
        self._has_served[0] = 1

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _end(self) -> None:
        for worker in self._workers:
            worker.terminate()
        deadline = time.monotonic() + _PATIENCE_S
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.exitcode is None:
                worker.kill()
                worker.join()


def _run(work: Callable[[], None]) -> None:
    for number in _STOPPING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    sys.exit(ending(partial(_done, work)))


def _end_with_parent() -> None:
    """A parent that is killed stops nobody, and who starts it again would find workers of old at its ports."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only workers come here"
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _done(work: Callable[[], None]) -> int:
    work()
    return ExitCode.OK

"""Worker processes: started with the parent's sockets, restarted when they die, stopped together."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from types import FrameType

import msgspec
import structlog

from credenza.cli.roles import Role

log = structlog.get_logger()

_PATIENCE_S = 15
_RESTART_PAUSE_S = 1.0


class Pool:
    """Keeps `count` workers running until it is told to stop."""

    def __init__(self, role: Role, sockets: Mapping[str, socket.socket], count: int) -> None:
        self._role = role
        self._sockets = sockets
        self._count = count
        self._workers: list[subprocess.Popen[bytes]] = []
        self._stopping = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._workers = [self._start() for _ in range(self._count)]
        while not self._stopping:
            self._replace_dead()
            time.sleep(0.2)
        self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        descriptors = {name: bound.fileno() for name, bound in self._sockets.items()}
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "credenza.cli.worker", self._role, msgspec.json.encode(descriptors).decode()],
            pass_fds=tuple(descriptors.values()),
        )

    def _replace_dead(self) -> None:
        for index, worker in enumerate(self._workers):
            if worker.poll() is not None and not self._stopping:
                log.error("worker.died", pid=worker.pid, exit_code=worker.returncode)
                time.sleep(_RESTART_PAUSE_S)  # a worker that cannot start must not be started a thousand times
                self._workers[index] = self._start()

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _end(self) -> None:
        for worker in self._workers:
            worker.terminate()
        deadline = time.monotonic() + _PATIENCE_S
        for worker in self._workers:
            try:
                worker.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

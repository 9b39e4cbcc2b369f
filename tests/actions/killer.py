"""Has requests of a test made by processes of their own, and kills them."""

import os
import pickle
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.actions.crash_child import Errand
from tests.actions.repeatable import Request
from tests.actions.stage import Stage

from credenza.actions.context import Once

ONCE = Once("crash", "a" * 64)
_PARENT = [sys.executable, "-m", "tests.actions.crash_child"]
_ROOT = Path(__file__).parents[2]


class Killer:
    """To import what the first needs takes ten times as long as what it is asked for: the parent keeps it for all."""

    def __init__(self, directory: Path) -> None:
        self._errand = directory / "errand"

    def __enter__(self) -> Self:
        self._parent = subprocess.Popen(_PARENT, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parent.communicate()

    def start(self, failpoint: str, stage: Stage, request: Request) -> "Child":
        url = stage.platform.database.records.url.render_as_string(hide_password=False)
        self._errand.write_bytes(pickle.dumps(Errand(url.replace("+psycopg", ""), request, ONCE)))
        return Child(self, int(self.told(f"{self._errand} {failpoint}")))

    def kill_at(self, failpoint: str, stage: Stage, request: Request) -> None:
        assert self.start(failpoint, stage, request).wait() == -signal.SIGKILL

    def told(self, line: str) -> str:
        """What the parent answers."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(line + "\n")
        self._parent.stdin.flush()
        return self._parent.stdout.readline()


@dataclass(frozen=True, slots=True)
class Child:
    killer: Killer
    pid: int

    def kill(self) -> None:
        """Its pid is its own until somebody waits for it, even when it has ended."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        return int(self.killer.told(""))

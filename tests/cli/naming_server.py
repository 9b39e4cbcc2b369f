"""A server that names every module that it holds, one line each: at its end, and each worker when SIGUSR1 asks it."""

from __future__ import annotations

import atexit
import signal
import sys

from credenza.cli.ending import ending
from credenza.cli.roles import Role
from credenza.cli.start import start


def _name(*_: object) -> None:
    print(*sys.modules, sep="\n", flush=True)


def _argument(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


if __name__ == "__main__":
    atexit.register(_name)
    signal.signal(signal.SIGUSR1, _name)
    sys.exit(ending(lambda: start(Role(_argument("--role")), int(_argument("--workers")), say=print)))

"""A server whose processes each name every module that they hold when they end, one line each."""

from __future__ import annotations

import atexit
import sys
from multiprocessing import util

from credenza.cli.ending import ending
from credenza.cli.roles import Role
from credenza.cli.start import start


def _name(*_: object) -> None:
    print(*sys.modules, sep="\n", flush=True)


def _name_at_end(_: object) -> None:
    """A worker leaves without `atexit`, and begins without what its parent had to do at its end."""
    util.Finalize(None, _name, exitpriority=0)


def _argument(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


if __name__ == "__main__":
    atexit.register(_name)
    util.register_after_fork(_name_at_end, _name_at_end)
    sys.exit(ending(lambda: start(Role(_argument("--role")), int(_argument("--workers")), say=print)))

"""A server of one process, which names at its end every module that it holds, one line each."""

from __future__ import annotations

import atexit
import sys

from credenza.cli.ending import ending
from credenza.cli.roles import Role
from credenza.cli.start import start

if __name__ == "__main__":
    atexit.register(lambda: print(*sys.modules, sep="\n", flush=True))
    role = Role(sys.argv[sys.argv.index("--role") + 1])
    sys.exit(ending(lambda: start(role, 1, say=print)))

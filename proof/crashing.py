"""`credenza serve`, which kills itself when it comes past an armed failpoint: a composition root of its own.

The wheel has no switch for this (settled 31). PROOF_ARMED names a file; when it holds a failpoint's name, the next to
come past it dies there, and the file is gone.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from credenza.actions.context import Platform
from credenza.cli import local
from credenza.cli.ending import ending
from credenza.cli.roles import Role
from credenza.cli.start import start
from credenza.settings import Settings
from credenza.store.engine import Database

_prepare = local.prepare


def _die_if_armed(armed: Path, name: str) -> None:
    if armed.exists() and armed.read_text() == name:
        armed.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def _prepare_to_die(settings: Settings, opened: Database) -> Platform:
    return replace(_prepare(settings, opened), failpoint=partial(_die_if_armed, Path(os.environ["PROOF_ARMED"])))


if __name__ == "__main__":
    local.prepare = _prepare_to_die
    role = Role(sys.argv[sys.argv.index("--role") + 1])
    sys.exit(ending(partial(start, role, 1, say=print)))

"""A server from its first moment: `python -m credenza.cli.start ROLE WORKERS`, which `credenza serve` becomes.

It prepares the installation and binds the sockets; then this process serves, or workers of it do. Not for people: it is
no command, because the command line would stay in the memory of the server, 14 MB, for as long as that runs.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import ModuleType

if __name__ == "__main__":
    # structlog imports rich where it is installed, 5 MB, to colour what the log of a server does not have. None is
    # Python's own word for a module that is not to be had (import system, 5.3.1).
    sys.modules["rich"] = None  # type: ignore[assignment]

from credenza.cli import importing, installation, logs
from credenza.cli.ending import ending
from credenza.cli.failure import ExitCode
from credenza.cli.roles import Role
from credenza.cli.workers import Pool
from credenza.settings import Settings

_OPEN_FILES = 65_536


def start(role: Role, workers: int, *, say: Callable[[str], None]) -> int:
    """Serve until the process is told to stop. `say` takes what a person may want to know."""
    settings = installation.load_settings()
    os.umask(0o077)  # what the server writes is for its own account alone
    _allow_open_files()
    logs.configure(settings.log_level)
    if role is not Role.GATE:
        _import_management()
    link = _prepared(settings, role)
    serving = _serving()
    sockets = serving.bind(settings, role)
    for each in serving.listening(settings, role):
        say(f"{each.name} listens on {each.bind}")
    if link:
        say(f"Make the first admin here, once, within 24 hours:\n  {link}")
    started = serving.Started(settings, role, sockets)
    if workers > 1:
        return Pool(partial(serving.serve_here, started), workers).run()
    serving.serve_here(started)
    return ExitCode.OK


def _allow_open_files() -> None:
    """Every connection is an open file, and shells usually allow 1,024; what the machine allows is ours to use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _prepared(settings: Settings, role: Role) -> str:
    """Have a child prepare while this process imports what it serves with. What preparing takes beyond that (Alembic,
    when there is something to upgrade; SQLAlchemy at a gate) the child takes with it when it is done."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(ending(partial(_tell_when_prepared, settings, role, writing)))
    os.close(writing)
    _serving()
    with os.fdopen(reading, encoding="utf-8") as told:
        link = told.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != ExitCode.OK:
        sys.exit(status if status > 0 else ExitCode.ERROR)  # the child has said why
    return link


def _tell_when_prepared(settings: Settings, role: Role, writing: int) -> int:
    link = import_module("credenza.cli.preparing").prepare(settings, role)
    with os.fdopen(writing, "w", encoding="utf-8") as telling:
        telling.write(link or "")
    return ExitCode.OK


def _import_management() -> None:
    """Import it, and make its routes, before there are children: each needs them, and none has to make them again."""
    with importing.lasting():
        import_module("credenza.cli.management_plane")
        import_module("credenza.api.routes").router()


def _serving() -> ModuleType:
    with importing.lasting():
        return import_module("credenza.cli.serve")


def _print(text: str) -> None:
    print(text, file=sys.stderr)


def _keep(_text: str) -> None:
    """Say nothing: --quiet."""


if __name__ == "__main__":
    _, chosen, count, *quiet = sys.argv
    sys.exit(ending(partial(start, Role(chosen), int(count), say=_keep if quiet else _print)))

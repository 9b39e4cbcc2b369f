"""A process that has imported Credenza and forks whoever is asked for: `python -P tests/fork_parent.py FD servers`.

A fork runs a module or a script as `python` would: its own arguments, environment, directory, streams and exit code,
but what it would import is there already, which is most of what a short run of ours costs. This process has one thread,
opens nothing and serves nothing; it ends with whoever started it, and its forks end with it. tests/forked.py asks it.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import Any

REQUEST_BYTES = 200_000
PR_SET_PDEATHSIG = 1


def servers() -> None:
    """What `credenza.cli.start` imports, whatever the role; it itself runs as a program."""
    sys.modules["rich"] = None  # type: ignore[assignment]  # as it says there
    for name in ("roles", "workers", "serve", "preparing", "management_plane", "postgresql_plane"):
        import_module(f"credenza.cli.{name}")
    import_module("credenza.api.routes").router()
    for name in ("anyio._backends._asyncio", "credenza.cli.logs", "credenza.gate.exposition", "credenza.store.migrate"):
        import_module(name)


def commands() -> None:
    for entry in import_module("credenza.cli.commands").COMMANDS:
        for name in entry.modules:
            import_module(f"credenza.cli.{name}")
    import_module("credenza.cli.main")


def forked(listening: socket.socket) -> dict[str, Any]:
    """Fork for each request, in the order in which they come, and tell who asked how it ended. Returns in the forks."""
    forks: dict[int, tuple[int, socket.socket]] = {}
    while True:
        ready, _, _ = select.select([sys.stdin, listening, *forks], [], [])
        if sys.stdin in ready:
            sys.exit()  # whoever started this has ended
        for pidfd in forks.keys() & set(ready):
            pid, asking = forks.pop(pidfd)
            os.close(pidfd)
            with asking, suppress(OSError):
                asking.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
        if listening in ready:
            asking = listening.accept()[0]
            octets, streams, _, _ = socket.recv_fds(asking, REQUEST_BYTES, 3)
            pid = os.fork()
            if pid == 0:
                for each in (listening, asking, *(asked for _, asked in forks.values())):
                    each.close()
                for pidfd in forks:
                    os.close(pidfd)
                take(streams)
                found: dict[str, Any] = json.loads(octets)
                return found
            for each in streams:
                os.close(each)
            asking.send(str(pid).encode())
            forks[os.pidfd_open(pid)] = (pid, asking)


def take(streams: list[int]) -> None:
    """Make them this process's own, as Python does when it starts."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        opened = open(number, "rb" if number == 0 else "wb", closefd=False)  # noqa: SIM115 - as long as the process
        text = io.TextIOWrapper(
            opened, old.encoding, old.errors, "\n" if number else None, line_buffering=number == 2 or opened.isatty()
        )
        text.mode = "r" if number == 0 else "w"
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)


def become(asked: dict[str, Any]) -> None:
    """Run what was asked for; it ends by SystemExit."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if asked["session"]:
        os.setsid()
    os.chdir(asked["directory"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.path += [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each and each not in sys.path]
    sys.argv = ["", *asked["arguments"]]
    if "module" in asked:
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
    else:
        sys.argv[0] = asked["script"]
        runpy.run_path(asked["script"], run_name="__main__")


def end(code: object) -> None:
    """As Python ends, but for giving back what this process got with the fork: nobody has need of that memory, and
    each page of it would be copied first."""
    if isinstance(code, int):
        threading._shutdown()
        atexit._run_exitfuncs()
        with suppress(OSError):  # Python itself complains of a reader who has gone
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


if __name__ == "__main__":
    gc.disable()
    {"servers": servers, "commands": commands}[sys.argv[2]]()
    gc.freeze()
    gc.enable()
    asked = forked(socket.socket(fileno=int(sys.argv[1])))
    try:
        become(asked)
    except SystemExit as ended:
        end(ended.code)
        raise

"""Servers and commands of ours forked from a process that has imported them: a start takes a fourth of the time.

    with ForkedServer(chosen) as server, furnish(chosen) as installation: ...

They are the real programs, in processes of their own (tests/fork_parent.py). What is about a start itself, what it
imports or what it holds, starts `CredenzaServer`.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.installation import CredenzaServer
from tests.servers import find_program

from credenza.settings import Settings

PARENT = Path(__file__).with_name("fork_parent.py")
ANSWER_BYTES = 20


class Fork:
    """A process that is not our child: what `Server` asks of a Popen."""

    def __init__(self, asking: socket.socket) -> None:
        self._asking = asking
        self.pid = int(asking.recv(ANSWER_BYTES))
        self._returned: int | None = None

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self._returned is None:
            self._asking.settimeout(timeout)
            try:
                self._returned = int(self._asking.recv(ANSWER_BYTES))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._asking.close()
        return self._returned

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkParent:
    """`socket` is where it takes requests."""

    def __init__(self, socket_path: Path, kind: str, environment: Mapping[str, str]) -> None:
        self.socket = socket_path
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(str(socket_path))
        listening.listen(64)
        with listening:
            listening.set_inheritable(True)
            program = [sys.executable, "-P", str(PARENT), str(listening.fileno()), kind]
            self._process = subprocess.Popen(
                [find_program("setpriv", "util-linux"), "--pdeathsig", "KILL", *program],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listening.fileno()],
                env=dict(environment),
            )

    def fork(self, asked: Mapping[str, object], log: IO[bytes]) -> Fork:
        with ExitStack() as stack:
            asking = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            nothing = stack.enter_context(Path(os.devnull).open("rb"))
            asking.connect(str(self.socket))
            streams = [nothing.fileno(), log.fileno(), log.fileno()]
            socket.send_fds(asking, [json.dumps(asked).encode()], streams)
            return Fork(asking.dup())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextmanager
def fork_parent(kind: str, environment: Mapping[str, str]) -> Iterator[ForkParent]:
    directory = Path(tempfile.mkdtemp(prefix="credenza-forks-"))
    parent = ForkParent(directory / "socket", kind, environment)
    try:
        yield parent
    finally:
        parent.close()
        shutil.rmtree(directory, ignore_errors=True)


@cache
def parent_of_servers() -> ForkParent:
    """One for the whole run, which starts with the first server. It ends with the thread that asks for it first."""
    opened = fork_parent("servers", os.environ)
    atexit.register(opened.__exit__, None, None, None)
    return opened.__enter__()


_COMMAND = """#!{python} -IS
import json, os, socket, sys

asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
asking.connect({socket!r})
asked = {{
    "script": {script!r},
    "arguments": sys.argv[1:],
    "environment": dict(os.environ),
    "directory": os.getcwd(),
    "session": False,
}}
socket.send_fds(asking, [json.dumps(asked).encode()], [0, 1, 2])
asking.recv({answer_bytes})
sys.exit(int(asking.recv({answer_bytes})))
"""


@contextmanager
def forked_command(directory: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Make `credenza` in directory: what it is told, by arguments, environment and streams, a fork runs in its place
    with the installed script, and it ends as that did. `environment` is what Python itself reads when it starts."""
    with fork_parent("commands", environment) as parent:
        command = directory / "credenza"
        program = _COMMAND.format(
            python=sys.executable,
            socket=str(parent.socket),
            script=str(Path(sys.executable).with_name("credenza")),
            answer_bytes=ANSWER_BYTES,
        )
        command.write_text(program)
        command.chmod(0o755)
        yield


class ForkedServer(CredenzaServer):
    """`credenza serve`, without the time that it takes to import it."""

    def __init__(
        self,
        settings: Settings,
        *,
        role: str = "all",
        workers: int = 1,
        program: str = "credenza",
        environment: Mapping[str, str] | None = None,
        **changed: object,
    ) -> None:
        named: dict[str, Any] = {"role": role, "workers": workers, "program": program, "environment": environment}
        super().__init__(settings, **named, **changed)

    def launch(self, log: IO[bytes]) -> Fork:
        own = {"module": "credenza.cli.start", "arguments": [self.role, str(self.workers)]}
        other = {"module": self.program, "arguments": self.arguments()}
        asked = {
            **(own if self.program == "credenza" else other),
            "environment": {**os.environ, **self.variables()},
            "directory": str(self.directory),
            "session": True,
        }
        return parent_of_servers().fork(asked, log)

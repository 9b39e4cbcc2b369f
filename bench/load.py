"""Load by wrk, from prepared requests that are all different: a signed call can be sent once only.

The server under test has the first core of those we may use, the load generator the last.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from tests.servers import find_program

from bench.measure import cpu_seconds

CONNECTIONS = 32
_SCRIPT = Path(__file__).with_name("prepared.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What the load generator saw, and the CPU seconds that the servers under test used for it."""

    answers: int
    seconds: float
    p50_s: float
    p99_s: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds

    @property
    def per_cpu_second(self) -> float:
        """The rate of a worker that has a core for itself and never waits for the load generator."""
        return self.answers / self.cpu_s

    @property
    def cpu_each_s(self) -> float:
        return self.cpu_s / self.answers


def server_core() -> int:
    return min(os.sched_getaffinity(0))


def load_core() -> int:
    return max(os.sched_getaffinity(0))


def raw_request(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def send(
    port: int,
    requests: Sequence[bytes],
    *,
    pids: Callable[[], Iterable[int]],
    seconds: int,
    connections: int = CONNECTIONS,
) -> Load:
    """Send each request once, or as many as are answered in `seconds`. Every answer has to be a 200."""
    with NamedTemporaryFile(prefix="credenza-bench-") as file:
        file.write(b"\0".join([*requests, b""]))
        file.flush()
        before = cpu_seconds(pids())
        seen = _wrk(port, Path(file.name), connections, seconds)
        used = cpu_seconds(pids()) - before
    if seen["refused"] or seen["errors"]:
        raise RuntimeError(f"{seen['refused']} of {seen['seen']} calls were refused, {seen['errors']} failed")
    return Load(seen["seen"], seen["seconds"], seen["p50_us"] / 1e6, seen["p99_us"] / 1e6, used)


def _wrk(port: int, file: Path, connections: int, seconds: int) -> dict[str, int]:
    pinned = [find_program("taskset", "util-linux"), "-c", str(load_core())]
    generator = [find_program("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_SCRIPT)]
    target = [f"http://127.0.0.1:{port}/", "--", str(file), str(connections)]
    done = subprocess.run([*pinned, *generator, *target], capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    return found

"""P16: what a gate holds per credential, how large its processes are when idle, and how soon they answer."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.installation import CredenzaServer, full_settings

from bench.line import Line, judge
from bench.measure import ROUNDS, Figure, figure, progress, resident_bytes

_REPOSITORY = Path(__file__).parents[2]
_MEGABYTE = 1024 * 1024


def measure() -> tuple[Line, ...]:
    progress("  memory of 20,000 credentials")
    program = [sys.executable, "-m", "bench.held_credentials"]
    done = subprocess.run(program, cwd=_REPOSITORY, capture_output=True, text=True, check=True)
    per_credential = float(done.stdout)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="credenza-bench-")))
        gate, started = _idle(directory, "gate")
        everything, _ = _idle(directory, "all")
    return (
        _line(
            "memory per credential held by a gate",
            f"{per_credential:,.0f} bytes",
            "≤ 1,500 bytes",
            per_credential <= 1500,
        ),
        _line("resident size of an idle gate worker", _megabytes(gate), "≤ 60 MB", gate.median <= 60),
        _line(
            "resident size of an idle all-in-one worker", _megabytes(everything), "≤ 110 MB", everything.median <= 110
        ),
        _line(
            "start of a gate to its first answer, installation made before",
            f"{started.median:.2f} s {started.spread}",
            "≤ 1 s",
            started.median <= 1,
        ),
    )


def _idle(directory: Path, role: str) -> tuple[Figure, Figure]:
    """Resident megabytes of a server that has answered once, and the seconds that took."""
    sizes, seconds = [], []
    for number in range(ROUNDS + 1):
        progress(f"  start {number} of {ROUNDS}: {role}")
        server = CredenzaServer(full_settings(directory), role=role)
        began = time.perf_counter()
        with server:
            seconds.append(time.perf_counter() - began)
            sizes.append(max(map(resident_bytes, server.worker_pids())) / _MEGABYTE)
    return figure(sizes[1:]), figure(seconds[1:])  # the first start makes the installation


def _megabytes(size: Figure) -> str:
    return f"{size.median:.0f} MB {size.spread}"


def _line(what: str, found: str, goal: str, met: bool) -> Line:
    return Line(id="P16", what=what, figure=found, compared="–", ratio="–", goal=goal, verdict=judge(met))

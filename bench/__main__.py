"""`python -m bench [P1,P2]`: measures the rows named, or all of them, and brings docs/bench.md up to date."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import tables
from bench.line import Line
from bench.measure import ROUNDS, progress
from bench.rows import ON_DEMAND, ROWS

_PAGE = Path(__file__).parents[1] / "docs" / "bench.md"
_COLUMNS = ("id", "what", "figure", "limit or peer, same run", "ratio", "goal", "goal met", "date", "command")
_HEADING = """
# What it takes

Written by `make bench`; the goals are those of the performance table. A figure is the median of {rounds} rounds that
alternate with those of its limit or peer, with half the distance between the lowest and the highest round behind it.
Absolute figures drift with the machine; the ratio is the result. "Limit" is the cryptography of the row alone, on one
core with cached key objects. "Per core" is one worker on one core and the load generator (wrk, prepared requests that
are all different, 32 connections) on the other; CPU time per call is what the worker itself used.

Last run: {cores} cores, Python {python}.
"""


def main(arguments: Sequence[str]) -> int:
    wanted = [name for argument in arguments for name in argument.upper().split(",") if name] or list(ROWS)
    unknown = sorted(set(wanted) - set(ROWS) - set(ON_DEMAND))
    if unknown:
        progress(f"bench: no row {', '.join(unknown)}; there are {', '.join((*ROWS, *ON_DEMAND))}")
        return 2
    command = f"make bench ROWS={','.join(wanted)}" if arguments else "make bench"
    started = time.monotonic()
    for name in wanted:
        progress(f"{name} ({time.monotonic() - started:.0f} s)")
        lines = {**ROWS, **ON_DEMAND}[name]()
        _write(name, lines, command)
        for line in lines:
            print(f"{line.id}  {line.what}: {line.figure}; {line.compared}; {line.ratio}; {line.goal}: {line.verdict}")
    progress(f"done in {time.monotonic() - started:.0f} s: docs/{_PAGE.name}")
    return 0


def _write(name: str, lines: tuple[Line, ...], command: str) -> None:
    """After every row: a run that is broken off has not been for nothing."""
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    tables.write(
        _PAGE,
        heading=_HEADING.format(
            rounds=ROUNDS,
            cores=len(os.sched_getaffinity(0)),
            python=f"{platform.python_version()}, {platform.python_compiler()}",
        ),
        columns=_COLUMNS,
        order=[*ROWS, *ON_DEMAND],
        measured={
            name: [
                (each.id, each.what, each.figure, each.compared, each.ratio, each.goal, each.verdict, date, command)
                for each in lines
            ]
        },
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Rounds, medians and spreads: what a figure is made of."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of several rounds, and the lowest and highest of them."""

    median: float
    low: float
    high: float

    @property
    def spread(self) -> str:
        """How far the rounds lie apart, in percent of their median."""
        return f"±{(self.high - self.low) / 2 / self.median:.0%}"


def figure(rounds: Iterable[float]) -> Figure:
    found = sorted(rounds)
    return Figure(median(found), found[0], found[-1])


def alternate(contestants: Mapping[str, Callable[[], float]], *, rounds: int = ROUNDS) -> dict[str, Figure]:
    """Let everybody have a turn in every round: what disturbs the machine disturbs all of them."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, turn in contestants.items():
            progress(f"  round {number + 1} of {rounds}: {name}")
            found[name].append(turn())
    return {name: figure(values) for name, values in found.items()}


def cpu_seconds_each(work: Callable[[int], object], count: int) -> float:
    """CPU seconds of this thread for each of `count` calls: what else runs on the machine is not counted."""
    started = time.thread_time()
    for index in range(count):
        work(index)
    return (time.thread_time() - started) / count


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU seconds that processes have used so far, all threads."""
    return sum(_on_cpu_ns(pid) for pid in pids) / 1e9


def percentile(values: Iterable[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def resident_bytes(pid: int | str = "self") -> int:
    """Resident size as operators see it, shared code included."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _on_cpu_ns(pid: int) -> int:
    # What clock_getcpuclockid(3) makes of a process id. The files of its threads do not count those that have ended.
    return time.clock_gettime_ns(~pid << 3 | 2)

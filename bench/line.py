"""One line of the table: a figure, what it is compared with, and whether the goal is met."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    MET = "met"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Line:
    """Everything but `id` and `verdict` is text for people, units included."""

    id: str
    what: str
    figure: str
    compared: str
    ratio: str
    goal: str
    verdict: Verdict


def judge(met: bool) -> Verdict:
    return Verdict.MET if met else Verdict.MISSED


def rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s"


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"

"""The geometry of charts that the server draws: templates turn it into SVG with classes, never with colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from credenza.actions.expiry import MonthCount
from credenza.actions.overview import SHOWN_PERIOD, Pace

_SLOT, _BAR, _HEIGHT = 60, 36, 96
_LEAST = 3
_MINUTE_SLOT, _MINUTE_HEIGHT = 8, 48
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class MonthBar:
    """One month of the timeline. `nearness` says how soon it comes: soon, near or far."""

    start: datetime
    count: int
    x: int
    y: int
    height: int
    nearness: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Thirteen months beside each other; `today` is where in them this day lies."""

    bars: tuple[MonthBar, ...]
    today: float
    width: int
    slot: int = _SLOT
    bar: int = _BAR
    height: int = _HEIGHT

    @property
    def total(self) -> int:
        return sum(each.count for each in self.bars)


@dataclass(frozen=True, slots=True)
class MinuteBar:
    at: datetime
    admitted: int
    refused: int
    x: int
    admitted_height: int
    refused_height: int


@dataclass(frozen=True, slots=True)
class PaceChart:
    bars: tuple[MinuteBar, ...]
    most: int
    width: int
    slot: int = _MINUTE_SLOT
    height: int = _MINUTE_HEIGHT


def timeline(months: Sequence[MonthCount], *, now: datetime) -> Timeline:
    most = max((each.count for each in months), default=0)
    bars = tuple(_month_bar(number, each, most) for number, each in enumerate(months))
    return Timeline(bars, round(_SLOT * _share_of_month(months, now), 1), _SLOT * len(months))


def pace_chart(pace: Pace, *, now: datetime) -> PaceChart:
    """A bar for each minute of the shown period, the present one last; a minute without a call has none."""
    present = now.replace(second=0, microsecond=0)
    count = SHOWN_PERIOD // _MINUTE
    known = {each.minute: (each.admitted, each.refused) for each in pace.minutes}
    minutes = [present - _MINUTE * (count - 1 - number) for number in range(count)]
    most = max((sum(known.get(each, (0, 0))) for each in minutes), default=0)
    bars = (
        _minute_bar(number, at, *known[at], most) for number, at in enumerate(minutes) if sum(known.get(at, (0, 0)))
    )
    return PaceChart(tuple(bars), most, _MINUTE_SLOT * count)


def _month_bar(number: int, month: MonthCount, most: int) -> MonthBar:
    height = _scaled(month.count, most, _HEIGHT)
    nearness = "soon" if number <= 1 else "near" if number <= 3 else "far"
    return MonthBar(month.start, month.count, _SLOT * number + (_SLOT - _BAR) // 2, _HEIGHT - height, height, nearness)


def _minute_bar(number: int, at: datetime, admitted: int, refused: int, most: int) -> MinuteBar:
    both, bad = _scaled(admitted + refused, most, _MINUTE_HEIGHT), _scaled(refused, most, _MINUTE_HEIGHT)
    return MinuteBar(at, admitted, refused, _MINUTE_SLOT * number, max(0, both - bad), bad)


def _scaled(count: int, most: int, height: int) -> int:
    """In proportion, but what is there is seen."""
    return max(_LEAST, round(height * count / most)) if count else 0


def _share_of_month(months: Sequence[MonthCount], now: datetime) -> float:
    start, following = months[0].start, months[1].start
    return (now - start) / (following - start)

"""Calendar files: RFC 5545, the little of it that a feed of appointments with alarms needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

_LONGEST_LINE_OCTETS = 75
_ESCAPES = {"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"}


@dataclass(frozen=True, slots=True)
class Event:
    """A moment. The same `uid` in a later file is the same event, moved; `revision` then is a higher one."""

    uid: str
    revision: int
    at: datetime
    summary: str
    description: str
    url: str
    alarm_days: tuple[int, ...] = ()
    """Days before `at` on which a calendar reminds of it."""


def calendar(name: str, events: Iterable[Event], *, product: str, refresh: str, now: datetime) -> str:
    """Write a whole file. `refresh` is how often to ask for it anew, a duration such as PT6H."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{product}", "CALSCALE:GREGORIAN", "METHOD:PUBLISH"]
    # RFC 7986 5.1 and 5.7, and the older names that calendars know.
    lines += [f"NAME:{text(name)}", f"X-WR-CALNAME:{text(name)}"]
    lines += [f"REFRESH-INTERVAL;VALUE=DURATION:{refresh}", f"X-PUBLISHED-TTL:{refresh}"]
    for event in events:
        lines += _event(event, now)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in fold(line))


def text(value: str) -> str:
    """Escape a TEXT value (RFC 5545 3.3.11). Control characters, which no value may hold, are replaced."""
    plain = value.replace("\r\n", "\n")
    seen = (each if each in "\n\t" or (each >= " " and each != "\x7f") else "\ufffd" for each in plain)
    return "".join(_ESCAPES.get(each, each) for each in seen)


def fold(line: str) -> Iterator[str]:
    """Break a content line so that none is longer than 75 octets, and no character is torn (RFC 5545 3.1)."""
    piece, octets = "", 0
    for character in line:
        width = len(character.encode("utf-8", "replace"))
        if octets + width > _LONGEST_LINE_OCTETS:
            yield piece
            piece, octets = " ", 1
        piece += character
        octets += width
    yield piece


def _event(event: Event, now: datetime) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{text(event.uid)}"
    yield f"DTSTAMP:{_moment(now)}"
    yield f"SEQUENCE:{event.revision}"
    # RFC 5545 3.6.1: with a time and neither end nor duration, the event ends when it begins.
    yield f"DTSTART:{_moment(event.at)}"
    yield f"SUMMARY:{text(event.summary)}"
    yield f"DESCRIPTION:{text(event.description)}"
    yield f"URL:{event.url}"
    yield "TRANSP:TRANSPARENT"
    for days in event.alarm_days:
        yield from ("BEGIN:VALARM", "ACTION:DISPLAY", f"DESCRIPTION:{text(event.summary)}")
        yield from (f"TRIGGER:-P{days}D", "END:VALARM")
    yield "END:VEVENT"


def _moment(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%SZ}"

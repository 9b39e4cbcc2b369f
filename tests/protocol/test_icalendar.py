"""Calendar files: what is written is what a library of RFC 5545 reads."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar
from tests.clock import NOON

from credenza.protocol.icalendar import Event, calendar, fold, text

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300)


def written(*events: Event) -> str:
    return calendar("Ends", events, product="-//Test//EN", refresh="PT6H", now=NOON)


def event(summary: str = "Key ends", description: str = "") -> Event:
    return Event("1@credenza", 7, NOON, summary, description, "https://desk.example/k/1", (90, 1))


@given(summary=WORDS, description=WORDS)
def test_a_library_reads_what_was_written(summary: str, description: str) -> None:
    (found,) = Calendar.from_ical(written(event(summary, description))).walk("VEVENT")

    assert (str(found["SUMMARY"]), str(found["DESCRIPTION"])) == (summary, description)
    assert (found["UID"], found["SEQUENCE"], found.decoded("DTSTART")) == ("1@credenza", 7, NOON)
    assert [each.decoded("TRIGGER") for each in found.walk("VALARM")] == [-timedelta(days=90), -timedelta(days=1)]


@given(line=WORDS)
def test_no_line_is_longer_than_75_octets_and_none_is_lost(line: str) -> None:
    pieces = list(fold(line))

    assert max(len(each.encode()) for each in pieces) <= 75
    assert pieces[0] + "".join(each[1:] for each in pieces[1:]) == line
    assert all(each.startswith(" ") for each in pieces[1:])


def test_lines_end_with_crlf_and_nothing_else_breaks_one() -> None:
    octets = written(event("a\r\nEND:VEVENT\nb\rc\x00d\x0b")).encode()

    assert octets.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert octets.count(b"\r\nEND:VEVENT\r\n") == 1


def test_what_separates_is_escaped() -> None:
    assert text("a;b,c\\d\ne") == "a\\;b\\,c\\\\d\\ne"


def test_an_empty_calendar_is_one() -> None:
    assert Calendar.from_ical(written()).walk("VEVENT") == []

"""The portal speaks two languages throughout: every text is marked, and every marked text is translated."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment
from tests.clock import NOON
from tests.portal.house import House

from credenza.portal import languages
from credenza.portal.dates import dates
from credenza.portal.labels import Words

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "src" / "credenza" / "portal" / "templates"

# What is the same in every language, or is to be typed as it stands.
_CODE = {"code", "kbd", "pre", "script", "style"}
_SAME_EVERYWHERE = re.compile(
    r"-----BEGIN [A-Z ]+-----|credenza|Credenza|HTTPS?|"
    r"PEM|DER|JWK|CSV|JSON|SHA-256|UTC|PKCS#?\d*|OpenSSL|Python|Java|Node|curl|kid|UTF-8|ASCII"
)
_SHOWN = {"alt", "aria-label", "aria-description", "placeholder", "title"}
_WORD = re.compile(r"[^\W\d_]{2,}")
_JINJA = "\0"


class Visible(HTMLParser):
    """Collects the words of a page's source that somebody will read."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._code: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _CODE:
            self._code.append(tag)
        for name, value in attrs:
            if name in _SHOWN and value and "://" not in value:
                self._take(value)

    def handle_endtag(self, tag: str) -> None:
        if self._code and self._code[-1] == tag:
            self._code.pop()

    def handle_data(self, data: str) -> None:
        if not self._code:
            self._take(data)

    def _take(self, text: str) -> None:
        self.words += _WORD.findall(_SAME_EVERYWHERE.sub("", text))


def unmarked(source: str) -> list[str]:
    """Words in a template that are neither an expression nor between `trans` and `endtrans`."""
    page = Visible()
    marked = False
    block: list[str] = []
    text = []
    for _line, kind, value in Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do"]).lex(source):
        if kind == "block_begin":
            block = []
        elif kind == "block_end":
            marked = {"trans": True, "endtrans": False}.get(next(iter(block), ""), marked)
        elif kind == "name":
            block.append(value)
        elif kind == "data" and not marked:
            text.append(value)
        elif kind in ("variable_begin", "raw_begin"):
            text.append(_JINJA)
    page.feed("".join(text))
    page.close()
    return page.words


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_every_text_of_a_template_is_marked(path: Path) -> None:
    assert unmarked(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<p>Hello {{ name }}</p>", ["Hello"]),
        ('<input placeholder="Name">', ["Name"]),
        ("<p>{% trans %}Hello{% endtrans %} {{ _('you') }}</p>", []),
        ("<p>{% if x %}open{% endif %}</p>", ["open"]),
        ("<pre>credenza key add</pre><code>key</code>", []),
        ('<input placeholder="https://hooks.example.com">', []),
    ],
)
def test_what_is_not_marked_is_found(source: str, words: list[str]) -> None:
    assert unmarked(source) == words


def test_every_marked_text_is_translated() -> None:
    """`make languages` brings new texts into the catalogues."""
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "languages", "--check"], capture_output=True, text=True, check=False
    )

    assert (run.stdout, run.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("kept", "accepted", "spoken"),
    [
        ("", "de-AT,de;q=0.9,en;q=0.8", "de"),
        ("", "fr,en;q=0.5,de;q=0.4", "en"),
        ("", "fr", "en"),
        ("en", "de", "en"),
        ("tlh", "de", "de"),
        ("", "de;q=0", "en"),
        ("", "de;q=x,;;q", "en"),
    ],
)
def test_a_page_speaks_what_the_reader_chose_or_understands(kept: str, accepted: str, spoken: str) -> None:
    assert languages.choose(kept, accepted) == spoken


def test_a_page_is_german_throughout(house: House) -> None:
    visit = house.visit(house.found(), **{"accept-language": "de"})

    page = visit.get(house.path("/overview"))
    wrong = visit.get(house.path("/expiry/calendar?month=never"))

    assert '<html lang="de"' in page.text
    assert "Drei Schritte bis zum ersten signierten Aufruf" in page.text
    assert "Ein Monat wird so geschrieben: 2026-11." in wrong.text


def test_a_refusal_with_values_in_it_is_said_in_the_reader_s_language(house: House) -> None:
    visit = house.visit(house.found(), **{"accept-language": "de"})
    form = {"email": "ada@example.org", "role": "user"}

    refused = visit.post(house.path("/invitations"), **form)

    assert "ada@example.org ist schon Mitglied." in refused.text


@pytest.mark.parametrize(
    ("text", "german"),
    [
        (
            "The organization already has a project named 'a %(1)s b'.",
            "Die Organisation hat schon ein Projekt namens 'a %(1)s b'.",
        ),
        ("The service A is not offered in SANDBOX is not offered in PRODUCTION.", "Der Dienst A wird in "),
        ("Nobody has ever said this of anybody.", "Nobody has ever said this of anybody."),
    ],
)
def test_values_are_put_in_as_they_are(text: str, german: str) -> None:
    words = Words(languages.translations("de"), languages.sentences("de"))

    assert words.said(text).startswith(german)


def test_dates_are_written_in_the_reader_s_language() -> None:
    assert "31 Jan 2025, 12:00 UTC" in dates("en").moment(NOON)
    assert "31.01.2025, 12:00 UTC" in dates("de").moment(NOON)
    assert 'datetime="2025-01-31T12:00:00Z"' in dates("de").moment(NOON)
    assert (dates("en").percent(0.0102), dates("de").percent(0.0102)) == ("1.0%", "1,0\xa0%")

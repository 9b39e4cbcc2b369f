"""The portal's languages: gettext catalogues that are read when somebody first asks for one.

English is written in the templates; every other language is a `.po` file beside this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from gettext import NullTranslations
from importlib.resources import files
from io import BytesIO

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

NAMES = {"en": "English", "de": "Deutsch"}
DEFAULT = "en"
_PLACEHOLDER = re.compile(r"%\((\d+)\)s")


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a refusal says with values in it: `said` finds them in the English words, `text` puts them into its own."""

    said: re.Pattern[str]
    text: str

    def put(self, found: re.Match[str]) -> str:
        return _PLACEHOLDER.sub(lambda placeholder: found[int(placeholder[1])], self.text)


def choose(preferred: str, accepted: str) -> str:
    """Choose by what the browser keeps, then by what it accepts (RFC 9110 12.5.4)."""
    if preferred in NAMES:
        return preferred
    weighed = sorted(map(_weighed, accepted[:200].split(",")), key=lambda each: -each[1])
    return next((name for name, weight in weighed if name in NAMES and weight > 0), DEFAULT)


@cache
def translations(language: str) -> NullTranslations:
    if language == DEFAULT or language not in NAMES:
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, _catalogue(language))
    compiled.seek(0)
    return Translations(compiled)


@cache
def sentences(language: str) -> tuple[Sentence, ...]:
    """The refusals of the catalogue with a value in them, the longest first: it says the most of its own."""
    if language == DEFAULT or language not in NAMES:
        return ()
    found = [each for each in _catalogue(language) if isinstance(each.id, str) and _PLACEHOLDER.search(each.id)]
    found.sort(key=lambda each: -len(each.id))
    return tuple(Sentence(_pattern(str(each.id)), str(each.string)) for each in found)


def _catalogue(language: str) -> Catalog:
    source = files("credenza.portal").joinpath("languages", f"{language}.po").read_bytes()
    return read_po(BytesIO(source), locale=language)


def _pattern(text: str) -> re.Pattern[str]:
    # The values of a sentence are numbered in their order.
    return re.compile("(.*?)".join(map(re.escape, _PLACEHOLDER.split(text)[::2])), re.DOTALL)


def _weighed(item: str) -> tuple[str, float]:
    name, _, weight = item.partition(";q=")
    try:
        return name.strip().lower().partition("-")[0], float(weight or 1)
    except ValueError:
        return "", 0.0

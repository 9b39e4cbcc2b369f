"""The portal's languages: gettext catalogues that are read when somebody first asks for one.

English is written in the templates; every other language is a `.po` file beside this module.
"""

from __future__ import annotations

from functools import cache
from gettext import NullTranslations
from importlib.resources import files
from io import BytesIO

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

NAMES = {"en": "English", "de": "Deutsch"}
DEFAULT = "en"


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
    source = files("credenza.portal").joinpath("languages", f"{language}.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(source), locale=language))
    compiled.seek(0)
    return Translations(compiled)


def _weighed(item: str) -> tuple[str, float]:
    name, _, weight = item.partition(";q=")
    try:
        return name.strip().lower().partition("-")[0], float(weight or 1)
    except ValueError:
        return "", 0.0

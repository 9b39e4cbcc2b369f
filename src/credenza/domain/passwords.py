"""What a password must be: long enough, and not the first thing that anybody would guess.

NIST SP 800-63B rev. 4 section 3.1.1.2 and ASVS 5.0 section 6.2: no rule about kinds of characters, no expiry, any
Unicode. Which passwords are common, the caller knows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from credenza.domain.errors import Code, Refusal

SHORTEST_ALONE = 15
SHORTEST_WITH_SECOND_FACTOR = 8
LONGEST = 128

_LONGEST_TYPED = 8 * LONGEST
_PRODUCT = "credenza"
_SHORTEST_CONTEXT_WORD = 3
_WORD = re.compile(r"[^\W_]+")


def usual_form(password: str) -> str:
    """Spell a password the one way it is hashed in: keyboards compose the same letters differently (NFC)."""
    # Some texts take time with the square of their length; composing shortens none so much that it could be a password.
    return unicodedata.normalize("NFC", password[:_LONGEST_TYPED])


def stands_alone(password: str) -> bool:
    """Whether it is long enough to be all that a person has to show."""
    return len(usual_form(password)) >= SHORTEST_ALONE


def check(
    password: str, *, shortest: int, context: Iterable[str], is_common: Callable[[str], bool], field: str = "password"
) -> None:
    """Refuse a password that is too short, too long or easily guessed. `context`: what is known about the person."""
    chosen = usual_form(password)
    if len(chosen) < shortest:
        raise _too_short(shortest, field)
    if len(chosen) > LONGEST:
        raise Refusal(Code.INVALID, f"A password has at most {LONGEST} characters.", field=field)
    if is_common(_unit(chosen.casefold())):
        raise Refusal(
            Code.INVALID, "This is one of the passwords that are tried first, everywhere. Choose another.", field=field
        )
    if _is_about(chosen.casefold(), context):
        raise Refusal(
            Code.INVALID,
            "This password is made of your name, your address, your organization or this site's name. Add something "
            "that nobody would guess.",
            field=field,
        )


def _too_short(shortest: int, field: str) -> Refusal:
    if shortest != SHORTEST_ALONE:
        return Refusal(Code.INVALID, f"A password needs at least {shortest} characters.", field=field)
    return Refusal(
        Code.INVALID,
        f"A password needs at least {shortest} characters ({SHORTEST_WITH_SECOND_FACTOR} when a second factor is set "
        "up).",
        field=field,
    )


def _unit(text: str) -> str:
    """Name what a text repeats: `passwordpassword` is guessed like `password`."""
    # A text stands in its own double before its end only when it is made of equal parts.
    return text[: (text + text).find(text, 1)]


def _is_about(text: str, context: Iterable[str]) -> bool:
    """Whether too little is left without the words of the context."""
    rest = text
    words = {word for each in (*context, _PRODUCT) for word in _WORD.findall(each.casefold())}
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= _SHORTEST_CONTEXT_WORD:
            rest = rest.replace(word, " ")
    return rest != text and len("".join(_WORD.findall(rest))) < SHORTEST_WITH_SECOND_FACTOR

"""What an operator may ask of the subject of every mTLS certificate in an environment (contracts 4 and 33).

A policy is written as the subject that it wants: `CN=<unique>-Client-<ENV>-<CID>, O=<company>, OU=<project>`. What it
does not name is free. Whenever there is a policy, the common name has at most 64 characters and is no URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from credenza.domain.model import EnvironmentName

LONGEST: Final = 64
"""RFC 5280 appendix A: upper bounds of CN, O and OU."""

UNVERIFIED_COMPANY: Final = "000000"
"""Stands for the id of a company that is not verified."""

_ATTRIBUTES: Final = frozenset({"C", "O", "OU", "CN", "serialNumber"})
_PLACEHOLDER: Final = re.compile(r"(<[^<>]*>)")
_UNIQUE: Final = "<unique>"
_OWN_PART: Final = r"[A-Za-z0-9._-]+"
_EXAMPLE: Final = "1682566800"
_ENVIRONMENT_CODES: Final = {EnvironmentName.SANDBOX: "MTF", EnvironmentName.PRODUCTION: "PROD"}


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose certificate it is to be: what the placeholders of a pattern stand for."""

    environment: EnvironmentName
    company: str
    company_id: str
    project: str


@dataclass(frozen=True, slots=True)
class SubjectPolicy:
    """Patterns by attribute, in the order in which they are written."""

    patterns: tuple[tuple[str, str], ...]


_MEANINGS: Final[dict[str, Callable[[Owner], str]]] = {
    "<ENV>": lambda owner: _ENVIRONMENT_CODES[owner.environment],
    "<CID>": lambda owner: owner.company_id,
    "<company>": lambda owner: owner.company[:LONGEST],
    "<project>": lambda owner: owner.project[:LONGEST],
}


def parse(text: str) -> SubjectPolicy:
    """Read `CN=<unique>-Client-<ENV>-<CID>, O=<company>`. Raises ValueError with what is wrong."""
    patterns = tuple(_pattern(each.strip()) for each in text.split(","))
    names = [name for name, _ in patterns]
    if len(set(names)) < len(names):
        raise ValueError("an attribute is named twice")
    return SubjectPolicy(patterns)


def faults(policy: SubjectPolicy, subject: Sequence[tuple[str, str]], owner: Owner) -> tuple[str, ...]:
    """Say what does not fit, for each attribute a sentence with its cure; nothing when the whole subject does."""
    wrong = [_fault(name, pattern, subject, owner) for name, pattern in policy.patterns]
    return tuple(each for each in (*wrong, _common_name_fault(subject)) if each is not None)


def suggest(policy: SubjectPolicy, owner: Owner) -> dict[str, str]:
    """Spell what is asked for, by attribute; `<unique>` stays where it is, for the sender to fill in."""
    return {name: _spelled(pattern, owner, _UNIQUE) for name, pattern in policy.patterns}


def _pattern(text: str) -> tuple[str, str]:
    name, _, pattern = text.partition("=")
    if name not in _ATTRIBUTES or not pattern:
        raise ValueError(f"{text!r} is not ATTRIBUTE=pattern with one of {', '.join(sorted(_ATTRIBUTES))}")
    unknown = set(_PLACEHOLDER.findall(pattern)) - set(_MEANINGS) - {_UNIQUE}
    if unknown or pattern.count(_UNIQUE) > 1:
        raise ValueError(f"the placeholders of {text!r} are not of {_UNIQUE} (once), {', '.join(_MEANINGS)}")
    return name, pattern


def _fault(name: str, pattern: str, subject: Sequence[tuple[str, str]], owner: Owner) -> str | None:
    values = [value for each, value in subject if each == name]
    if any(re.fullmatch(_expression(pattern, owner), value) for value in values):
        return None
    found = f"is {', '.join(map(repr, values))}" if values else "is missing"
    own = f", where {_UNIQUE} is a part of your own, such as the seconds since 1970" if _UNIQUE in pattern else ""
    return (
        f"{name} {found}; in {owner.environment} it has to be {_spelled(pattern, owner, _UNIQUE)!r}{own}. "
        f"Make the request with {name}={_spelled(pattern, owner, _EXAMPLE)}, for example."
    )


def _spelled(pattern: str, owner: Owner, own_part: str) -> str:
    return "".join(own_part if each == _UNIQUE else _meaning(each, owner) for each in _PLACEHOLDER.split(pattern))


def _expression(pattern: str, owner: Owner) -> str:
    parts = _PLACEHOLDER.split(pattern)
    return "".join(_OWN_PART if each == _UNIQUE else re.escape(_meaning(each, owner)) for each in parts)


def _meaning(part: str, owner: Owner) -> str:
    return _MEANINGS[part](owner) if part in _MEANINGS else part


def _common_name_fault(subject: Sequence[tuple[str, str]]) -> str | None:
    for value in (value for name, value in subject if name == "CN"):
        if len(value) > LONGEST:
            return f"CN has {len(value)} characters; it may have {LONGEST} at most. Shorten it."
        if "/" in value or value.lower().startswith("www."):
            return f"CN is {value!r}; it must not be a URL. Name the client, not an address."
    return None

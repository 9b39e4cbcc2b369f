"""Values of settings from what variables and TOML say, by their types and bounds. Not here: which settings there are.

A variable is text; lists come as JSON. TOML brings types of its own, which have to be the right ones.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from ipaddress import ip_network
from math import inf
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})


class Secret:
    """Text that is not shown. It is told by `get_secret_value`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('**********')"


def Field(  # noqa: N802 - reads as the field that it is
    default: object,
    *,
    description: str,
    ge: float = -inf,
    gt: float = -inf,
    le: float = inf,
    min_length: int = 0,
    max_length: float = inf,
    pattern: str = "",
) -> Any:
    """A setting: its default, what it is for, and what it may be."""
    bounds = Bounds(ge, gt, le, min_length, max_length, pattern)
    return dataclasses.field(default=default, metadata={"description": description, "bounds": bounds})


@dataclasses.dataclass(frozen=True, slots=True)
class Bounds:
    ge: float
    gt: float
    le: float
    min_length: int
    max_length: float
    pattern: str

    def check(self, value: object) -> None:
        """Raises ValueError."""
        if isinstance(value, int | float):
            self._check_number(value)
        elif isinstance(value, str | Secret):
            self._check_text(value.get_secret_value() if isinstance(value, Secret) else value)

    def _check_number(self, value: float) -> None:
        if not value >= self.ge or not value > self.gt:
            raise ValueError(f"it has to be {f'at least {self.ge}' if self.ge > -inf else f'more than {self.gt}'}")
        if not value <= self.le:
            raise ValueError(f"it may be at most {self.le}")

    def _check_text(self, text: str) -> None:
        if len(text) < self.min_length:
            raise ValueError(f"it needs {self.min_length} characters or more")
        if len(text) > self.max_length:
            raise ValueError(f"it may have {self.max_length} characters at most")
        if self.pattern and re.fullmatch(self.pattern, text) is None:
            raise ValueError(f"it has to match {self.pattern}")


def value_of(kind: Any, given: object) -> Any:
    """Turn what was given into a value of the type `kind`. Raises ValueError."""
    form = get_origin(kind)
    if form is Annotated:
        base, check = get_args(kind)
        return check(value_of(base, given))
    if form in (UnionType, Union):
        return _one_of(get_args(kind), given)
    if form is Literal:
        return _listed(get_args(kind), given)
    if form in (tuple, frozenset):
        return form(value_of(get_args(kind)[0], each) for each in _items(given))
    return _SIMPLE[kind](given)


def _one_of(kinds: tuple[Any, ...], given: object) -> Any:
    if NoneType not in kinds:
        return ip_network(_text(given))  # of either version
    if given is None or given == "":
        return None
    (kind,) = (each for each in kinds if each is not NoneType)
    return value_of(kind, given)


def _listed(known: tuple[str, ...], given: object) -> str:
    if given not in known:
        raise ValueError(f"it has to be one of {', '.join(known)}")
    return _text(given)


def _items(given: object) -> list[Any]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise ValueError('it has to be a list in JSON, such as ["one", "two"]') from error
    if not isinstance(given, list | tuple | frozenset):
        raise ValueError("it has to be a list")  # noqa: TRY004 - of what somebody wrote
    return list(given)


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise ValueError("it has to be text")  # noqa: TRY004 - likewise
    return given


def _truth(given: object) -> bool:
    said = str(given).lower()
    if said not in _TRUE | _FALSE:
        raise ValueError("it has to be true or false")
    return said in _TRUE


def _whole(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise ValueError("it has to be a whole number")  # noqa: TRY004 - likewise
    try:
        return int(given)
    except ValueError:
        raise ValueError("it has to be a whole number") from None


def _number(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ValueError("it has to be a number")  # noqa: TRY004 - likewise
    try:
        return float(given)
    except ValueError:
        raise ValueError("it has to be a number") from None


def _path(given: object) -> Path:
    return given if isinstance(given, Path) else Path(_text(given))


def _secret(given: object) -> Secret:
    return given if isinstance(given, Secret) else Secret(_text(given))


_SIMPLE: Mapping[Any, Any] = {
    str: _text,
    bool: _truth,
    int: _whole,
    float: _number,
    Path: _path,
    Secret: _secret,
}

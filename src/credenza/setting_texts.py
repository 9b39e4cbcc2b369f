"""Values of settings from what variables and TOML say, by their types and bounds. Not here: which settings there are.

A variable is text; lists come as JSON. TOML brings types of its own, which have to be the right ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta


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


_MADE_OF_TEXT: Mapping[Any, Callable[[str], Any]] = {Path: Path, Secret: Secret, IPv4Network | IPv6Network: ip_network}
_UNBOUND = Meta()


def Field(default: object, *, description: str, **bounds: Any) -> Any:  # noqa: N802 - reads as the field that it is
    """A setting: its default, what it is for, and what it may be (`bounds` are those of msgspec's Meta)."""
    return dataclasses.field(default=default, metadata={"description": description, "bounds": Meta(**bounds)})


def value_of(kind: Any, given: object, bounds: Meta = _UNBOUND) -> Any:
    """Turn what was given into a value of the type `kind`. Raises ValueError."""
    if get_origin(kind) is Annotated:
        inner, check = get_args(kind)
        return check(value_of(inner, given, bounds))
    if get_origin(kind) in (tuple, frozenset):
        return get_origin(kind)(value_of(get_args(kind)[0], each) for each in _items(given))
    if get_origin(kind) is Literal:
        return _listed(get_args(kind), given)
    if NoneType in get_args(kind):
        (inner,) = (each for each in get_args(kind) if each is not NoneType)
        return None if given in (None, "") else value_of(inner, given, bounds)
    make = _MADE_OF_TEXT.get(kind)
    if make is None:
        return _converted(given, Annotated[kind, bounds])
    return make(_converted(given, Annotated[str, bounds])) if isinstance(given, str) else given


def _listed(known: tuple[str, ...], given: object) -> object:
    if given not in known:
        raise ValueError(f"it has to be one of {', '.join(known)}")
    return given


def _items(given: object) -> list[Any]:
    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except msgspec.DecodeError as error:
            raise ValueError('it has to be a list in JSON, such as ["one", "two"]') from error
    return list(_converted(given, list[Any]))


def _converted(given: object, kind: Any) -> Any:
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(str(error).replace("`", "")) from error

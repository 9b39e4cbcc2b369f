"""JSON as it is kept while some of its members change: what is not touched stays byte for byte as it was sent.

`check` comes first. It proves that two readers of the text see the same values, and the rest relies on that. Steps lead
through objects only: (`card`, `number`). No steps are the whole text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from credenza.protocol.errors import Malformed, Refused

LARGEST_BYTES: Final = 2 * 1024 * 1024
DEEPEST: Final = 64
EMPTY_OBJECT: Final = b"{}"

Steps: TypeAlias = tuple[str, ...]
Members: TypeAlias = dict[str, msgspec.Raw]

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_NO_BRACKET = re.compile(rb"[^][{}]+")
_MEMBERS = msgspec.json.Decoder(Members)
_ANYTHING = msgspec.json.Decoder()


def check(octets: bytes, *, field: str = "body") -> None:
    """Prove that the text is JSON, in UTF-8, no larger and no deeper than allowed, and says everything once. Raises
    Malformed(field) where it is not JSON, and Refused("size" | "depth" | "duplicate")."""
    if len(octets) > LARGEST_BYTES:
        raise Refused("size", f"The JSON is larger than {LARGEST_BYTES} bytes.")
    try:
        value = _ANYTHING.decode(octets)
        _check_depth(octets)
        # Nearly every text is what a plain writer makes of its members; written anew it would lack one that came twice.
        if msgspec.json.encode(value) != octets:
            json.loads(octets.decode(), object_pairs_hook=_members_once)
    except RecursionError as error:
        raise _too_deep() from error
    except Refused:
        raise
    except ValueError as error:
        raise Malformed(field, f"The {field} is not JSON (RFC 8259) in UTF-8.") from error


def find(octets: bytes, steps: Steps) -> bytes | None:
    """Return the element that the steps lead to, or None."""
    for name in steps:
        found = members(octets)
        if found is None or name not in found:
            return None
        octets = bytes(found[name])
    return octets


def change(octets: bytes, steps: Steps, to: Callable[[bytes | None], bytes | None]) -> bytes:
    """Put in place of the element what `to` makes of it; None is an element that is not there. Objects on the way are
    made. Raises Refused("place") where something else is in the way."""
    changed = _changed(octets, steps, to)
    return EMPTY_OBJECT if changed is None else changed


def members(octets: bytes) -> Members | None:
    """Read an object one level deep, or None where this is something else."""
    try:
        return _MEMBERS.decode(octets)
    except msgspec.ValidationError:
        return None


def write(found: Members) -> bytes:
    return msgspec.json.encode(found)


def _changed(octets: bytes | None, steps: Steps, to: Callable[[bytes | None], bytes | None]) -> bytes | None:
    if not steps:
        return to(octets)
    found = members(EMPTY_OBJECT if octets is None else octets)
    if found is None:
        raise Refused("place", f"{steps[0]} would be a member of something that is no object.")
    name, *rest = steps
    inner = _changed(bytes(found[name]) if name in found else None, tuple(rest), to)
    if inner is not None:
        found[name] = msgspec.Raw(inner)
    elif name not in found:
        return octets
    else:
        del found[name]
    return write(found)


def _check_depth(octets: bytes) -> None:
    if octets.count(b"{") + octets.count(b"[") <= DEEPEST:
        return
    depth = 0
    for bracket in _NO_BRACKET.sub(b"", _STRING.sub(b"", octets)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise _too_deep()


def _too_deep() -> Refused:
    return Refused("depth", f"The JSON is more than {DEEPEST} levels deep.")


def _members_once(found: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in found]
    if len(set(names)) != len(names):
        raise Refused("duplicate", "A member of the JSON comes twice: two readers could see two things.")

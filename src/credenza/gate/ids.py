"""Ids of calls: 128 random bits, drawn many at once, since asking the kernel for some takes a microsecond."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex

_AT_ONCE = 256
_DIGITS = 32


def ids() -> Iterator[str]:
    """Draw ids without end, as hexadecimal digits."""
    while True:
        drawn = token_hex(_AT_ONCE * _DIGITS // 2)
        for start in range(0, len(drawn), _DIGITS):
            yield drawn[start : start + _DIGITS]

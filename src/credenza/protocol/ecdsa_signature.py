"""ECDSA signatures on P-256 in their two spellings: r and s side by side (RFC 7518 3.4), as tokens have them, and
Ecdsa-Sig-Value in DER (RFC 3279 2.2.3), as `cryptography` has them.

By hand, because each of two numbers would become a Python integer in between: that takes three times as long, and a
token request does it three times.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature

_NUMBER_BYTES: Final = 32
_RAW_BYTES: Final = 2 * _NUMBER_BYTES
_POSITIVE: Final = 0x80
"""What the first byte of a number is less than: DER's numbers have a sign, and a zero stands in front of others."""


def to_der(raw: bytes) -> bytes:
    """Encode r and s. Raises InvalidSignature unless they have 32 bytes each. Zero is no signature either; that whoever
    verifies it says."""
    if len(raw) != _RAW_BYTES:
        raise InvalidSignature
    content = _integer(raw[:_NUMBER_BYTES]) + _integer(raw[_NUMBER_BYTES:])
    return b"\x30%c%b" % (len(content), content)


def of_der(encoded: bytes) -> bytes:
    """Put r and s side by side, of a signature that we have made. Raises ValueError for one on a longer curve."""
    s_tag = 4 + encoded[3]
    raw = _padded(encoded[4:s_tag]) + _padded(encoded[s_tag + 2 :])
    if len(raw) != _RAW_BYTES:
        raise ValueError("the signature is not of P-256")
    return raw


def _integer(number: bytes) -> bytes:
    if number[0] >= _POSITIVE:
        return b"\x02\x21\x00" + number
    return b"\x02\x20" + number if number[0] else _short_integer(number)


def _short_integer(number: bytes) -> bytes:
    # X.690 8.3.2: in as few bytes as it needs. One of 256 numbers begins with a zero.
    digits = number.lstrip(b"\0") or b"\0"
    digits = digits if digits[0] < _POSITIVE else b"\0" + digits
    return b"\x02%c%b" % (len(digits), digits)


def _padded(number: bytes) -> bytes:
    return number.lstrip(b"\0").rjust(_NUMBER_BYTES, b"\0")

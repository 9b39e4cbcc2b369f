"""Secrets as their holders see them: a prefix that says what they are, 256 random bits in base62, and a CRC-32.

A mistyped one is refused before any look-up, and a leaked one is found by scanners. Kept is an HMAC under the pepper.
"""

from __future__ import annotations

import hmac
import zlib
from functools import lru_cache
from typing import Final

RANDOM_BYTES: Final = 32
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_DIGITS = 43  # 62**43 > 2**256
_CHECK_DIGITS = 6  # 62**6 > 2**32
_VALUES = bytes.maketrans(_ALPHABET.encode(), bytes(range(len(_ALPHABET))))


def write(prefix: str, octets: bytes) -> str:
    """Spell RANDOM_BYTES random bytes as a secret."""
    body = _base62(int.from_bytes(octets), _RANDOM_DIGITS)
    return prefix + body + _check(body)


def is_well_formed(prefix: str, secret: str) -> bool:
    body, check = secret[len(prefix) : -_CHECK_DIGITS], secret[-_CHECK_DIGITS:]
    right_length = len(secret) == len(prefix) + _RANDOM_DIGITS + _CHECK_DIGITS
    spelled = right_length and secret.isascii() and secret.startswith(prefix) and check.isalnum()
    return spelled and _number(check) == _crc32(body)


def keyed_hash(pepper: bytes, secret: str) -> str:
    keyed = _keyed(pepper).copy()
    keyed.update(secret.encode())
    return keyed.hexdigest()


# To take the key in takes as long as to hash a secret. An installation has one.
@lru_cache(maxsize=4)
def _keyed(pepper: bytes) -> hmac.HMAC:
    return hmac.new(pepper, digestmod="sha256")


def _check(body: str) -> str:
    return _base62(_crc32(body), _CHECK_DIGITS)


def _crc32(body: str) -> int:
    return zlib.crc32(body.encode())


def _number(digits: str) -> int:
    """Read base62: the other way round, each request for a token would spell a number, which takes three times as
    long."""
    number = 0
    for value in digits.encode().translate(_VALUES):
        number = 62 * number + value
    return number


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        text = _ALPHABET[digit] + text
    return text

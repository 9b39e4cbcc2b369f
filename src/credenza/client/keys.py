"""A client's private key, as it holds it: given, or read from a file and read again when the file changes.

    KeyFile(Path("client.p12"), password="...", kid="0123...")

Formats: PKCS#12, PEM (PKCS#1, PKCS#8, SEC 1, encrypted or not), DER (PKCS#8) and JWK. A JWK names its key id, and a PEM
file may, in a line `kid: ...` before the key; such a file may be replaced by that of another key while it is in use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from credenza.protocol import jose, pkcs12
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import PrivateKey

# RFC 7468 2: text before the first encapsulation boundary is explanatory, and parsers must ignore it.
_PEM_KID = re.compile(rb"^kid:[ \t]*([!-~]{1,128})[ \t]*\r?$", re.MULTILINE)

_Version: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A private key and the id that the server knows it by; None where the server has one key of the client only."""

    private_key: PrivateKey = field(repr=False)
    kid: str | None = None


class KeySource(Protocol):
    def current(self) -> ClientKey:
        """Return the key to sign with now."""


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key that does not change."""

    key: ClientKey

    def current(self) -> ClientKey:
        return self.key


class KeyFile:
    """A key in a file. While a new file cannot be read (it is being written), the key of the old one is used on."""

    def __init__(self, path: Path, *, password: str | None = None, kid: str | None = None) -> None:
        self._path = path
        self._password = password
        self._kid = kid
        self._version: _Version | None = None
        self._key: ClientKey | None = None

    def __repr__(self) -> str:
        return f"KeyFile({str(self._path)!r})"

    def current(self) -> ClientKey:
        """Return the key. Raises OSError, or Malformed or Refused with what is wrong with the first file."""
        try:
            version = _version_of(self._path)
            if self._key is None or version != self._version:
                self._key = read(self._path.read_bytes(), password=self._password, kid=self._kid)
                self._version = version
        except (OSError, Malformed, Refused):
            if self._key is None:
                raise
        return self._key


def read(octets: bytes, *, password: str | None = None, kid: str | None = None) -> ClientKey:
    """Read a key in any of the formats. Raises Refused("password") when one is missing or wrong, and Malformed."""
    if octets.lstrip().startswith(b"{"):
        return ClientKey(jose.parse_private_jwk(octets), kid or _kid_of_jwk(octets))
    before, boundary, rest = octets.partition(b"-----BEGIN")
    if boundary and before.isascii():
        named = _PEM_KID.search(before)
        return ClientKey(
            pkcs12.load_private_key(boundary + rest, password), kid or (named[1].decode() if named else None)
        )
    return ClientKey(pkcs12.load_private_key(octets, password), kid)


class _Named(msgspec.Struct):
    kid: str | None = None


def _kid_of_jwk(octets: bytes) -> str | None:
    return jose.read(octets, _Named, "jwk").kid


def _version_of(path: Path) -> _Version:
    """Tell one file from the next at its place: by node, time and size."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size

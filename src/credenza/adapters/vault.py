"""The key-encryption key, outside the database: it wraps every private key and pepper.

AES-256-GCM with a fresh 96-bit nonce a wrapping; the purpose is authenticated, so that a wrapped value moved to another
place does not open there. A PKCS#11 token would be another class with the same three methods.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES = 32
_NONCE_BYTES = 12
_INFO = b"credenza:"


class WrongKey(Exception):  # noqa: N818 - says what is wrong
    """The key-encryption key is unreadable, or is not the one that this database was made with."""


class LocalVault:
    """A key-encryption key held in this process's memory. The key never shows in `repr`."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise WrongKey(f"The key-encryption key must be {_KEY_BYTES} bytes, base64; this one has {len(key)}.")
        self._key = key
        self._cipher = AESGCM(key)
        self._derived: dict[str, bytes] = {}

    def wrap(self, purpose: str, secret: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, purpose.encode())

    def unwrap(self, purpose: str, wrapped: bytes) -> bytes:
        """Open what `wrap` made for the same purpose. Raises WrongKey for any other key, purpose or bytes."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise WrongKey(f"The key-encryption key does not open {purpose}.") from error

    def derive(self, label: str) -> bytes:
        """Make the 32-byte key that belongs to `label` (HKDF-SHA-256, RFC 5869)."""
        # Labels are names in the source: there are few of them.
        if label not in self._derived:
            self._derived[label] = HKDF(SHA256(), _KEY_BYTES, salt=None, info=_INFO + label.encode()).derive(self._key)
        return self._derived[label]


def vault_from_text(encoded: str) -> LocalVault:
    """Open the vault whose key is given as base64, as it comes from an environment variable or a file."""
    try:
        return LocalVault(base64.b64decode(encoded.strip(), validate=True))
    except ValueError as error:
        raise WrongKey("The key-encryption key is not base64 of 32 bytes.") from error


def vault_from_file(path: Path) -> LocalVault:
    """Open the vault whose key is in a file. Refuses a file that others can read."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise WrongKey(f"{path} can be read by others (mode {mode:04o}): chmod 600 {path}")
    return vault_from_text(path.read_text("latin-1"))  # whatever its bytes are, base64 will say


def make_key_file(path: Path) -> None:
    """Write a new key with mode 0600, durably; never over an existing file (raises FileExistsError)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

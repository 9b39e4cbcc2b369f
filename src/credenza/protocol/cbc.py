"""AES in CBC mode with the padding of PKCS#7 (RFC 5652 6.3). It proves nothing of what it decrypts: callers do."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

_PADDING = PKCS7(128)


def encrypt(plaintext: bytes, key: bytes, iv: bytes) -> bytes:
    padder, encryptor = _PADDING.padder(), Cipher(AES(key), CBC(iv)).encryptor()
    padded = padder.update(plaintext) + padder.finalize()
    return encryptor.update(padded) + encryptor.finalize()


def decrypt(ciphertext: bytes, key: bytes, iv: bytes) -> bytes:
    """Raises ValueError where the length or the padding is not that of a whole ciphertext."""
    unpadder, decryptor = _PADDING.unpadder(), Cipher(AES(key), CBC(iv)).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()

"""The field-level format of the Mastercard libraries: AES-CBC with PKCS#7, its session key wrapped with RSA-OAEP.

Nothing in it proves that the ciphertext is what was sent; the signature of the call covers it, and is checked before.
Where the parts are in a message, `payload` knows.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import a2b_base64
from typing import Final, Literal, TypeAlias

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512

from credenza.protocol import cbc
from credenza.protocol.jwe import Random, undecryptable
from credenza.protocol.payload_rules import OaepDigest

Encoding: TypeAlias = Literal["hex", "base64"]

IV_BYTES: Final = 16
_SPARE_KEY_BYTES = 16
_KEY_BYTES = (16, 24, 32)


def _oaep(digest: SHA1 | SHA256 | SHA512) -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)


_OAEP: Final = {
    "SHA-256": _oaep(SHA256()),
    "SHA-512": _oaep(SHA512()),
    "SHA-1": _oaep(SHA1()),  # noqa: S303 - OAEP needs no collision resistance, and rules allow it by name only
}


def decrypt(
    ciphertext: bytes, *, encrypted_key: bytes, iv: bytes, key: RSAPrivateKey, digest: OaepDigest, random: Random
) -> bytes:
    """Return the plaintext. Raises Refused("decryption"), the same one whatever it is that does not fit."""
    # As in RFC 7516 11.5: who cannot unwrap decrypts with a random key all the same. The padding can then be right by
    # chance, so that the failure is remembered.
    content_key = random(_SPARE_KEY_BYTES)
    try:
        unwrapped = key.decrypt(encrypted_key, _OAEP[digest])
    except ValueError:
        unwrapped = b""
    is_whole = len(unwrapped) in _KEY_BYTES
    try:
        plaintext = cbc.decrypt(ciphertext, unwrapped if is_whole else content_key, iv)
    except ValueError:
        raise undecryptable() from None
    if not is_whole:
        raise undecryptable()
    return plaintext


def encrypt(plaintext: bytes, *, content_key: bytes, iv: bytes) -> bytes:
    return cbc.encrypt(plaintext, content_key, iv)


def wrap(content_key: bytes, key: RSAPublicKey, digest: OaepDigest) -> bytes:
    return key.encrypt(content_key, _OAEP[digest])


def encode(octets: bytes, encoding: Encoding) -> str:
    return octets.hex() if encoding == "hex" else b64encode(octets).decode()


def decode(text: str, encoding: Encoding) -> bytes:
    """Raises ValueError. Of hex either case is taken."""
    if encoding == "base64":
        return a2b_base64(text, strict_mode=True)
    if not text.isalnum():  # `fromhex` passes over blanks
        raise ValueError
    return bytes.fromhex(text)


def label(digest: OaepDigest) -> str:
    """Name the digest as the libraries write it, without the dash."""
    return digest.replace("-", "")


def is_label(text: str, digest: OaepDigest) -> bool:
    return text.upper().replace("-", "") == label(digest)

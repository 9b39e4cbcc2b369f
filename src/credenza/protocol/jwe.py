"""JSON Web Encryption: RFC 7516, compact serialization, with the algorithms of RFC 7518 that payloads may use.

RSA-OAEP-256 wraps the content key, and one of four ciphers that prove what they decrypt does the rest. We decrypt what
existing clients send, initialization vectors of 16 bytes included, and encrypt with A256GCM alone.

Order of use: `parse` a token, find the key that its `kid` names, `decrypt`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from credenza.protocol import cbc, jose
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.json_places import LARGEST_BYTES

Random: TypeAlias = Callable[[int], bytes]

ALGORITHM: Final = "RSA-OAEP-256"
ENC: Final = "A256GCM"
CONTENT_KEY_BYTES: Final = 32
IV_BYTES: Final = 12

_CBC = "A128CBC-HS256"
_KEY_BYTES = {"A256GCM": 32, "A192GCM": 24, "A128GCM": 16, _CBC: 32}
_IV_BYTES = {"A256GCM": (12, 16), "A192GCM": (12, 16), "A128GCM": (12, 16), _CBC: (16,)}
_TAG_BYTES = 16
_LONGEST_HEADER = 2048
_LONGEST_TOKEN = LARGEST_BYTES * 2

_OAEP = padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=None)


class Header(msgspec.Struct, frozen=True):
    """A JOSE header (RFC 7516 4). Members that name or hold keys are not followed, and those not known are ignored."""

    alg: str
    enc: str
    kid: str | None = None
    zip: object = msgspec.UNSET
    crit: object = msgspec.UNSET


class Compact(msgspec.Struct, frozen=True):
    """A token in its parts. Nothing of it is proven. `header_segment`, as it came, is what the tag covers as well."""

    header: Header
    header_segment: bytes
    encrypted_key: bytes
    iv: bytes
    ciphertext: bytes
    tag: bytes


def parse(token: bytes) -> Compact:
    """Read a token (RFC 7516 7.1). Raises Malformed("token" | "header"), Refused("algorithm") for what is not used here
    and Refused("size")."""
    if len(token) > _LONGEST_TOKEN:
        raise Refused("size", f"The token is longer than {_LONGEST_TOKEN} characters.")
    segments = token.split(b".")
    if len(segments) != 5:
        raise Malformed("token", "The token is not five parts with dots between them (RFC 7516 7.1).")
    header = _parse_header(segments[0])
    encrypted_key, iv, ciphertext, tag = (jose.decode(segment, "token") for segment in segments[1:])
    # RFC 7518 5.2, 5.3: tags have 128 bits; a shorter one is easier to guess.
    if len(iv) not in _IV_BYTES[header.enc] or len(tag) != _TAG_BYTES:
        raise Malformed("token", f"The initialization vector or the tag has a length that {header.enc} does not have.")
    return Compact(header, segments[0], encrypted_key, iv, ciphertext, tag)


def decrypt(token: Compact, key: RSAPrivateKey, random: Random) -> bytes:
    """Return what the token holds. Raises Refused("decryption"), the same one whatever it is that does not fit."""
    return decrypt_content(token, _unwrapped(token.encrypted_key, key, spare=random(_KEY_BYTES[token.header.enc])))


def decrypt_content(token: Compact, content_key: bytes) -> bytes:
    """Return what the token holds, given the content key. Raises Refused("decryption")."""
    try:
        if token.header.enc == _CBC:
            return _decrypt_cbc(token, content_key)
        return AESGCM(content_key).decrypt(token.iv, token.ciphertext + token.tag, token.header_segment)
    except (InvalidTag, ValueError):
        raise undecryptable() from None


def encrypt(plaintext: bytes, key: RSAPublicKey, *, kid: str, content_key: bytes, iv: bytes) -> bytes:
    """Encrypt JSON to the holder of the key. The content key (32 bytes) and the vector (12 bytes) are used once."""
    header = _written_header(kid)
    sealed = AESGCM(content_key).encrypt(iv, plaintext, header)
    parts = (key.encrypt(content_key, _OAEP), iv, sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:])
    return b".".join((header, *map(jose.encode, parts)))


@lru_cache(maxsize=1024)
def _written_header(kid: str) -> bytes:
    return jose.encode(msgspec.json.encode({"alg": ALGORITHM, "enc": ENC, "kid": kid, "cty": "application/json"}))


def undecryptable() -> Refused:
    """Say that a ciphertext, or its wrapped key, is not what was made for this key; which of them, nobody learns."""
    return Refused("decryption", "It cannot be decrypted: it was encrypted to another key, or has changed since.")


# A sender writes the same header every time, and reading it again is a third of what a token costs to read.
@lru_cache(maxsize=1024)
def _parse_header(segment: bytes) -> Header:
    if len(segment) > _LONGEST_HEADER:
        raise Refused("size", f"The header is longer than {_LONGEST_HEADER} characters.")
    header = jose.read(jose.decode(segment, "header"), Header, "header")
    # A small text that inflates to a large one is the sender's lever (RFC 8725 3.6); crit is RFC 7516 4.1.13.
    if header.zip is not msgspec.UNSET or header.crit is not msgspec.UNSET:
        raise Refused("algorithm", "The header asks for compression or for an extension (zip, crit); neither is used.")
    if header.alg != ALGORITHM or header.enc not in _KEY_BYTES:
        raise Refused(
            "algorithm", f"alg must be {ALGORITHM}, not {header.alg[:20]!r}, and enc one of {', '.join(_KEY_BYTES)}."
        )
    return header


def _unwrapped(encrypted_key: bytes, key: RSAPrivateKey, *, spare: bytes) -> bytes:
    # RFC 7516 11.5: who cannot unwrap goes on with a random key, and fails at the tag as everybody else. That one
    # exception more is raised on the way shows no secret: OpenSSL unpads OAEP in constant time, and whoever made the
    # wrapped key knows whether it is whole.
    try:
        content_key = key.decrypt(encrypted_key, _OAEP)
    except ValueError:
        return spare
    return content_key if len(content_key) == len(spare) else spare


def _decrypt_cbc(token: Compact, content_key: bytes) -> bytes:
    """RFC 7518 5.2.2.2. The first half of the key proves, and only then the second half decrypts."""
    proving, decrypting = content_key[:16], content_key[16:]
    header_bits = (8 * len(token.header_segment)).to_bytes(8)
    proven = token.header_segment + token.iv + token.ciphertext + header_bits
    if not hmac.compare_digest(hmac.digest(proving, proven, "sha256")[:_TAG_BYTES], token.tag):
        raise InvalidTag
    return cbc.decrypt(token.ciphertext, decrypting, token.iv)

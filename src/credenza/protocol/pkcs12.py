"""Private keys in files: PKCS#12 (RFC 7292) key stores and the other formats that tools ask for.

For the command line and the SDK; the browser makes its own, and the server never holds one. Key stores use
PBES2 with AES-256-CBC, PBKDF2 with HMAC-SHA-256 and a SHA-256 MAC, 100,000 iterations for each, which Java
8u301, OpenSSL 1.1 and everything younger open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import textwrap
from enum import StrEnum
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from credenza.protocol import der
from credenza.protocol.errors import Malformed, Refused

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ITERATIONS: Final = 100_000
SHORTEST_PASSWORD: Final = 12

_FIELD: Final = "private_key"
_HASH_BLOCK_BYTES: Final = 64
_MAC_PURPOSE: Final = 3
_PEM_LINE: Final = 64


class PrivateKeyFormat(StrEnum):
    PKCS1_PEM = "pkcs1-pem"
    PKCS8_PEM = "pkcs8-pem"
    PKCS8_DER = "pkcs8-der"


_FORMATS: Final = {
    PrivateKeyFormat.PKCS1_PEM: (Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
    PrivateKeyFormat.PKCS8_PEM: (Encoding.PEM, PrivateFormat.PKCS8),
    PrivateKeyFormat.PKCS8_DER: (Encoding.DER, PrivateFormat.PKCS8),
}


def check_password(password: str) -> None:
    """Raise Refused("password") unless it has 12 printable ASCII characters or more.

    Java refuses any other character, even in a file that OpenSSL wrote, and says that the password is wrong.
    """
    if not (password.isascii() and password.isprintable()):
        raise Refused("password", "The password may hold printable ASCII characters only: Java opens no other.")
    if len(password) < SHORTEST_PASSWORD:
        raise Refused("password", f"The password needs {SHORTEST_PASSWORD} characters or more.")


def write_pkcs12(
    private_key: PrivateKey,
    certificate: x509.Certificate,
    chain: tuple[x509.Certificate, ...],
    *,
    alias: str,
    password: str,
) -> bytes:
    """Write a key store whose key and certificate carry `alias` as friendlyName; `chain` holds the issuers.

    The certificate is not optional: without one Java sees no key entry. Raises Refused("password").
    """
    check_password(password)
    name, octets = alias.encode(), password.encode()
    store = pkcs12.serialize_key_and_certificates(name, private_key, certificate, chain, _encryption(octets))
    return _with_strong_mac(store, password)


def write_private_key(private_key: PrivateKey, private_key_format: PrivateKeyFormat) -> bytes:
    """Write the key unencrypted. Raises Refused("key_type") for an EC key as PKCS#1, which is a format of RSA."""
    if private_key_format is PrivateKeyFormat.PKCS1_PEM and not isinstance(private_key, rsa.RSAPrivateKey):
        raise Refused("key_type", "PKCS#1 holds RSA keys only; write this EC key as PKCS#8.")
    encoding, container = _FORMATS[private_key_format]
    return private_key.private_bytes(encoding, container, NoEncryption())


def write_encrypted_private_key(private_key: PrivateKey, *, password: str) -> bytes:
    """Write `BEGIN ENCRYPTED PRIVATE KEY` (RFC 5958 section 3). Raises Refused("password")."""
    check_password(password)
    # OpenSSL's own PKCS#8 encryption stops at 2,048 iterations. The key bag of a key store is the same
    # structure (RFC 7292 4.2.2) with the iterations we ask for, so it is taken out of one.
    store = pkcs12.serialize_key_and_certificates(None, private_key, None, None, _encryption(password.encode()))
    return _armored("ENCRYPTED PRIVATE KEY", _shrouded_key(store))


def load_private_key(octets: bytes, password: str | None) -> PrivateKey:
    """Read an RSA or EC key out of PKCS#12, PEM or DER.

    Raises Refused("password") when one is missing or wrong, Refused("key_type") for other keys, and
    Malformed("private_key"). No message repeats what was read, and neither does a chained exception.
    """
    secret = password.encode() if password else None
    private_key = _load_pem(octets, secret) if octets.lstrip().startswith(b"-----BEGIN") else _load_der(octets, secret)
    if not isinstance(private_key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Refused("key_type", "The file holds a key that is neither RSA nor EC.")
    return private_key


def _load_pem(octets: bytes, secret: bytes | None) -> PrivateKeyTypes:
    encrypted = b"ENCRYPTED" in octets
    if encrypted and secret is None:
        raise Refused("password", "The private key is encrypted; give its password.")
    try:
        return load_pem_private_key(octets, secret if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unreadable(encrypted=encrypted) from None


def _load_der(octets: bytes, secret: bytes | None) -> PrivateKeyTypes | None:
    match der.parse(octets, field=_FIELD).children:
        case (der.Element(tag=der.INTEGER, content=b"\3"), der.Element(tag=der.SEQUENCE), *_):
            return _load_store(octets, secret)
        case (der.Element(tag=der.SEQUENCE), der.Element(tag=der.OCTET_STRING)):
            # RFC 5958 section 3: an algorithm and the encrypted octets.
            return _load_encrypted_der(octets, secret)
    try:
        return load_der_private_key(octets, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unreadable(encrypted=False) from None


def _load_store(octets: bytes, secret: bytes | None) -> PrivateKeyTypes | None:
    try:
        private_key, _, _ = pkcs12.load_key_and_certificates(octets, secret)
    except (ValueError, UnsupportedAlgorithm):
        raise _unreadable(encrypted=True) from None
    if private_key is None:
        raise Malformed(_FIELD, "The key store holds no private key.")
    return private_key


def _load_encrypted_der(octets: bytes, secret: bytes | None) -> PrivateKeyTypes:
    if secret is None:
        raise Refused("password", "The private key is encrypted; give its password.")
    try:
        return load_der_private_key(octets, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unreadable(encrypted=True) from None


def _unreadable(*, encrypted: bool) -> Malformed | Refused:
    # An encrypted file that was damaged and one whose password is wrong cannot be told apart.
    if encrypted:
        return Refused("password", "The password does not open the file, or the file is damaged.")
    return Malformed(_FIELD, "This is not a private key in PKCS#12, PKCS#8, PKCS#1 or SEC 1, as PEM or DER.")


def _encryption(password: bytes) -> KeySerializationEncryption:
    return (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(ITERATIONS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(SHA256())
        .build(password)
    )


def _shrouded_key(store: bytes) -> bytes:
    # RFC 7292 section 4: PFX, authSafe, its octets, the only SafeContents, its octets, the only bag, its [0]
    # value.
    _, auth_safe, _ = der.parse(store, field=_FIELD).children
    safe = der.parse(_octets_of(auth_safe), field=_FIELD).children[0]
    bag = der.parse(_octets_of(safe), field=_FIELD).children[0]
    return bag.children[1].content


def _octets_of(content_info: der.Element) -> bytes:
    return content_info.children[1].children[0].content


def _with_strong_mac(store: bytes, password: str) -> bytes:
    # The library always makes the MAC with 2,048 iterations. Whoever guesses passwords would try them on the
    # MAC, the cheaper of the two, so the 100,000 iterations of the encryption would count for nothing.
    version, auth_safe, mac = der.parse(store, field=_FIELD).children
    digest_info, salt, _ = mac.children
    key = _mac_key(password, salt.content)
    digest = der.encode(der.OCTET_STRING, hmac.digest(key, _octets_of(auth_safe), "sha256"))
    strong_digest_info = der.encode(der.SEQUENCE, digest_info.children[0].encoded, digest)
    strong_mac = der.encode(der.SEQUENCE, strong_digest_info, salt.encoded, der.encode_unsigned(ITERATIONS))
    return der.encode(der.SEQUENCE, version.encoded, auth_safe.encoded, strong_mac)


def _mac_key(password: str, salt: bytes) -> bytes:
    # RFC 7292 B.2 with SHA-256 (u = 32, v = 64) for a key of one hash length, so that its step 6 runs once.
    text = password.encode("utf-16-be") + b"\0\0"
    digest = bytes((_MAC_PURPOSE,)) * _HASH_BLOCK_BYTES + _filled(salt) + _filled(text)
    for _ in range(ITERATIONS):
        digest = hashlib.sha256(digest).digest()
    return digest


def _filled(octets: bytes) -> bytes:
    blocks = -(-len(octets) // _HASH_BLOCK_BYTES)
    length = blocks * _HASH_BLOCK_BYTES
    return (octets * (length // len(octets) + 1))[:length]


def _armored(label: str, encoded: bytes) -> bytes:
    lines = textwrap.wrap(base64.b64encode(encoded).decode(), _PEM_LINE)
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", "")).encode()

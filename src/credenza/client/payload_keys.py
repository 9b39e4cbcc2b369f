"""Keys for payloads, out of the files that they come in.

    recipient = read_recipient(Path("client-encryption-key.pem").read_bytes())
    keys = DecryptionKeys((read_decryption_key(Path("ours.p12").read_bytes(), password="..."),))

Private keys: PKCS#12, PEM and DER (PKCS#1, PKCS#8, encrypted or not) and JWK. Public ones: a certificate or a public
key, PEM or DER.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from credenza.client import keys
from credenza.protocol import jose, pem, public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.payload import Recipient
from credenza.protocol.public_key import PublicKey

_FIELD = "public_key"
_LABELS = ("CERTIFICATE", "PUBLIC KEY")


@dataclass(frozen=True, slots=True)
class DecryptionKey:
    """A key that messages may be encrypted to, and the names by which they may call it."""

    private_key: RSAPrivateKey = field(repr=False)
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class DecryptionKeys:
    """The keys that messages may be encrypted to: the one in use, and during a change the next one too."""

    held: Sequence[DecryptionKey]

    def find(self, fingerprint: str | None) -> RSAPrivateKey | None:
        if fingerprint is None:
            return self.held[0].private_key if len(self.held) == 1 else None
        return next((key.private_key for key in self.held if fingerprint in key.names), None)


def read_decryption_key(
    octets: bytes, *, password: str | None = None, certificate: bytes | None = None, key_id: str | None = None
) -> DecryptionKey:
    """Read a private key; messages that name it by its certificate need that one as well. Raises Malformed, and Refused
    ("password" | "key_type")."""
    read = keys.read(octets, password=password, kid=key_id)
    if not isinstance(read.private_key, RSAPrivateKey):
        raise Refused("key_type", "Payloads are encrypted to RSA keys; this is an EC key.")
    names = {public_key.spki_sha256(read.private_key.public_key()), read.kid}
    if certificate is not None:
        names.add(read_recipient(certificate).certificate_sha256)
    return DecryptionKey(read.private_key, frozenset(name.lower() for name in names if name))


def read_recipient(octets: bytes, *, key_id: str | None = None) -> Recipient:
    """Read whom to encrypt to, as it is downloaded. Raises Malformed, and Refused("key_type" | "key_size")."""
    encoded = pem.read(octets, labels=_LABELS, field=_FIELD)
    key = _parse(encoded)
    if not isinstance(key, RSAPublicKey):
        raise Refused("key_type", "Payloads are encrypted to RSA keys; this is an EC key.")
    certificate_sha256 = sha256(encoded).hexdigest() if _is_certificate(encoded) else None
    return Recipient(key, certificate_sha256, key_id, public_key.spki_sha256(key))


def read_public_key(octets: bytes) -> PublicKey:
    """Read whose signatures to verify. Raises Malformed, and Refused("key_type" | "key_size")."""
    return _parse(pem.read(octets, labels=_LABELS, field=_FIELD))


def read_key_set(octets: bytes) -> dict[str, PublicKey]:
    """Read whose signatures to verify as a platform publishes them, a JWK Set (RFC 7517 5), by their kid. Raises
    Malformed, and Refused for a key that is none of ours."""
    published = jose.read(octets, _KeySet, _FIELD).keys
    found = {jose.read(bytes(raw), _Named, _FIELD).kid: jose.parse_jwk(bytes(raw)) for raw in published}
    if len(found) != len(published):
        raise Malformed(_FIELD, "Two keys of the set have one kid: nobody can tell which of them is meant.")
    return found


class _KeySet(msgspec.Struct, frozen=True):
    keys: tuple[msgspec.Raw, ...]


class _Named(msgspec.Struct, frozen=True):
    kid: str


def _parse(encoded: bytes) -> PublicKey:
    if _is_certificate(encoded):
        encoded = public_key.spki_der(x509.load_der_x509_certificate(encoded).public_key())
    return public_key.parse(encoded)


def _is_certificate(encoded: bytes) -> bool:
    try:
        x509.load_der_x509_certificate(encoded)
    except ValueError:
        return False
    return True

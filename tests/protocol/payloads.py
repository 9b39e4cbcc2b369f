"""Keys for payloads, found as the gate and the SDK find theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.protocol.oauth1_calls import NOW

from credenza.protocol import public_key
from credenza.protocol.payload import Recipient

KEY_ID = "5f1e2d3c4b5a69788796a5b4c3d2e1f0" + "0" * 16


def certificate_of(key: RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "payloads")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=9000))
        .sign(key, SHA256())
    )


def certificate_sha256(key: RSAPrivateKey) -> str:
    return sha256(certificate_of(key).public_bytes(Encoding.DER)).hexdigest()


def recipient_of(key: RSAPrivateKey) -> Recipient:
    spki_sha256 = public_key.spki_sha256(key.public_key())
    return Recipient(key.public_key(), certificate_sha256(key), KEY_ID, spki_sha256)


@dataclass(frozen=True)
class KeyRing:
    """One key, known by its three names."""

    key: RSAPrivateKey
    names: frozenset[str | None]

    @classmethod
    def of(cls, key: RSAPrivateKey) -> KeyRing:
        names = {None, public_key.spki_sha256(key.public_key()), certificate_sha256(key), KEY_ID}
        return cls(key, frozenset(names))

    def find(self, fingerprint: str | None) -> RSAPrivateKey | None:
        return self.key if fingerprint in self.names else None

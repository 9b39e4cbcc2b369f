"""What an authority signs: an outer SEQUENCE of content, algorithm and signature (RFC 5280 4.1.1).

Certificates, revocation lists and OCSP answers are encoded by hand: a library's builder takes four times as long to
write a certificate as to sign it, and minutes for a list of 100,000 entries; and an answer has several parts that none
of them offers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from credenza.protocol import der

IssuerKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

ENUMERATED: Final = 0x0A
NULL: Final = b"\x05\x00"

_ECDSA_WITH_SHA256: Final = bytes.fromhex("300a06082a8648ce3d040302")
_SHA256_WITH_RSA: Final = bytes.fromhex("300d06092a864886f70d01010b0500")
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18


def algorithm(key: IssuerKey) -> bytes:
    """Encode the AlgorithmIdentifier of what `sign` does with this key (RFC 5758 3.2, RFC 4055 5)."""
    return _ECDSA_WITH_SHA256 if isinstance(key, ec.EllipticCurvePrivateKey) else _SHA256_WITH_RSA


def sign(key: IssuerKey, content: bytes) -> bytes:
    """Sign the encoded content with SHA-256; the answer is the encoded signatureValue."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return bit_string(key.sign(content, ec.ECDSA(SHA256())))
    return bit_string(key.sign(content, padding.PKCS1v15(), SHA256()))


def bit_string(octets: bytes) -> bytes:
    return der.encode(der.BIT_STRING, b"\0", octets)


def extension(oid: bytes, value: bytes, *, critical: bool = False) -> bytes:
    """Encode an Extension (RFC 5280 4.1); `oid` is encoded already."""
    flag = b"\x01\x01\xff" if critical else b""
    return der.encode(der.SEQUENCE, oid, flag, der.encode(der.OCTET_STRING, value))


def time(moment: datetime) -> bytes:
    # RFC 5280 5.1.2.4: UTCTime to 2049, GeneralizedTime from then on, both to the second.
    at = moment.astimezone(UTC)
    if at.year < 2050:
        return der.encode(_UTC_TIME, at.strftime("%y%m%d%H%M%SZ").encode())
    return generalized_time(at)


def generalized_time(moment: datetime) -> bytes:
    return der.encode(_GENERALIZED_TIME, moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())

"""Certificates: RFC 5280, read one at a time; what they say, and when two subjects are the same.

Not here: making them (`issuance`) and proving a path to a trust anchor.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_der_x509_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from credenza.protocol import der, distinguished_name, pem, public_key
from credenza.protocol.distinguished_name import DistinguishedName
from credenza.protocol.errors import Malformed

_FIELD: Final = "certificate"
_LABELS: Final = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_CURE: Final = "Send one X.509 certificate: openssl x509 -in certificate.pem"
_MOST_IN_BUNDLE: Final = 16
_VERSION_3: Final = der.encode_unsigned(2)
_USES: Final = {
    ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string: "clientAuth",
    ExtendedKeyUsageOID.SERVER_AUTH.dotted_string: "serverAuth",
    ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string: "OCSPSigning",
}


@dataclass(frozen=True, slots=True)
class CertificateDescription:
    """What a certificate says of itself, in words for lists and pages. Hex is lower case; times are aware."""

    subject: str
    issuer: str
    serial_number_hex: str
    not_before: datetime
    not_after: datetime
    key_algorithm: str
    spki_sha256: str
    x5t_s256_hex: str
    is_ca: bool
    extended_key_usage: tuple[str, ...]


def parse(text_or_der: bytes | str) -> x509.Certificate:
    """Read exactly one version 3 certificate, PEM or DER.

    Raises Malformed("certificate"), also for extensions that are doubled or unreadable, and
    Refused("private_key") when a private key was sent by mistake. Nothing is proved by reading: neither
    signature nor validity.
    """
    try:
        return _read(pem.read(text_or_der, labels=_LABELS, field=_FIELD))
    except Malformed as error:
        raise Malformed(_FIELD, f"{error} {_CURE}") from error


def parse_bundle(text_or_der: bytes | str) -> tuple[x509.Certificate, ...]:
    """Read certificates that stand one after another in PEM, at most 16, or one in DER. Raises as `parse`."""
    try:
        return tuple(map(_read, pem.read_all(text_or_der, labels=_LABELS, field=_FIELD, most=_MOST_IN_BUNDLE)))
    except Malformed as error:
        raise Malformed(_FIELD, f"{error} Send X.509 certificates, one PEM block after another.") from error


def x5t_s256_hex(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the DER in lower-case hex: RFC 8705's `x5t#S256`, before base64url."""
    return certificate.fingerprint(SHA256()).hex()


def subject_of(certificate: x509.Certificate) -> DistinguishedName:
    return distinguished_name.parse(_names(certificate)[1])


def subject_der(certificate: x509.Certificate) -> bytes:
    """Return the subject as it stands in the certificate, octet by octet: what names an issuer repeats it."""
    return _names(certificate)[1].encoded


def canonical_subject(certificate: x509.Certificate) -> str:
    """Return the subject in the form whose equality is RFC 5280 7.1's, for a unique index."""
    return distinguished_name.canonical(subject_of(certificate))


def public_key_of(certificate: x509.Certificate) -> public_key.PublicKey:
    """Read the key by the rules of `public_key.parse`, from the octets as they were sent: the library would accept
    spelt-out parameters of a curve that it knows."""
    to_be_signed = der.parse(certificate.tbs_certificate_bytes, field=_FIELD)
    _, _, _, _, _, _, spki, *_ = to_be_signed.children
    return public_key.parse(spki.encoded)


def describe(certificate: x509.Certificate) -> CertificateDescription:
    issuer, subject = _names(certificate)
    key = certificate.public_key()
    return CertificateDescription(
        subject=distinguished_name.describe(distinguished_name.parse(subject)),
        issuer=distinguished_name.describe(distinguished_name.parse(issuer)),
        serial_number_hex=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_algorithm=public_key.algorithm_name(key),
        spki_sha256=public_key.spki_sha256(key),
        x5t_s256_hex=x5t_s256_hex(certificate),
        is_ca=_is_ca(certificate),
        extended_key_usage=_extended_key_usage(certificate),
    )


def _read(encoded: bytes) -> x509.Certificate:
    _check_version_and_serial_number(der.parse(encoded, field=_FIELD))
    try:
        certificate = load_der_x509_certificate(encoded)
        # All are read lazily; reading them here means that nobody later meets a certificate that cannot be described.
        _ = certificate.extensions, certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise Malformed(_FIELD, "The certificate cannot be read, or has an extension twice.") from error
    for name in _names(certificate):
        distinguished_name.parse(name)
    return certificate


def _check_version_and_serial_number(certificate: der.Element) -> None:
    # RFC 5280 4.1.2.2 wants a positive serial number; the library only warns of others, and warns aloud.
    match certificate.children:
        case (der.Element(children=(der.Element(tag=0xA0, content=version), der.Element(content=serial), *_)), *_):
            if version == _VERSION_3 and int.from_bytes(serial, signed=True) > 0:
                return
    raise Malformed(_FIELD, "The certificate is not of version 3 with a positive serial number.")


def _names(certificate: x509.Certificate) -> tuple[der.Element, der.Element]:
    # RFC 5280 4.1: version, serialNumber, signature, issuer, validity, subject. The version is always there
    # in version 3.
    to_be_signed = der.parse(certificate.tbs_certificate_bytes, field=_FIELD)
    _, _, _, issuer, _, subject, *_ = to_be_signed.children
    return issuer, subject


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _extended_key_usage(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_USES.get(oid.dotted_string, oid.dotted_string) for oid in usage)

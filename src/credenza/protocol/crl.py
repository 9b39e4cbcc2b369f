"""Revocation lists (RFC 5280 section 5): ours are built, those of others are read and proven.

`build` makes a full list: version 2, with the authority's key identifier and a number, and nothing else, so that every
reader understands it. A number is at most 20 octets and grows; the caller keeps count. `read` proves that an authority
signed a list for all of its certificates, and that it is not out of date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from credenza.protocol import certificate, der, public_key, signature
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.issuance import IssuerKey

LARGEST_NUMBER: Final = (1 << 159) - 1
LARGEST_FOREIGN_BYTES: Final = 10 * 1024 * 1024
FUTURE: Final = timedelta(minutes=5)
"""So far ahead of ours the clock of another authority may be: a list is newest when it is fetched."""

_FIELD: Final = "crl"
_VERSION_2: Final = der.encode_unsigned(1)
_CRL_NUMBER: Final = bytes.fromhex("0603551d14")
_REASON_CODE: Final = bytes.fromhex("0603551d15")
_AUTHORITY_KEY_IDENTIFIER: Final = bytes.fromhex("0603551d23")
_EXTENSIONS: Final = 0xA0
_KEY_IDENTIFIER: Final = 0x80
_HASHES: Final = (SHA256, SHA384, SHA512)


class Reason(IntEnum):
    """CRLReason (RFC 5280 5.3.1). Unspecified is said by leaving it out; removeFromCRL belongs to delta lists."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6
    PRIVILEGE_WITHDRAWN = 9


@dataclass(frozen=True, slots=True)
class Entry:
    """One revoked certificate."""

    serial_number: int
    revoked_at: datetime
    reason: Reason = Reason.UNSPECIFIED


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A list of another authority, proven. `revoked` is by serial number."""

    number: int | None
    this_update: datetime
    next_update: datetime
    revoked: Mapping[int, datetime]


def build(
    key: IssuerKey,
    issuer: x509.Certificate,
    entries: Iterable[Entry],
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> bytes:
    """Sign a list of entries in the name of issuer, whose private key is `key`; the answer is DER."""
    if not 0 <= number <= LARGEST_NUMBER:
        raise ValueError("RFC 5280 5.2.3: the number of a list has at most 20 octets")
    listed = b"".join(map(_entry, entries))
    to_be_signed = der.encode(
        der.SEQUENCE,
        _VERSION_2,
        signature.algorithm(key),
        certificate.subject_der(issuer),
        signature.time(this_update),
        signature.time(next_update),
        # RFC 5280 5.1.2.6: when nothing is revoked, the list of it is absent and not empty.
        der.encode(der.SEQUENCE, listed) if listed else b"",
        der.encode(_EXTENSIONS, der.encode(der.SEQUENCE, _issuer_key(issuer), _number(number))),
    )
    return der.encode(der.SEQUENCE, to_be_signed, signature.algorithm(key), signature.sign(key, to_be_signed))


def parse(text_or_der: bytes) -> x509.CertificateRevocationList:
    """Read a list, PEM or DER. Raises Malformed("crl")."""
    if len(text_or_der) > LARGEST_FOREIGN_BYTES:
        raise Malformed(_FIELD, "The revocation list is larger than 10 MiB.")
    is_der = text_or_der.startswith(bytes((der.SEQUENCE,)))
    try:
        found = x509.load_der_x509_crl(text_or_der) if is_der else x509.load_pem_x509_crl(text_or_der)
        _ = found.extensions, found.next_update_utc, found.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise Malformed(_FIELD, "This is not a revocation list (RFC 5280 section 5).") from error
    return found


def read(text_or_der: bytes, issuer: x509.Certificate, *, now: datetime) -> RevocationList:
    """Read a list and prove that issuer signed it for now.

    Raises Malformed("crl"), and Refused("wrong_issuer" | "weak_signature" | "signature" | "stale" | "partial").
    """
    found = parse(text_or_der)
    _check_signature(found, issuer)
    _check_is_whole(found)
    next_update = found.next_update_utc
    if next_update is None or not found.last_update_utc - FUTURE <= now < next_update:
        raise Refused("stale", "The revocation list is not of today: it has run out, or it names no next one.")
    revoked = {each.serial_number: each.revocation_date_utc for each in found}
    return RevocationList(_number_of(found), found.last_update_utc, next_update, revoked)


def _check_signature(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> None:
    if found.issuer != issuer.subject:
        raise Refused("wrong_issuer", f"The revocation list is of {found.issuer.rfc4514_string()}.")
    if not isinstance(found.signature_hash_algorithm, _HASHES):
        raise Refused("weak_signature", "The revocation list is not signed with SHA-256, SHA-384 or SHA-512.")
    key = issuer.public_key()
    public_key.check_type_and_size(key, allow_ec=True, allow_p384=True)
    if not _may_sign_lists(issuer) or not found.is_signature_valid(key):  # type: ignore[arg-type]  # judged above
        raise Refused("signature", "The signature of the revocation list is not the authority's.")


def _may_sign_lists(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True  # RFC 5280 6.3.3 (f): only where there is a key usage does it say so


def _check_is_whole(found: x509.CertificateRevocationList) -> None:
    # RFC 5280 5.2: a delta, or a list for some of the certificates, says so in a critical extension.
    for each in found.extensions:
        if each.critical:
            raise Refused(
                "partial",
                f"The revocation list is for some certificates only (critical extension {each.oid.dotted_string}).",
            )


def _number_of(found: x509.CertificateRevocationList) -> int | None:
    try:
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return None


def _entry(entry: Entry) -> bytes:
    return der.encode(
        der.SEQUENCE, der.encode_unsigned(entry.serial_number), signature.time(entry.revoked_at), _REASONS[entry.reason]
    )


def _reason(reason: Reason) -> bytes:
    # RFC 5280 5.3.1: unspecified is better left out than said.
    if reason is Reason.UNSPECIFIED:
        return b""
    value = der.encode(signature.ENUMERATED, bytes((reason,)))
    return der.encode(der.SEQUENCE, signature.extension(_REASON_CODE, value))


_REASONS: Final = {each: _reason(each) for each in Reason}


def _number(number: int) -> bytes:
    return signature.extension(_CRL_NUMBER, der.encode_unsigned(number))


def _issuer_key(issuer: x509.Certificate) -> bytes:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    return signature.extension(
        _AUTHORITY_KEY_IDENTIFIER, der.encode(der.SEQUENCE, der.encode(_KEY_IDENTIFIER, identifier))
    )

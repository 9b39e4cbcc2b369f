"""An operator's own authority, brought along: its certificate with those above it, and its private key.

It must be able to do all that ours do: certify clients (RFC 5280 4.2.1.9, 4.2.1.3), sign revocation lists, and be named
by its key identifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from credenza.protocol import public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.issuance import IssuerKey

LARGEST_KEY_BYTES: Final = 64 * 1024

_FIELD: Final = "private_key"
_HASHES: Final = (SHA256, SHA384, SHA512)


def path(certificates: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Put the first certificate and those above it in order; the root may be left out. Raises Refused("chain")."""
    found, rest = [certificates[0]], list(certificates[1:])
    while rest:
        issuer = next((each for each in rest if _issued(each, found[-1])), None)
        if issuer is None:
            raise Refused(
                "chain",
                "The certificates are no chain: send the authority's own first, then each one's issuer, and no others.",
            )
        rest.remove(issuer)
        found.append(issuer)
    return tuple(found)


def check(path: Sequence[x509.Certificate], *, now: datetime) -> None:
    """Raise Refused unless the first of the path may certify clients now, under all the others."""
    authority = path[0]
    for depth, each in enumerate(path):
        check_certifies_clients(each, now=now)
        _check_path_length(each, depth)
        public_key.check_key_policy(each.public_key(), allow_ec=True, allow_p384=True)
        _check_constrains_no_clients(each)
    _check_signs_lists(authority)


def check_certifies_clients(authority: x509.Certificate, *, now: datetime) -> None:
    """Raise Refused unless the certificate is one of an authority that may certify clients now, ours or another's."""
    _check_certifies(authority)
    _check_dates(authority, now)
    public_key.check_type_and_size(authority.public_key(), allow_ec=True, allow_p384=True)
    if authority.subject != authority.issuer and not isinstance(authority.signature_hash_algorithm, _HASHES):
        raise Refused("weak_signature", f"{_named(authority)} is signed with something weaker than SHA-256.")


def read_key(octets: bytes, password: bytes) -> IssuerKey:
    """Read a private key: PEM or DER (PKCS#8, PKCS#1, SEC 1), or PKCS#12. Raises Malformed or Refused("key_type").

    No sentence says anything of the key or the password.
    """
    if len(octets) > LARGEST_KEY_BYTES:
        raise Malformed(_FIELD, "The file of the private key is larger than 64 KiB.")
    try:
        key = _load(octets, password or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed(
            _FIELD, "The private key cannot be read: it must be PEM, DER or PKCS#12, and the password the right one."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise Refused("key_type", "The private key must be RSA, or EC on P-256 or P-384.")
    return key


def check_fits(key: IssuerKey, authority: x509.Certificate) -> None:
    """Raise Refused("key") unless the key is the one in the certificate."""
    if public_key.spki_sha256(key.public_key()) != public_key.spki_sha256(authority.public_key()):
        raise Refused("key", "The private key is not the one of the authority's certificate, which must come first.")


def _load(octets: bytes, password: bytes | None) -> object:
    if octets.lstrip().startswith(b"-----BEGIN"):
        return load_pem_private_key(octets, password)
    try:
        return load_der_private_key(octets, password)
    except (ValueError, TypeError):
        return pkcs12.load_key_and_certificates(octets, password)[0]


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _check_path_length(each: x509.Certificate, depth: int) -> None:
    constraints = _find(each, x509.BasicConstraints)
    allowed = constraints.path_length if isinstance(constraints, x509.BasicConstraints) else None
    if allowed is not None and depth > allowed:
        raise Refused("path_length", f"{_named(each)} allows {allowed} authorities below it, and there are {depth}.")


def _check_certifies(each: x509.Certificate) -> None:
    constraints = _find(each, x509.BasicConstraints)
    if not isinstance(constraints, x509.BasicConstraints) or not constraints.ca:
        raise Refused("not_ca", f"{_named(each)} is no authority's certificate: it lacks CA:TRUE.")
    usage = _find(each, x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage) and not usage.key_cert_sign:
        raise Refused("key_usage", f"{_named(each)} may not sign certificates: its key usage lacks keyCertSign.")
    uses = _find(each, x509.ExtendedKeyUsage)
    wanted = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if isinstance(uses, x509.ExtendedKeyUsage) and not any(each in uses for each in wanted):
        raise Refused("extended_key_usage", f"{_named(each)} may not certify clients: clientAuth is missing.")


def _check_signs_lists(authority: x509.Certificate) -> None:
    usage = _find(authority, x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage) and not usage.crl_sign:
        raise Refused("key_usage", f"{_named(authority)} may not sign revocation lists: its key usage lacks cRLSign.")
    if _find(authority, x509.SubjectKeyIdentifier) is None:
        raise Refused("key_identifier", f"{_named(authority)} has no subject key identifier (RFC 5280 4.2.1.2).")


def _check_constrains_no_clients(each: x509.Certificate) -> None:
    constraints = _find(each, x509.NameConstraints)
    if not isinstance(constraints, x509.NameConstraints):
        return
    subtrees = (*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ()))
    if any(isinstance(subtree, x509.DirectoryName) for subtree in subtrees):
        raise Refused("name_constraints", f"{_named(each)} constrains subjects, and partners choose theirs.")


def _check_dates(each: x509.Certificate, now: datetime) -> None:
    if not each.not_valid_before_utc <= now <= each.not_valid_after_utc:
        begins, ends = each.not_valid_before_utc, each.not_valid_after_utc
        raise Refused("dates", f"{_named(each)} is valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}, and not now.")


def _find(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.ExtensionType | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _named(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()

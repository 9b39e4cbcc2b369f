"""Enrolment over Secure Transport: the bodies of RFC 7030, as RFC 8951 has clarified them.

Both ways they are base64 without armour. What a certificate will say is not decided here: a request is read by
`csr.parse`, and all that is added is what re-enrolment asks of it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from credenza.protocol import der
from credenza.protocol.distinguished_name import canonical, of_name, parse
from credenza.protocol.errors import Malformed, Refused

LONGEST_BODY: Final = 100_000
"""A request has 64 KiB at most; base64 with line breaks makes that a third longer."""

REQUEST: Final = "application/pkcs10"
CERTIFICATES: Final = "application/pkcs7-mime; smime-type=certs-only"

_FIELD: Final = "csr"
_BLANKS: Final = b" \t\r\n"
_SEND: Final = "Send the DER of the request as base64, without BEGIN and END lines: openssl req -outform DER | base64"


def read_request(body: bytes) -> bytes:
    """Return the DER of the request that a body carries, with or without line breaks. Raises Malformed("csr")."""
    # RFC 8951 2: white space is to be expected anywhere, and Content-Transfer-Encoding says nothing that counts.
    try:
        decoded = binascii.a2b_base64(body.translate(None, _BLANKS), strict_mode=True)
    except ValueError as error:
        raise Malformed(_FIELD, f"The body is not base64. {_SEND}") from error
    if not decoded.startswith(b"\x30"):
        raise Malformed(_FIELD, f"The body holds no certification request. {_SEND}")
    return decoded


def write_certificates(ders: Sequence[bytes]) -> bytes:
    """Write a certs-only answer: a degenerate CMS SignedData (RFC 5652 5) in base64, 76 characters a line."""
    found = [x509.load_der_x509_certificate(each) for each in ders]
    return base64.encodebytes(pkcs7.serialize_certificates(found, Encoding.DER))


def check_same_names(request_der: bytes, held: x509.Certificate) -> None:
    """Prove that a request which `csr.parse` has read asks for the names of the certificate that it is to follow.
    Raises Refused("subject"). RFC 7030 4.2.2: Subject and SubjectAltName MUST be identical."""
    # RFC 2986 4.1: version, subject, ... Not the library's name: it does not read every one that may be compared.
    _, asked, *_ = der.parse(request_der, field=_FIELD).children[0].children
    if canonical(parse(asked)) != canonical(of_name(held.subject)):
        raise Refused(
            "subject",
            f"The subject is not that of the certificate to be followed, {held.subject.rfc4514_string()}. Ask for the "
            "same one, and for another one with a new enrolment secret.",
        )
    if _alternatives(x509.load_der_x509_csr(request_der)) != _alternatives(held):
        raise Refused("subject", "The certificate to be followed has other subject alternative names: leave them out.")


def _alternatives(names: x509.CertificateSigningRequest | x509.Certificate) -> frozenset[x509.GeneralName]:
    try:
        return frozenset(names.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return frozenset()
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise Malformed(_FIELD, "The extensions that the request asks for cannot be read. Leave them out.") from error

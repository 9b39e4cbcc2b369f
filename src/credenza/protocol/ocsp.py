"""OCSP (RFC 6960): requests are read, answers are built and signed by a delegated responder.

Order of use: `parse` the request, find whose certificates it asks for with `IssuerHashes`, and `answer` with what is
known of each; `failure` says without a signature why there is no answer. Nothing here decides what is good: a serial
number that nobody knows is answered with `Unknown` by whoever keeps the records. Requests that have their `stem` in
common, and their length, differ in the nonce alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Final, TypeAlias

from cryptography import x509

from credenza.protocol import certificate, der, public_key, signature
from credenza.protocol.crl import Reason
from credenza.protocol.errors import Malformed
from credenza.protocol.issuance import IssuerKey

LARGEST_REQUEST_BYTES: Final = 10 * 1024
LONGEST_PATH: Final = 255
"""RFC 5019 5: what is longer is posted."""
MOST_IDS: Final = 10
LONGEST_NONCE: Final = 128

_FIELD: Final = "ocsp"
_HASHES: Final = {"1.3.14.3.2.26": "sha1", "2.16.840.1.101.3.4.2.1": "sha256"}
_NONCE: Final = "1.3.6.1.5.5.7.48.1.2"
_NONCE_OID: Final = bytes.fromhex("06092b0601050507300102")
_BASIC_OID: Final = bytes.fromhex("06092b0601050507300101")
_CONTEXT_0: Final = 0xA0
_CONTEXT_1: Final = 0xA1
_CONTEXT_2: Final = 0xA2
_BY_KEY: Final = 0xA2
_GOOD: Final = b"\x80\x00"
_UNKNOWN: Final = b"\x82\x00"
_TRUE: Final = b"\xff"
_BOOLEAN: Final = 0x01


class Failure(IntEnum):
    """OCSPResponseStatus (RFC 6960 4.2.1), without an answer."""

    MALFORMED_REQUEST = 1
    INTERNAL_ERROR = 2
    TRY_LATER = 3
    UNAUTHORIZED = 6


@dataclass(frozen=True, slots=True)
class CertId:
    """Which certificate: its issuer by two hashes, and its serial number. `encoded` is all of it as sent."""

    algorithm: str
    name_hash: bytes
    key_hash: bytes
    serial_number: int
    encoded: bytes


@dataclass(frozen=True, slots=True)
class Request:
    ids: tuple[CertId, ...]
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Good:
    """We issued it, and it is not revoked."""


@dataclass(frozen=True, slots=True)
class Revoked:
    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class Unknown:
    """We did not issue it."""


Status: TypeAlias = Good | Revoked | Unknown


@dataclass(frozen=True, slots=True)
class IssuerHashes:
    """How requests may name an authority."""

    known: frozenset[tuple[str, bytes, bytes]]

    @classmethod
    def of(cls, issuer: x509.Certificate) -> IssuerHashes:
        name, key = certificate.subject_der(issuer), _key_bits(issuer)
        return cls(frozenset((each, _digest(each, name), _digest(each, key)) for each in _HASHES.values()))

    def name(self, wanted: CertId) -> bool:
        return (wanted.algorithm, wanted.name_hash, wanted.key_hash) in self.known


@dataclass(frozen=True, slots=True)
class Responder:
    """Who signs answers: the certificate that its authority gave it, and the key."""

    certificate: x509.Certificate
    certificate_der: bytes
    id: bytes
    key: IssuerKey

    @classmethod
    def of(cls, certified: x509.Certificate, certificate_der: bytes, key: IssuerKey) -> Responder:
        # RFC 6960 4.2.1: KeyHash is the SHA-1 of the responder's public key, whatever the request hashes with.
        encoded = der.encode(_BY_KEY, der.encode(der.OCTET_STRING, _digest("sha1", _key_bits(certified))))
        return cls(certified, certificate_der, encoded, key)


def parse_path(path: str) -> bytes:
    """Read what a GET carries behind the responder's URL (RFC 6960 A.1), percent-decoded already."""
    if len(path) > LONGEST_PATH:
        raise Malformed(_FIELD, f"A request of more than {LONGEST_PATH} characters must be posted.")
    try:
        return base64.b64decode(path.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Malformed(_FIELD, "The request in the path is not base64.") from error


def parse(encoded: bytes) -> Request:
    """Read a request. Raises Malformed("ocsp") for BER, trailing bytes, more than 10 KiB and more than 10 ids.

    A signature of the requestor is passed over: everybody may ask (RFC 6960 4.1.2).
    """
    if len(encoded) > LARGEST_REQUEST_BYTES:
        raise Malformed(_FIELD, "The request is larger than 10 KiB.")
    match der.parse(encoded, field=_FIELD).children:
        case (der.Element(tag=der.SEQUENCE, children=parts), *signed) if len(signed) <= 1:
            return _request(parts)
    raise _not_a_request()


def stem(encoded: bytes, request: Request) -> bytes:
    """Cut the nonce off a request that ends with it. Empty for one that has none, or has it elsewhere."""
    if not request.nonce:
        return b""
    cut = encoded[: -len(request.nonce)]
    # That the same octets stand at the end proves nothing. If others are read in their place, these are the nonce.
    other = bytes(octet ^ 0xFF for octet in request.nonce)
    try:
        return cut if parse(cut + other) == replace(request, nonce=other) else b""
    except Malformed:
        return b""


def failure(status: Failure) -> bytes:
    return der.encode(der.SEQUENCE, der.encode(signature.ENUMERATED, bytes((status,))))


def answer(
    request: Request, statuses: Mapping[CertId, Status], responder: Responder, *, now: datetime, until: datetime
) -> bytes:
    """Sign what is known of every id that was asked for; good until `until`."""
    this_update = signature.generalized_time(now)
    next_update = der.encode(_CONTEXT_0, signature.generalized_time(until))
    responses = (
        der.encode(der.SEQUENCE, each.encoded, _status(statuses[each]), this_update, next_update)
        for each in request.ids
    )
    to_be_signed = der.encode(
        der.SEQUENCE, responder.id, this_update, der.encode(der.SEQUENCE, *responses), _nonce(request.nonce)
    )
    basic = der.encode(
        der.SEQUENCE,
        to_be_signed,
        signature.algorithm(responder.key),
        signature.sign(responder.key, to_be_signed),
        der.encode(_CONTEXT_0, der.encode(der.SEQUENCE, responder.certificate_der)),
    )
    response = der.encode(der.SEQUENCE, _BASIC_OID, der.encode(der.OCTET_STRING, basic))
    successful = der.encode(signature.ENUMERATED, b"\0")
    return der.encode(der.SEQUENCE, successful, der.encode(_CONTEXT_0, response))


def _request(parts: tuple[der.Element, ...]) -> Request:
    # RFC 6960 4.1.1: version [0] and requestorName [1] may come first, extensions [2] last.
    rest = list(parts)
    if rest and rest[0].tag == _CONTEXT_0 and rest.pop(0).content != der.encode_unsigned(0):
        raise _not_a_request()
    if rest and rest[0].tag == _CONTEXT_1:
        rest.pop(0)
    if not rest or rest[0].tag != der.SEQUENCE or len(rest) > 2:
        raise _not_a_request()
    extensions = _extensions(rest[1], _CONTEXT_2) if len(rest) == 2 else {}
    return Request(_ids(rest[0].children), _nonce_of(extensions))


def _ids(requests: tuple[der.Element, ...]) -> tuple[CertId, ...]:
    if not 1 <= len(requests) <= MOST_IDS:
        raise Malformed(_FIELD, f"A request asks for 1 to {MOST_IDS} certificates.")
    return tuple(map(_id, requests))


def _id(request: der.Element) -> CertId:
    match request.children:
        case (der.Element(tag=der.SEQUENCE) as wanted, *extensions) if len(extensions) <= 1:
            for each in extensions:
                _extensions(each, _CONTEXT_0)
            return _cert_id(wanted)
    raise _not_a_request()


def _cert_id(wanted: der.Element) -> CertId:
    match wanted.children:
        case (
            der.Element(tag=der.SEQUENCE, children=(der.Element(tag=der.OBJECT_IDENTIFIER) as oid, *_)),
            der.Element(tag=der.OCTET_STRING, content=name_hash),
            der.Element(tag=der.OCTET_STRING, content=key_hash),
            der.Element(tag=der.INTEGER, content=serial),
        ) if serial:
            # A hash that nobody uses here names nobody.
            algorithm = _HASHES.get(der.dotted(oid), "")
            return CertId(algorithm, name_hash, key_hash, int.from_bytes(serial, signed=True), wanted.encoded)
    raise _not_a_request()


def _extensions(wrapped: der.Element, tag: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    match wrapped:
        case der.Element(tag=outer, children=(der.Element(tag=der.SEQUENCE, children=extensions),)) if outer == tag:
            for each in extensions:
                oid, value = _extension(each)
                if oid in found:
                    raise _not_a_request()
                found[oid] = value
            return found
    raise _not_a_request()


def _extension(extension: der.Element) -> tuple[str, bytes]:
    match extension.children:
        case (
            der.Element(tag=der.OBJECT_IDENTIFIER) as oid,
            *critical,
            der.Element(tag=der.OCTET_STRING, content=value),
        ) if len(critical) <= 1:
            name = der.dotted(oid)
            if name != _NONCE and any(each.tag == _BOOLEAN and each.content == _TRUE for each in critical):
                raise Malformed(_FIELD, f"The critical extension {name} is not understood here.")
            return name, value
    raise _not_a_request()


def _nonce_of(extensions: Mapping[str, bytes]) -> bytes:
    value = extensions.get(_NONCE)
    if value is None:
        return b""
    match der.parse(value, field=_FIELD):
        # RFC 9654 2.1: 1 to 128 octets; anything else is a malformed request.
        case der.Element(tag=der.OCTET_STRING, content=nonce) if 1 <= len(nonce) <= LONGEST_NONCE:
            return nonce
    raise Malformed(_FIELD, f"A nonce has 1 to {LONGEST_NONCE} octets.")


def _nonce(nonce: bytes) -> bytes:
    if not nonce:
        return b""
    echoed = signature.extension(_NONCE_OID, der.encode(der.OCTET_STRING, nonce))
    return der.encode(_CONTEXT_1, der.encode(der.SEQUENCE, echoed))


def _status(status: Status) -> bytes:
    if isinstance(status, Good):
        return _GOOD
    if isinstance(status, Unknown):
        return _UNKNOWN
    # The same as in the list: unspecified is left out.
    reason = b""
    if status.reason is not Reason.UNSPECIFIED:
        reason = der.encode(_CONTEXT_0, der.encode(signature.ENUMERATED, bytes((status.reason,))))
    return der.encode(_CONTEXT_1, signature.generalized_time(status.at), reason)


def _key_bits(certified: x509.Certificate) -> bytes:
    # RFC 6960 4.1.1: the value of the BIT STRING, without tag, length and the count of unused bits.
    spki = der.parse(public_key.spki_der(certified.public_key()), field=_FIELD)
    return spki.children[1].content[1:]


def _digest(algorithm: str, octets: bytes) -> bytes:
    return hashlib.new(algorithm, octets, usedforsecurity=False).digest()


def _not_a_request() -> Malformed:
    return Malformed(_FIELD, "This is not an OCSP request (RFC 6960 4.1.1).")

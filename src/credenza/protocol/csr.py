"""Certification requests: PKCS#10 (RFC 2986), read from strangers and written for our own command line.

`parse` proves that whoever sent a request holds its private key, and takes over the key and the allow-listed
part of the subject. Extensions and attributes are not looked at, so nothing that is asked for there can be
granted. `lint` runs the very same checks one by one and reports each. Checks stand in the order of their
cost, and a key is bounded before it is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from credenza.protocol import der, distinguished_name, pem, public_key
from credenza.protocol.distinguished_name import Subject
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.public_key import PublicKey

_FIELD: Final = "csr"
_LABELS: Final = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
_NEW_REQUEST: Final = "openssl req -new -key key.pem -out request.csr -sha256 -utf8 -subj '/O=Acme/CN=billing'"
_NEW_KEY: Final = (
    "openssl req -new -newkey rsa:2048 -nodes -keyout key.pem -out request.csr -sha256 -utf8 -subj '/O=Acme/CN=billing'"
)
_SEND_AGAIN: Final = f"Send the whole file as it was written by: {_NEW_REQUEST}"
_HASHES: Final = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


@dataclass(frozen=True, slots=True)
class CertificationRequest:
    """A request that proved possession of its key. `subject` holds what may be taken over, and nothing else is here."""

    public_key: PublicKey
    spki_der: bytes
    spki_sha256: str
    key_algorithm: str
    subject: Subject

    @property
    def common_name(self) -> str:
        return dict(self.subject)["CN"]


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check. `detail` says what was found, `cure` what to do about it when it failed. `ok` is None
    for one that was left out."""

    name: str
    ok: bool | None
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class _Terms:
    allow_ec: bool
    allow_p384: bool
    allow_sha1: bool
    blocked: frozenset[str]


@dataclass(frozen=True)
class _Claim:
    """A request that can be read and has proved nothing yet. Its parts are read when the first check asks for them."""

    request: x509.CertificateSigningRequest
    subject_element: der.Element
    spki: der.Element

    @cached_property
    def key(self) -> PublicKey:
        """The key, bounded."""
        return public_key.of_element(self.spki)

    @cached_property
    def subject(self) -> Subject:
        return distinguished_name.allowed_subject(distinguished_name.parse(self.subject_element))


@dataclass(frozen=True, slots=True)
class _Rule:
    """A check answers what it found, or raises Refused or Malformed; cure tells the sender what to do then."""

    name: str
    check: Callable[[_Claim, _Terms], str]
    cure: str
    needs_key: bool = False


def parse(
    text_or_der: bytes | str,
    *,
    allow_ec: bool = True,
    allow_p384: bool = False,
    allow_sha1: bool = False,
    blocked: frozenset[str] = frozenset(),
) -> CertificationRequest:
    """Read a request, PEM or DER, and prove that its sender holds the private key (RFC 2986 section 3).

    `blocked` holds SPKI SHA-256 in hex. Raises Malformed("csr" | "public_key" | "subject") for what cannot be
    read, and Refused("key_type" | "key_size" | "signature_algorithm" | "subject" | "blocked_key" |
    "signature" | "weak_key"), or Refused("private_key") when a private key was sent by mistake. Every message
    ends with the cure.
    """
    try:
        claim = _read(text_or_der)
    except Malformed as error:
        raise Malformed(error.field, f"{error} {_SEND_AGAIN}") from error
    terms = _Terms(allow_ec, allow_p384, allow_sha1, blocked)
    for rule in _RULES:
        _apply(rule, claim, terms)
    return _proved(claim)


def lint(
    text_or_der: bytes | str,
    *,
    allow_ec: bool = True,
    allow_p384: bool = False,
    allow_sha1: bool = False,
    blocked: frozenset[str] = frozenset(),
) -> tuple[Check, ...]:
    """Run every check that `parse` runs and report each; what cannot be read at all is one failed check."""
    try:
        claim = _read(text_or_der)
    except (Malformed, Refused) as error:
        return (Check("readable", ok=False, detail=str(error), cure=_SEND_AGAIN),)
    terms = _Terms(allow_ec, allow_p384, allow_sha1, blocked)
    checks = [Check("readable", ok=True, detail="PKCS#10")]
    for rule in _RULES:
        # A key that was refused is not computed with: one of 16,384 bits would cost what we mean to save.
        key_refused = rule.needs_key and any(check.name == "key" and not check.ok for check in checks)
        if key_refused:
            checks.append(Check(rule.name, ok=None, detail="The key was refused."))
        else:
            checks.append(_outcome(rule, claim, terms))
    return tuple(checks)


def build(
    private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    *,
    common_name: str,
    organization: str | None = None,
    organizational_unit: str | None = None,
    country: str | None = None,
    serial_number: str | None = None,
) -> bytes:
    """Make a request in PEM that `parse` accepts. Raises Refused as `parse` does."""
    attributes = (
        ("C", country),
        ("O", organization),
        ("OU", organizational_unit),
        ("CN", common_name),
        ("serialNumber", serial_number),
    )
    subject = tuple((name, value) for name, value in attributes if value is not None)
    distinguished_name.check_subject(subject)
    public_key.check_key_policy(private_key.public_key(), allow_ec=True, allow_p384=True)
    builder = x509.CertificateSigningRequestBuilder().subject_name(distinguished_name.to_name(subject))
    return builder.sign(private_key, SHA256()).public_bytes(Encoding.PEM)


def _read(text_or_der: bytes | str) -> _Claim:
    encoded = pem.read(text_or_der, labels=_LABELS, field=_FIELD)
    request = der.parse(encoded, field=_FIELD)
    try:
        loaded = x509.load_der_x509_csr(encoded)
    except (ValueError, x509.InvalidVersion) as error:
        raise Malformed(
            _FIELD, "This is no PKCS#10 request of version 1, or a string in it is not of its type."
        ) from error
    # RFC 2986 4.1: version, subject, subjectPKInfo, attributes; the library has just proved that shape.
    _, subject, spki, *_ = request.children[0].children
    return _Claim(loaded, subject, spki)


def _apply(rule: _Rule, claim: _Claim, terms: _Terms) -> str:
    try:
        return rule.check(claim, terms)
    except Refused as error:
        raise Refused(error.reason, f"{error} {rule.cure}") from error
    except Malformed as error:
        raise Malformed(error.field, f"{error} {rule.cure}") from error


def _outcome(rule: _Rule, claim: _Claim, terms: _Terms) -> Check:
    try:
        return Check(rule.name, ok=True, detail=rule.check(claim, terms))
    except (Malformed, Refused) as error:
        return Check(rule.name, ok=False, detail=str(error), cure=rule.cure)


def _proved(claim: _Claim) -> CertificationRequest:
    spki_der = public_key.spki_der(claim.key)
    return CertificationRequest(
        public_key=claim.key,
        spki_der=spki_der,
        spki_sha256=hashlib.sha256(spki_der).hexdigest(),
        key_algorithm=public_key.algorithm_name(claim.key),
        subject=claim.subject,
    )


def _check_key(claim: _Claim, terms: _Terms) -> str:
    public_key.check_type_and_size(claim.key, allow_ec=terms.allow_ec, allow_p384=terms.allow_p384)
    return public_key.algorithm_name(claim.key)


def _check_signature_algorithm(claim: _Claim, terms: _Terms) -> str:
    try:
        algorithm = claim.request.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        algorithm = None
    accepted = _HASHES | {"sha1": "SHA-1"} if terms.allow_sha1 else _HASHES
    if algorithm is None or algorithm.name not in accepted:
        raise Refused("signature_algorithm", "The request is not signed with SHA-256, SHA-384 or SHA-512.")
    return accepted[algorithm.name]


def _check_subject(claim: _Claim, _: _Terms) -> str:
    return ", ".join(f"{key}={value}" for key, value in claim.subject)


def _check_not_blocked(claim: _Claim, terms: _Terms) -> str:
    public_key.check_not_blocked(claim.key, terms.blocked)
    return "not a published or blocked key"


def _check_signature(claim: _Claim, _: _Terms) -> str:
    try:
        _verify(claim.key, claim.request)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm) as error:
        raise Refused(
            "signature", "The request is not signed by its own key: it was changed, or put together from two."
        ) from error
    return "signed by its own key"


def _verify(key: PublicKey, request: x509.CertificateSigningRequest) -> None:
    # Not the library's is_signature_valid: that one knows no SHA-1, which some may be allowed.
    signed, signature = request.tbs_certrequest_bytes, request.signature
    match key, request.signature_algorithm_parameters, request.signature_hash_algorithm:
        case (rsa.RSAPublicKey() as rsa_key, AsymmetricPadding() as padding, HashAlgorithm() as algorithm):
            rsa_key.verify(signature, signed, padding, algorithm)
        case (ec.EllipticCurvePublicKey() as ec_key, ec.ECDSA() as ecdsa, _):
            ec_key.verify(signature, signed, ecdsa)
        case _:
            raise InvalidSignature


def _check_not_weak(claim: _Claim, _: _Terms) -> str:
    public_key.check_not_weak(claim.key)
    return "no known weakness"


_RULES: Final = (
    _Rule("key", _check_key, f"Make a new key: {_NEW_KEY}"),
    _Rule("signature_algorithm", _check_signature_algorithm, f"Sign again: {_NEW_REQUEST}"),
    _Rule("subject", _check_subject, f"Name it again: {_NEW_REQUEST}"),
    _Rule("blocked_key", _check_not_blocked, f"Make a key of your own: {_NEW_KEY}", needs_key=True),
    _Rule("signature", _check_signature, f"Sign again: {_NEW_REQUEST}", needs_key=True),
    _Rule("weak_key", _check_not_weak, f"Make a new key: {_NEW_KEY}", needs_key=True),
)

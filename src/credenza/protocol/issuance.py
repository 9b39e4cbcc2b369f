"""Issuance (RFC 5280 section 4): what our certificates say, who may sign them, and for how long they hold.

A profile is a row of data and decides everything but the key, the subject and the times. Order of use: the
caller draws 20 random bytes for `serial_from`, records the serial number, asks `validity` for the period, and
calls `make_root`, `make_issuing` or `make_leaf`. Nothing but the key and the allow-listed subject of a
request reaches a certificate.

The issuer's key is anything that implements `cryptography`'s private key class: only `sign` and `public_key`
are called, so a key in a PKCS#11 token fits behind those two methods.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from credenza.protocol import der, public_key, signature
from credenza.protocol.errors import Refused
from credenza.protocol.public_key import PublicKey

IssuerKey: TypeAlias = signature.IssuerKey

SERIAL_RANDOM_BYTES: Final = 20

# Clocks of clients run late by seconds to a few minutes; five minutes lets them in, and an hour is the most
# that a reader of the certificate would take for honest.
BACKDATING: Final = timedelta(minutes=5)

_SECOND: Final = timedelta(seconds=1)
_MOST_BEGUN: Final = 64

_VERSION_3: Final = der.encode(0xA0, der.encode_unsigned(2))
_EXTENSIONS: Final = 0xA3


@dataclass(frozen=True, slots=True)
class Profile:
    """What a kind of certificate says besides its key, names and times. `path_length` is None for a leaf; nobody asks
    whether one with `no_check` is revoked."""

    name: str
    path_length: int | None
    key_usage: frozenset[str]
    extended_key_usage: tuple[x509.ObjectIdentifier, ...] = ()
    no_check: bool = False

    @property
    def is_ca(self) -> bool:
        return self.path_length is not None


ROOT: Final = Profile("root", 1, frozenset({"key_cert_sign", "crl_sign"}))
ISSUING: Final = Profile("issuing", 0, frozenset({"key_cert_sign", "crl_sign"}))
CLIENT_LEAF: Final = Profile("client", None, frozenset({"digital_signature"}), (ExtendedKeyUsageOID.CLIENT_AUTH,))
SERVER_LEAF: Final = Profile("server", None, frozenset({"digital_signature"}), (ExtendedKeyUsageOID.SERVER_AUTH,))
# What protects payloads is no client of TLS, so that neither is taken for one (RFC 5280 4.2.1.12).
ENCRYPTION_LEAF: Final = Profile("encryption", None, frozenset({"key_encipherment"}))
SIGNATURE_LEAF: Final = Profile("signature", None, frozenset({"digital_signature"}))
# RFC 6960 4.2.2.2: who answers for an authority; short-lived, because nobody can ask whether it is revoked.
RESPONDER: Final = Profile(
    "responder", None, frozenset({"digital_signature"}), (ExtendedKeyUsageOID.OCSP_SIGNING,), no_check=True
)

_KEY_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True, slots=True)
class Validity:
    """The period of a certificate, both ends included, in whole seconds of UTC (RFC 5280 4.1.2.5)."""

    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Frame:
    """What many certificates of an issuer have in common: their profile, and where to learn more about the issuer."""

    profile: Profile
    ca_issuers_url: str | None = None
    crl_url: str | None = None
    ocsp_url: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """Everything that is signed, before the signature."""

    frame: Frame
    subject: x509.Name
    public_key: PublicKey
    serial_number: int
    validity: Validity
    names: tuple[x509.GeneralName, ...] = ()


def serial_from(random_bytes: bytes) -> int:
    """Make a serial number of 159 bits, 158 of them random, from exactly 20 bytes of a cryptographic source.

    RFC 5280 4.1.2.2: positive and at most 20 octets, so the highest bit is clear; the next one is set, so
    that all serial numbers are equally long and none begins with zeros.
    """
    if len(random_bytes) != SERIAL_RANDOM_BYTES:
        raise ValueError(f"a serial number takes {SERIAL_RANDOM_BYTES} random bytes, not {len(random_bytes)}")
    return int.from_bytes(random_bytes) & ((1 << 158) - 1) | 1 << 158


def validity(now: datetime, *, ends_at: datetime, issuer_not_after: datetime | None = None) -> Validity:
    """Return the period from just before now up to, but without, `ends_at`, and never beyond the issuer's own
    end.

    Raises Refused("issuer_expired") when nothing is left. The three times are aware; fractions of a second
    are dropped.
    """
    # RFC 5280 4.1.2.5: the period includes its last second.
    not_after = _whole_seconds(ends_at) - _SECOND
    if issuer_not_after is not None:
        not_after = min(not_after, _whole_seconds(issuer_not_after))
    if not_after <= now:
        raise Refused(
            "issuer_expired", "The period asked for ends before it begins, or the issuing certificate has expired."
        )
    return Validity(_whole_seconds(now - BACKDATING), not_after)


def make_root(
    root_key: IssuerKey, *, subject: x509.Name, public_key: PublicKey, serial_number: int, validity: Validity
) -> x509.Certificate:
    """Make a certificate that signs itself. `public_key` is the public half of `root_key`."""
    template = Template(Frame(ROOT), subject, public_key, serial_number, validity)
    return _sign(template, root_key, _begin(template.frame, subject, _key_identifier(public_key)))


def make_issuing(
    issuer_key: IssuerKey,
    issuer: x509.Certificate,
    *,
    subject: x509.Name,
    public_key: PublicKey,
    serial_number: int,
    validity: Validity,
    ca_issuers_url: str | None = None,
    crl_url: str | None = None,
) -> x509.Certificate:
    """Make the certificate of an issuing authority, one for each environment, which signs leaves and nothing else."""
    frame = Frame(ISSUING, ca_issuers_url, crl_url)
    template = Template(frame, subject, public_key, serial_number, validity)
    return sign_certificate(template, issuer_key, issuer)


def make_leaf(
    issuer_key: IssuerKey,
    issuer: x509.Certificate,
    *,
    profile: Profile,
    subject: x509.Name,
    public_key: PublicKey,
    serial_number: int,
    validity: Validity,
    hosts: tuple[str | IPv4Address | IPv6Address, ...] = (),
    ca_issuers_url: str | None = None,
    crl_url: str | None = None,
    ocsp_url: str | None = None,
) -> x509.Certificate:
    """Make a client's, server's or responder's certificate. `hosts` are the DNS names and addresses of a server."""
    names = tuple(x509.DNSName(host) if isinstance(host, str) else x509.IPAddress(host) for host in hosts)
    frame = Frame(profile, ca_issuers_url, crl_url, ocsp_url)
    template = Template(frame, subject, public_key, serial_number, validity, names)
    return sign_certificate(template, issuer_key, issuer)


def sign_certificate(template: Template, issuer_key: IssuerKey, issuer: x509.Certificate) -> x509.Certificate:
    """Sign the template in the name of issuer, whose private key is `issuer_key`, with SHA-256."""
    return _sign(template, issuer_key, _begun(template.frame, issuer))


@dataclass(frozen=True, slots=True)
class _Begun:
    """What all certificates of an issuer repeat that have a frame in common, as it is written (DER)."""

    issuer_name: bytes
    extensions: bytes


def _sign(template: Template, issuer_key: IssuerKey, begun: _Begun) -> x509.Certificate:
    algorithm = signature.algorithm(issuer_key)
    to_be_signed = der.encode(
        der.SEQUENCE,
        _VERSION_3,
        der.encode_unsigned(template.serial_number),
        algorithm,
        begun.issuer_name,
        _encoded_validity(template.validity),
        template.subject.public_bytes(),
        public_key.spki_der(template.public_key),
        der.encode(_EXTENSIONS, der.encode(der.SEQUENCE, begun.extensions, *_own_extensions(template))),
    )
    signed = der.encode(der.SEQUENCE, to_be_signed, algorithm, signature.sign(issuer_key, to_be_signed))
    return x509.load_der_x509_certificate(signed)


def _encoded_validity(validity: Validity) -> bytes:
    return der.encode(der.SEQUENCE, signature.time(validity.not_before), signature.time(validity.not_after))


def _own_extensions(template: Template) -> Iterator[bytes]:
    yield _extension(_key_identifier(template.public_key))
    if template.names:
        yield _extension(x509.SubjectAlternativeName(template.names))


@lru_cache(maxsize=_MOST_BEGUN)
def _begun(frame: Frame, issuer: x509.Certificate) -> _Begun:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return _begin(frame, issuer.subject, identifier)


def _begin(frame: Frame, issuer_name: x509.Name, issuer_key_identifier: x509.SubjectKeyIdentifier) -> _Begun:
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key_identifier)
    # RFC 5280 4.2.1.9 and 4.2.1.3: critical, so that software which cannot read them refuses the certificate.
    constraints = (_extension(each, critical=True) for each in _constraints(frame.profile))
    told = map(_extension, (*_purposes(frame.profile), authority, *_references(frame)))
    return _Begun(issuer_name.public_bytes(), b"".join((*constraints, *told)))


def _constraints(profile: Profile) -> Iterator[x509.ExtensionType]:
    yield x509.BasicConstraints(ca=profile.is_ca, path_length=profile.path_length)
    yield x509.KeyUsage(**{usage: usage in profile.key_usage for usage in _KEY_USAGES})


def _purposes(profile: Profile) -> Iterator[x509.ExtensionType]:
    if profile.extended_key_usage:
        yield x509.ExtendedKeyUsage(profile.extended_key_usage)
    if profile.no_check:
        yield x509.OCSPNoCheck()


def _references(frame: Frame) -> Iterator[x509.ExtensionType]:
    access = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
        for method, url in (
            (AuthorityInformationAccessOID.OCSP, frame.ocsp_url),
            (AuthorityInformationAccessOID.CA_ISSUERS, frame.ca_issuers_url),
        )
        if url is not None
    ]
    if access:
        yield x509.AuthorityInformationAccess(access)
    if frame.crl_url is not None:
        location = x509.UniformResourceIdentifier(frame.crl_url)
        yield x509.CRLDistributionPoints([x509.DistributionPoint([location], None, None, None)])


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> bytes:
    return signature.extension(der.encode_dotted(value.oid.dotted_string), value.public_bytes(), critical=critical)


def _key_identifier(public_key: PublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(public_key)


def _whole_seconds(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)

"""The name that a client of `tls_client_auth` is known by: RFC 8705 2.1.2, one of five, in its certificate.

A certificate that is trusted says who its holder is; this is who the client is registered to be. Names are compared as
RFC 5280 section 7 says and never by how they are spelt.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from credenza.protocol import certificate, distinguished_name
from credenza.protocol.errors import Malformed, Refused

LONGEST_VALUE: Final = 500

_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*")
# RFC 4514 3 has nine short names; these are of RFC 4519 and RFC 2985, as openssl spells them.
_SHORT_NAMES: Final = {
    "serialNumber": NameOID.SERIAL_NUMBER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "title": NameOID.TITLE,
    "GN": NameOID.GIVEN_NAME,
    "SN": NameOID.SURNAME,
    "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
    "CN": NameOID.COMMON_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "C": NameOID.COUNTRY_NAME,
    "STREET": NameOID.STREET_ADDRESS,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
}
# RFC 4512 1.4: the case of a short name does not count.
_SPELLINGS: Final = {
    spelling: oid for name, oid in _SHORT_NAMES.items() for spelling in (name, name.upper(), name.lower())
}


class NameKind(StrEnum):
    """Where in a certificate the name stands. The values are the end of RFC 8705's `tls_client_auth_…`."""

    SUBJECT_DN = "subject_dn"
    SAN_DNS = "san_dns"
    SAN_URI = "san_uri"
    SAN_IP = "san_ip"
    SAN_EMAIL = "san_email"


_FORMS: Final[dict[NameKind, type[x509.GeneralName]]] = {
    NameKind.SAN_DNS: x509.DNSName,
    NameKind.SAN_URI: x509.UniformResourceIdentifier,
    NameKind.SAN_IP: x509.IPAddress,
    NameKind.SAN_EMAIL: x509.RFC822Name,
}


@dataclass(frozen=True, slots=True)
class TlsClientName:
    """A registered name, spelt as its owner did: a subject as RFC 4514 writes it, anything else as it is."""

    kind: NameKind
    value: str


def parse(kind: NameKind, value: str) -> TlsClientName:
    """Read what somebody wants to register. Raises Malformed("value")."""
    if len(value) > LONGEST_VALUE:
        raise Malformed("value", f"The name has {len(value)} characters; {LONGEST_VALUE} at most.")
    _comparable(kind, value)
    return TlsClientName(kind, value)


def check(leaf: x509.Certificate, name: TlsClientName) -> None:
    """Refuse a certificate that does not have the name. Raises Refused("name") with both, for the client's owner."""
    if _comparable(name.kind, name.value) not in _comparables(leaf, name.kind):
        shown = ", ".join(_values(leaf, name.kind))[:1000] or "none"
        raise Refused("name", f"{name.kind} is registered as {name.value!r}; the certificate has {shown}.")


def shown_subject(leaf: x509.Certificate) -> str:
    """Spell a certificate's subject as a `subject_dn` is registered: RFC 4514, its last attribute first."""
    spelt = {oid: name for name, oid in _SHORT_NAMES.items()}
    return leaf.subject.rfc4514_string(spelt)


def _comparables(leaf: x509.Certificate, kind: NameKind) -> list[str]:
    if kind is NameKind.SUBJECT_DN:
        return [certificate.canonical_subject(leaf)]
    found: list[str] = []
    for value in _values(leaf, kind):
        with suppress(Malformed):  # what could not be registered is nobody's name
            found.append(_comparable(kind, value))
    return found


def _values(leaf: x509.Certificate, kind: NameKind) -> list[str]:
    if kind is NameKind.SUBJECT_DN:
        return [shown_subject(leaf)]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    return [str(each.value) for each in names if isinstance(each, _FORMS[kind])]


# A client's requests come with the same certificate, and its name is spelt the same in all of them.
@lru_cache(maxsize=1024)
def _comparable(kind: NameKind, value: str) -> str:
    """Spell a name so that two are the same exactly when these strings are equal (RFC 5280 7). Raises Malformed."""
    return _READERS[kind](value)


def _subject(value: str) -> str:
    try:
        name = x509.Name.from_rfc4514_string(value, _SPELLINGS)
    except ValueError:
        raise _unreadable(
            "a subject as RFC 4514 writes it, its last attribute first and without spaces after commas: "
            "CN=till 7,O=Acme,C=DE"
        ) from None
    if not name.rdns:
        raise _unreadable("a subject that is not empty")
    return distinguished_name.canonical(distinguished_name.of_name(name))


def _host(value: str) -> str:
    # An asterisk is registered and compared as itself: nobody's certificate for many names is one client's.
    if _HOST.fullmatch(value) is None:
        raise _unreadable("a host name in ASCII, like till7.acme.example")
    return value.lower()


def _uri(value: str) -> str:
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme or not (parts.netloc or parts.path) or not value.isascii() or not value.isprintable():
        raise _unreadable("a URI with its scheme, like spiffe://acme.example/till-7")
    # RFC 5280 7.4: scheme and host in any case, the rest as it is.
    rest = value[len(parts.scheme) + 1 :].removeprefix("//").removeprefix(parts.netloc)
    return (
        f"{parts.scheme.lower()}://{parts.netloc.lower()}{rest}" if parts.netloc else f"{parts.scheme.lower()}:{rest}"
    )


def _ip(value: str) -> str:
    try:
        return ip_address(value).exploded
    except ValueError:
        raise _unreadable("an IPv4 or IPv6 address, like 192.0.2.7") from None


def _email(value: str) -> str:
    local, _, host = value.rpartition("@")
    if not local or _HOST.fullmatch(host) is None or not value.isascii() or not value.isprintable():
        raise _unreadable("a mail address in ASCII, like till7@acme.example")
    return f"{local}@{host.lower()}"  # RFC 5280 7.5: the part before the @ in its own case


def _unreadable(wanted: str) -> Malformed:
    return Malformed("value", f"The name has to be {wanted}.")


_READERS: Final[dict[NameKind, Callable[[str], str]]] = {
    NameKind.SUBJECT_DN: _subject,
    NameKind.SAN_DNS: _host,
    NameKind.SAN_URI: _uri,
    NameKind.SAN_IP: _ip,
    NameKind.SAN_EMAIL: _email,
}

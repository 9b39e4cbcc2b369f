"""Distinguished names (RFC 5280 4.1.2.4 and 7.1): what we read, what we take over, and when two are the same.

A name is read from its DER and not through a library's attributes, because the string type decides whether we
take a value and because names longer than their bounds must be readable to be refused.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.x509.oid import NameOID

from credenza.protocol import der
from credenza.protocol.errors import Malformed, Refused

Subject: TypeAlias = tuple[tuple[str, str], ...]
"""Allow-listed attributes in the order of the request: `(("O", "Acme"), ("CN", "billing"))`."""

LONGEST_VALUE: Final = 64

_ALLOWED: Final = {
    "C": NameOID.COUNTRY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
}
_SHORT_NAMES: Final = {oid.dotted_string: name for name, oid in _ALLOWED.items()}
_MOST_UNITS: Final = 8

_UTF8_STRING: Final = 0x0C
_PRINTABLE_STRING: Final = 0x13
_ENCODINGS: Final = {
    _UTF8_STRING: "utf-8",
    0x12: "ascii",  # NumericString
    _PRINTABLE_STRING: "ascii",
    0x14: "latin-1",  # TeletexString: what everybody wrote into it
    0x16: "ascii",  # IA5String
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_PRINTABLE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")
_INVISIBLE: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute type and value. `string_type` is the tag of the ASN.1 string it came in."""

    oid: str
    value: str
    string_type: int

    @property
    def name(self) -> str:
        return _SHORT_NAMES.get(self.oid, self.oid)


DistinguishedName: TypeAlias = tuple[tuple[Attribute, ...], ...]


def parse(name: der.Element) -> DistinguishedName:
    """Read a Name. Raises Malformed("subject") when a value is not the string that its type promises."""
    return tuple(tuple(_attribute(attribute) for attribute in rdn.children) for rdn in name.children)


def describe(name: DistinguishedName) -> str:
    """Write it for people, in the order of the certificate: `C=DE, O=Acme, CN=billing`."""
    return ", ".join("+".join(f"{attribute.name}={attribute.value}" for attribute in rdn) for rdn in name)


def canonical(name: DistinguishedName) -> str:
    """Write it so that two names are the same by RFC 5280 7.1 exactly when these strings are equal.

    Case, runs of white space, string types and the order inside a multi-valued RDN do not count; the order of
    RDNs does. Attributes whose comparison is stricter than that (the local part of an e-mail address) compare
    more loosely here, which only ever refuses more.
    """
    return ",".join("+".join(sorted(f"{item.oid}={_prepared(item.value)}" for item in rdn)) for rdn in name)


def allowed_subject(name: DistinguishedName) -> Subject:
    """Take the allow-listed attributes over, in order; the rest is dropped. Raises Refused("subject")."""
    kept = [attribute for rdn in name for attribute in rdn if attribute.oid in _SHORT_NAMES]
    for attribute in kept:
        if attribute.string_type not in {_UTF8_STRING, _PRINTABLE_STRING}:
            # RFC 5280 4.1.2.4: new subjects use UTF8String or PrintableString, nothing else.
            raise Refused("subject", f"{attribute.name} must be a UTF8String or a PrintableString.")
    subject = tuple((attribute.name, attribute.value) for attribute in kept)
    check_subject(subject)
    return subject


def check_subject(subject: Subject) -> None:
    """Raise Refused("subject") unless there is one CN and every value is one that RFC 5280 appendix A allows."""
    names = [name for name, _ in subject]
    for name in _ALLOWED:
        most = _MOST_UNITS if name == "OU" else 1
        if names.count(name) > most:
            raise Refused("subject", f"The subject holds {name} {names.count(name)} times; {most} at most.")
    if "CN" not in names:
        raise Refused("subject", "The subject has no common name (CN), the one attribute that is mandatory.")
    for name, value in subject:
        _check_value(name, value)


def to_name(subject: Subject) -> x509.Name:
    return x509.Name([x509.NameAttribute(_ALLOWED[name], value) for name, value in subject])


def of_name(name: x509.Name) -> DistinguishedName:
    return parse(der.parse(name.public_bytes(), field="subject"))


def _attribute(attribute: der.Element) -> Attribute:
    oid, value = attribute.children
    encoding = _ENCODINGS.get(value.tag)
    try:
        # A value of a type we do not know is kept as hex: it takes part in comparisons and in nothing else.
        text = value.content.decode(encoding) if encoding else f"#{value.encoded.hex()}"
    except UnicodeDecodeError as error:
        raise Malformed("subject", "A value of the subject is not the kind of string it says it is.") from error
    return Attribute(der.dotted(oid), text, value.tag)


def _check_value(name: str, value: str) -> None:
    if not value.strip():
        raise Refused("subject", f"{name} is empty.")
    if len(value) > LONGEST_VALUE:
        raise Refused("subject", f"{name} has {len(value)} characters; {LONGEST_VALUE} at most.")
    if any(unicodedata.category(character) in _INVISIBLE for character in value):
        raise Refused("subject", f"{name} holds a control character, or one that nobody can see.")
    if name == "C" and not (len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()):
        raise Refused("subject", "C must be a country code of two capital letters, like DE.")
    if name == "serialNumber" and not _PRINTABLE.issuperset(value):
        # RFC 5280 appendix A: X520SerialNumber is a PrintableString, whatever type it was sent in.
        raise Refused("subject", "serialNumber may hold ASCII letters, digits, spaces and '()+,-./:=? only.")


def _prepared(value: str) -> str:
    # RFC 4518 2.2 to 2.6, with the case folding of the Unicode of this Python: map, fold, normalize, squeeze
    # spaces.
    mapped = unicodedata.normalize("NFKC", "".join(_mapped(character) for character in value))
    folded = unicodedata.normalize("NFKC", mapped.casefold())
    squeezed = " ".join(folded.split())
    return "".join(f"\\{character}" if character in "\\,+=" else character for character in squeezed)


def _mapped(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in {"Cc", "Cf"} else character

"""RFC 8705 2.1.2: a client is known by one name of its certificate, compared as RFC 5280 7 says."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from tests.clock import NOON

from credenza.protocol import tls_client_name
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.tls_client_name import NameKind

KEY = ec.generate_private_key(ec.SECP256R1())
SUBJECT = ((NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "Acme, Inc."), (NameOID.COMMON_NAME, "Till 7"))
NAMES = (
    x509.DNSName("till7.acme.example"),
    x509.DNSName("spare.acme.example"),
    x509.UniformResourceIdentifier("spiffe://acme.example/Till-7"),
    x509.IPAddress(ip_address("2001:db8::7")),
    x509.RFC822Name("Till7@acme.example"),
)


def leaf(
    subject: tuple[tuple[x509.ObjectIdentifier, str], ...] = SUBJECT, names: tuple[x509.GeneralName, ...] = NAMES
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    made = x509.CertificateBuilder(name, name, KEY.public_key(), 7, NOON, NOON)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(KEY, SHA256())


def is_known(kind: NameKind, value: str, certificate: x509.Certificate | None = None) -> bool:
    try:
        tls_client_name.check(certificate or leaf(), tls_client_name.parse(kind, value))
    except Refused:
        return False
    return True


@pytest.mark.parametrize(
    "spelt",
    [
        r"CN=Till 7,O=Acme\, Inc.,C=DE",
        r"cn=TILL 7,o=acme\2c inc.,c=DE",
        r"2.5.4.3=Till 7,2.5.4.10=Acme\, Inc.,2.5.4.6=DE",
        r"CN=  Till   7".replace("=  ", r"=\ \ ") + r",O=Acme\, Inc.,C=DE",
    ],
    ids=["as RFC 4514 says", "other cases and escapes", "numbers", "more spaces"],
)
def test_a_subject_is_the_same_however_it_is_spelt(spelt: str) -> None:
    assert is_known(NameKind.SUBJECT_DN, spelt)


@pytest.mark.parametrize(
    "spelt",
    [
        r"C=DE,O=Acme\, Inc.,CN=Till 7",
        r"CN=Till 7,O=Acme\, Inc.",
        r"CN=Till 7",
        r"O=Acme\, Inc.,C=DE",
        r"CN=Till,O=Acme\, Inc.,C=DE",
        r"CN=Till 77,O=Acme\, Inc.,C=DE",
        r"CN=Till 7,O=Acme\, Inc.,C=DE,DC=example",
        r"CN=Till 7+O=Acme\, Inc.,C=DE",
        r"CN=Till 7\,O=Acme\\\, Inc.,C=DE",
    ],
    ids=[
        "other order",
        "the end",
        "one attribute",
        "the beginning",
        "a shorter value",
        "a longer value",
        "one more",
        "one RDN of two",
        "escaped commas",
    ],
)
def test_a_subject_is_compared_whole_and_in_order(spelt: str) -> None:
    assert not is_known(NameKind.SUBJECT_DN, spelt)


def test_the_subject_is_shown_as_it_is_registered() -> None:
    odd = (*SUBJECT, (NameOID.SERIAL_NUMBER, "A-1"), (NameOID.EMAIL_ADDRESS, "a@acme.example"))
    shown = tls_client_name.shown_subject(leaf(odd))

    assert shown == r"emailAddress=a@acme.example,serialNumber=A-1,CN=Till 7,O=Acme\, Inc.,C=DE"
    assert is_known(NameKind.SUBJECT_DN, shown, leaf(odd))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (NameKind.SAN_DNS, "till7.acme.example"),
        (NameKind.SAN_DNS, "SPARE.Acme.Example"),
        (NameKind.SAN_URI, "SPIFFE://ACME.example/Till-7"),
        (NameKind.SAN_IP, "2001:0DB8:0:0:0:0:0:7"),
        (NameKind.SAN_EMAIL, "Till7@ACME.example"),
    ],
)
def test_each_kind_of_name_is_compared_by_its_own_rule(kind: NameKind, value: str) -> None:
    assert is_known(kind, value)
    assert not is_known(kind, value, leaf(names=()))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (NameKind.SAN_DNS, "acme.example"),
        (NameKind.SAN_DNS, "*.acme.example"),
        (NameKind.SAN_DNS, "till7.acme"),
        (NameKind.SAN_URI, "spiffe://acme.example/Till"),
        (NameKind.SAN_URI, "spiffe://acme.example/till-7"),
        (NameKind.SAN_URI, "spiffe://acme.example/Till-7/"),
        (NameKind.SAN_IP, "2001:db8::8"),
        (NameKind.SAN_EMAIL, "till7@acme.example"),
    ],
)
def test_a_name_that_is_only_alike_is_another(kind: NameKind, value: str) -> None:
    assert not is_known(kind, value)


def test_a_certificate_for_many_hosts_is_the_client_of_none_of_them() -> None:
    many = leaf(names=(x509.DNSName("*.acme.example"),))

    assert not is_known(NameKind.SAN_DNS, "till7.acme.example", many)
    assert is_known(NameKind.SAN_DNS, "*.acme.example", many)


def test_a_name_of_one_kind_is_none_of_another() -> None:
    named = leaf(names=(x509.UniformResourceIdentifier("dns:till7.acme.example"), x509.DNSName("192.0.2.7")))

    assert not is_known(NameKind.SAN_DNS, "till7.acme.example", named)
    assert not is_known(NameKind.SAN_IP, "192.0.2.7", named)


def test_what_does_not_match_is_told_beside_what_is_registered() -> None:
    name = tls_client_name.parse(NameKind.SAN_DNS, "other.example")

    with pytest.raises(Refused, match=r"san_dns is registered as 'other.example'; .* till7.acme.example, spare"):
        tls_client_name.check(leaf(), name)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (NameKind.SUBJECT_DN, ""),
        (NameKind.SUBJECT_DN, "Till 7"),
        (NameKind.SUBJECT_DN, "CN=Till 7, O=Acme"),
        (NameKind.SUBJECT_DN, "CN=Till 7,"),
        (NameKind.SUBJECT_DN, r"CN=\zz"),
        (NameKind.SUBJECT_DN, "NAME=x"),
        (NameKind.SAN_DNS, ""),
        (NameKind.SAN_DNS, "till7 acme"),
        (NameKind.SAN_DNS, "tíll.example"),
        (NameKind.SAN_DNS, "https://till7.example"),
        (NameKind.SAN_URI, "till7.example"),
        (NameKind.SAN_URI, "spiffe:"),
        (NameKind.SAN_URI, "https://[::1"),
        (NameKind.SAN_URI, "urn:a\nb"),
        (NameKind.SAN_IP, "192.0.2.0/24"),
        (NameKind.SAN_IP, "till7.example"),
        (NameKind.SAN_EMAIL, "till7"),
        (NameKind.SAN_EMAIL, "@acme.example"),
        (NameKind.SAN_DNS, "a" * 501),
    ],
)
def test_what_is_no_name_of_its_kind_is_refused(kind: NameKind, value: str) -> None:
    with pytest.raises(Malformed) as malformed:
        tls_client_name.parse(kind, value)

    assert malformed.value.field == "value"

"""The bodies of EST: RFC 7030 4.1.3, 4.2.1 to 4.2.3, RFC 8951."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtensionOID, NameOID
from tests.protocol.authorities import Party

from credenza.protocol import csr, est
from credenza.protocol.errors import Malformed, Refused

KEY = ec.generate_private_key(ec.SECP256R1())
HELD = Party("till 7").root()


def asked(name: x509.Name, *extensions: x509.ExtensionType) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for each in extensions:
        builder = builder.add_extension(each, critical=False)
    return builder.sign(KEY, SHA256()).public_bytes(Encoding.DER)


def named(common_name: str) -> x509.Name:
    """The held certificate's subject, with another CN."""
    return x509.Name(
        [
            x509.NameAttribute(each.oid, common_name if each.oid == NameOID.COMMON_NAME else each.value)
            for each in HELD.subject
        ]
    )


@pytest.mark.parametrize("spell", [base64.b64encode, base64.encodebytes, lambda der: b"\r\n " + base64.b64encode(der)])
def test_a_request_is_read_with_line_breaks_and_without(spell: object) -> None:
    der = asked(HELD.subject)

    assert est.read_request(spell(der)) == der  # type: ignore[operator]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no certification request"),
        (b"MII", "not base64"),
        (b"TUlJ=QUFB", "not base64"),
        (b"\xff\xfe", "not base64"),
        (csr.build(KEY, common_name="x"), "not base64"),
        (base64.b64encode(b"hello"), "no certification request"),
    ],
)
def test_what_is_no_request_says_how_to_make_one(body: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says) as malformed:
        est.read_request(body)

    assert "openssl req -outform DER | base64" in str(malformed.value)


def test_certificates_are_written_as_pkcs_7_in_lines_of_base64() -> None:
    other = Party("other").root()

    written = est.write_certificates([each.public_bytes(Encoding.DER) for each in (HELD, other)])

    assert set(pkcs7.load_der_pkcs7_certificates(base64.b64decode(written))) == {HELD, other}
    assert max(map(len, written.splitlines())) == 76


def test_the_same_subject_may_be_spelt_otherwise() -> None:
    est.check_same_names(asked(HELD.subject), HELD)
    est.check_same_names(asked(named("  TILL   7 ")), HELD)


def test_another_subject_is_refused_and_the_right_one_named() -> None:
    more = x509.Name([x509.NameAttribute(NameOID.LOCALITY_NAME, "Ulm"), *HELD.subject])
    for name in (named("till 8"), more, x509.Name([])):
        with pytest.raises(Refused) as refused:
            est.check_same_names(asked(name), HELD)
        assert (refused.value.reason, HELD.subject.rfc4514_string() in str(refused.value)) == ("subject", True)


def test_alternative_names_are_compared_as_a_set() -> None:
    names = [x509.DNSName("a.example"), x509.DNSName("b.example")]
    held = Party("till 7").certify(Party("till 7"), extensions=((x509.SubjectAlternativeName(names), False),))
    same = x509.SubjectAlternativeName(names[::-1])

    est.check_same_names(asked(held.subject, same), held)
    for wrong in ((), (x509.SubjectAlternativeName(names[:1]),)):
        with pytest.raises(Refused, match="alternative"):
            est.check_same_names(asked(held.subject, *wrong), held)
    with pytest.raises(Refused, match="alternative"):
        est.check_same_names(asked(HELD.subject, same), HELD)


def test_alternative_names_that_cannot_be_read_are_malformed() -> None:
    broken = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x03\x82")

    with pytest.raises(Malformed, match="cannot be read"):
        est.check_same_names(asked(HELD.subject, broken), HELD)

"""Certificates, read one at a time."""

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.protocol import forge

from credenza.protocol import certificate, der, distinguished_name, issuance
from credenza.protocol.errors import Malformed, Refused

NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)
BASIC_CONSTRAINTS = "2.5.29.19"


@pytest.fixture(scope="module")
def root(ec_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return issuance.make_root(
        ec_key,
        subject=distinguished_name.to_name((("O", "Acme"), ("CN", "Acme Root"))),
        public_key=ec_key.public_key(),
        serial_number=0xABC,
        validity=issuance.validity(NOW, ends_at=NOW + timedelta(days=3650)),
    )


def forged(
    key: ec.EllipticCurvePrivateKey,
    *,
    version: bytes = der.encode(0xA0, der.encode_unsigned(2)),
    serial_number: bytes = der.encode_unsigned(1),
    subject: bytes | None = None,
    extensions: tuple[tuple[str, bytes], ...] = (),
) -> bytes:
    algorithm = forge.sequence(forge.oid(forge.ECDSA_WITH_SHA256))
    times = forge.sequence(der.encode(0x17, b"250131120000Z"), der.encode(0x17, b"260131120000Z"))
    listed = [forge.sequence(forge.oid(kind), der.encode(der.OCTET_STRING, value)) for kind, value in extensions]
    to_be_signed = forge.sequence(
        version,
        serial_number,
        algorithm,
        forge.common_name("issuer"),
        times,
        subject or forge.common_name("subject"),
        forge.spki(key.public_key()),
        der.encode(0xA3, forge.sequence(*listed)) if listed else b"",
    )
    return forge.sequence(to_be_signed, algorithm, forge.bit_string(key.sign(to_be_signed, ec.ECDSA(SHA256()))))


def test_pem_and_der_are_the_same_certificate(root: x509.Certificate) -> None:
    pem = root.public_bytes(Encoding.PEM)

    assert certificate.parse(root.public_bytes(Encoding.DER)) == root
    assert certificate.parse(pem) == root
    assert certificate.parse(pem.decode().replace("\n", "\\n")) == root


def test_a_certificate_is_described_in_words(root: x509.Certificate, ec_key) -> None:
    described = certificate.describe(root)

    assert described.subject == described.issuer == "O=Acme, CN=Acme Root"
    assert described.serial_number_hex == "abc"
    assert described.not_before == NOW - timedelta(minutes=5)
    assert described.not_after == NOW + timedelta(days=3650) - timedelta(seconds=1)
    assert described.key_algorithm == "EC-P256"
    assert described.x5t_s256_hex == root.fingerprint(SHA256()).hex()
    assert described.is_ca
    assert described.extended_key_usage == ()


def test_the_uses_of_a_leaf_are_named(ec_key) -> None:
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, x509.ObjectIdentifier("1.2.3.4")])
    leaf = certificate.parse(forged(ec_key, extensions=(("2.5.29.37", usage.public_bytes()),)))

    described = certificate.describe(leaf)

    assert described.extended_key_usage == ("clientAuth", "1.2.3.4")
    assert not described.is_ca


def test_subjects_are_compared_by_rfc_5280(ec_key) -> None:
    spellings = (
        forge.common_name("Acme Billing"),
        forge.common_name("ACME  BILLING", forge.PRINTABLE_STRING),
        forge.common_name("acme billing", forge.BMP_STRING, "utf-16-be"),
    )

    canonical = {
        certificate.canonical_subject(certificate.parse(forged(ec_key, subject=subject))) for subject in spellings
    }

    assert canonical == {"2.5.4.3=acme billing"}


def test_a_name_beyond_its_bounds_can_still_be_described(ec_key) -> None:
    leaf = certificate.parse(forged(ec_key, subject=forge.common_name("x" * 100)))

    assert certificate.describe(leaf).subject == "CN=" + "x" * 100


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _: forge.sequence(), id="an empty sequence"),
        pytest.param(lambda _: "prose", id="prose"),
        pytest.param(lambda encoded: encoded + b"\0", id="trailing octet"),
        pytest.param(lambda encoded: b"\x30\x80" + encoded[4:] + b"\0\0", id="indefinite length"),
        pytest.param(lambda encoded: encoded + encoded, id="two certificates"),
    ],
)
def test_anything_but_one_certificate_is_malformed(ec_key, change) -> None:
    with pytest.raises(Malformed) as caught:
        certificate.parse(change(forged(ec_key)))

    assert caught.value.field == "certificate"
    assert str(caught.value).endswith("openssl x509 -in certificate.pem")


def test_a_certificate_that_cannot_be_described_is_malformed(ec_key) -> None:
    constraints = x509.BasicConstraints(ca=False, path_length=None).public_bytes()
    bad = {
        "version 1": forged(ec_key, version=b""),
        "doubled extension": forged(ec_key, extensions=((BASIC_CONSTRAINTS, constraints),) * 2),
        "extension that is no DER": forged(ec_key, extensions=((BASIC_CONSTRAINTS, b"\xff"),)),
        "version 9": forged(ec_key, version=der.encode(0xA0, der.encode_unsigned(8))),
    }

    for encoded in bad.values():
        with pytest.raises(Malformed):
            certificate.parse(encoded)


@pytest.mark.parametrize("serial_number", [b"\xff", b"\0"], ids=["negative", "zero"])
def test_a_serial_number_that_is_not_positive_is_malformed(ec_key, serial_number: bytes) -> None:
    with pytest.raises(Malformed):
        certificate.parse(forged(ec_key, serial_number=der.encode(der.INTEGER, serial_number)))


def test_a_private_key_sent_by_mistake_is_refused(ec_key) -> None:
    key = ec_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(Refused) as caught:
        certificate.parse(key)

    assert caught.value.reason == "private_key"


def test_a_bundle_is_read_in_its_order(root: x509.Certificate, ec_key: ec.EllipticCurvePrivateKey) -> None:
    other = certificate.parse(forged(ec_key))
    text = b"".join(each.public_bytes(Encoding.PEM) for each in (other, root))

    assert certificate.parse_bundle(text) == (other, root)
    with pytest.raises(Malformed, match="one PEM block after another"):
        certificate.parse_bundle(text + text[:100])


def test_the_key_is_read_as_it_was_sent(root: x509.Certificate) -> None:
    """The library takes spelt-out parameters for the curve that they describe (RFC 5480 2.1.1 forbids them)."""
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-pkeyopt", "ec_param_enc:explicit"]
    command = ["openssl", "req", "-x509", *options, "-noenc", "-keyout", "/dev/null", "-subj", "/CN=x"]
    explicit = certificate.parse(subprocess.run(command, check=True, capture_output=True).stdout)

    assert certificate.public_key_of(root) == root.public_key()
    with pytest.raises(Refused, match="spells out curve parameters"):
        certificate.public_key_of(explicit)

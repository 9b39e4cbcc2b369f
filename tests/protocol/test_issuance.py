"""Certificates we issue: what is in them, how long they hold, and that strangers' tools agree."""

import subprocess
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store
from hypothesis import given, settings
from hypothesis import strategies as st
from pkilint import loader, validation
from pkilint.pkix import certificate as pkix
from pkilint.pkix import extension, name
from tests.protocol import forge

from credenza.protocol import certificate, csr, distinguished_name, issuance
from credenza.protocol.errors import Refused
from credenza.protocol.issuance import (
    CLIENT_LEAF,
    ENCRYPTION_LEAF,
    ISSUING,
    ROOT,
    SERVER_LEAF,
    SIGNATURE_LEAF,
    Validity,
)

NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)
IN_13_MONTHS = datetime(2026, 2, 28, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CA_ISSUERS_URL = "http://manage.example/pki/issuing.cer"
CRL_URL = "http://manage.example/pki/issuing.crl"


class TokenKey(ec.EllipticCurvePrivateKey):
    """A key that signs and never shows itself, as one in a PKCS#11 token does."""

    def __init__(self, hidden: ec.EllipticCurvePrivateKey) -> None:
        self._hidden = hidden

    def sign(self, data, signature_algorithm):
        return self._hidden.sign(data, signature_algorithm)

    def public_key(self):
        return self._hidden.public_key()

    @property
    def curve(self):
        return self._hidden.curve

    @property
    def key_size(self):
        return self._hidden.key_size

    def exchange(self, algorithm, peer_public_key):
        raise NotImplementedError

    def private_numbers(self):
        raise NotImplementedError

    def private_bytes(self, encoding, format, encryption_algorithm):  # noqa: A002 - the library's name
        raise NotImplementedError

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


class Authority:
    """A root and an issuing certificate over it, with fixed serial numbers and times."""

    def __init__(self) -> None:
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.issuing_key = ec.generate_private_key(ec.SECP256R1())
        self.root = issuance.make_root(
            self.root_key,
            subject=distinguished_name.to_name((("O", "Acme"), ("CN", "Acme Root"))),
            public_key=self.root_key.public_key(),
            serial_number=issuance.serial_from(bytes(range(20))),
            validity=issuance.validity(NOW, ends_at=NOW + timedelta(days=7300)),
        )
        self.issuing = issuance.make_issuing(
            self.root_key,
            self.root,
            subject=distinguished_name.to_name((("O", "Acme"), ("CN", "Acme Sandbox Issuing 1"))),
            public_key=self.issuing_key.public_key(),
            serial_number=issuance.serial_from(bytes(range(1, 21))),
            validity=issuance.validity(
                NOW, ends_at=NOW + timedelta(days=3650), issuer_not_after=self.root.not_valid_after_utc
            ),
            ca_issuers_url="http://manage.example/pki/root.cer",
            crl_url="http://manage.example/pki/root.crl",
        )

    def leaf(self, request: csr.CertificationRequest, **other: object) -> x509.Certificate:
        return issuance.make_leaf(
            self.issuing_key,
            self.issuing,
            **{
                "profile": CLIENT_LEAF,
                "subject": distinguished_name.to_name(request.subject),
                "public_key": request.public_key,
                "serial_number": issuance.serial_from(bytes(20)),
                "validity": issuance.validity(NOW, ends_at=IN_13_MONTHS),
                "ca_issuers_url": CA_ISSUERS_URL,
                "crl_url": CRL_URL,
                **other,
            },
        )


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def rsa_request(rsa_key: rsa.RSAPrivateKey) -> csr.CertificationRequest:
    return csr.parse(csr.build(rsa_key, common_name="billing", organization="Acmé", country="DE"))


@pytest.fixture(scope="module")
def ec_request(ec_key: ec.EllipticCurvePrivateKey) -> csr.CertificationRequest:
    return csr.parse(csr.build(ec_key, common_name="billing", serial_number="HRB 17"))


@pytest.fixture(scope="module")
def certificates(authority: Authority, rsa_request, ec_request, p384_key) -> dict[str, x509.Certificate]:
    hostile = forge.name(
        ((forge.COMMON_NAME, forge.UTF8_STRING, b"<script>alert(1)</script>"),),
        ((forge.ORGANIZATION, forge.UTF8_STRING, "'; DROP TABLE x; -- ☃, CN=root+O=\\".encode()),),
        ((forge.LOCALITY, forge.BMP_STRING, "Kiel".encode("utf-16-be")),),
        ((forge.UNIT, forge.PRINTABLE_STRING, b"a" * 64),),
    )
    attributes = forge.extension_request(("2.5.29.19", b"\x30\x03\x01\x01\xff"), ("2.5.29.19", b"no DER"))
    request = csr.parse(forge.ec_request(p384_key, subject=hostile, attributes=attributes), allow_p384=True)
    return {
        "root": authority.root,
        "issuing": authority.issuing,
        "RSA leaf": authority.leaf(rsa_request),
        "EC leaf": authority.leaf(ec_request),
        "leaf without addresses": authority.leaf(ec_request, ca_issuers_url=None, crl_url=None),
        "leaf of a hostile request": authority.leaf(request),
        "server leaf": authority.leaf(
            ec_request, profile=SERVER_LEAF, hosts=("gate.example.com", ip_address("127.0.0.1"))
        ),
        "RSA server leaf": authority.leaf(rsa_request, profile=SERVER_LEAF, hosts=(ip_address("::1"),)),
    }


def test_what_is_signed_is_what_the_librarys_own_builder_writes(authority: Authority, certificates) -> None:
    for issued in certificates.values():
        builder = (
            x509.CertificateBuilder(issued.issuer, issued.subject, issued.public_key(), issued.serial_number)
            .not_valid_before(issued.not_valid_before_utc)
            .not_valid_after(issued.not_valid_after_utc)
        )
        for each in issued.extensions:
            builder = builder.add_extension(each.value, each.critical)
        built = builder.sign(authority.issuing_key, SHA256())

        assert issued.tbs_certificate_bytes == built.tbs_certificate_bytes


def test_a_period_that_goes_beyond_2049_is_written_in_full(authority: Authority, ec_request) -> None:
    until = datetime(2050, 1, 1, tzinfo=UTC)
    issued = authority.leaf(ec_request, validity=issuance.validity(NOW, ends_at=until + SECOND))

    assert issued.not_valid_after_utc == until
    assert b"\x18\x0f20500101000000Z" in issued.tbs_certificate_bytes


# Profiles


def extension_of(issued: x509.Certificate, kind: type) -> tuple[x509.ExtensionType, bool]:
    found = issued.extensions.get_extension_for_class(kind)
    return found.value, found.critical


def test_authorities_may_sign_certificates_and_crls_and_nothing_else(authority: Authority) -> None:
    for issued, path_length in ((authority.root, 1), (authority.issuing, 0)):
        constraints, constraints_critical = extension_of(issued, x509.BasicConstraints)
        usage, usage_critical = extension_of(issued, x509.KeyUsage)

        assert (constraints.ca, constraints.path_length, constraints_critical) == (True, path_length, True)
        assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature, usage_critical) == (
            True,
            True,
            False,
            True,
        )
        with pytest.raises(x509.ExtensionNotFound):
            extension_of(issued, x509.ExtendedKeyUsage)


def test_leaves_sign_and_do_one_thing(authority: Authority, rsa_request) -> None:
    for profile, use in (
        (CLIENT_LEAF, ExtendedKeyUsageOID.CLIENT_AUTH),
        (SERVER_LEAF, ExtendedKeyUsageOID.SERVER_AUTH),
    ):
        issued = authority.leaf(rsa_request, profile=profile)
        usage, usage_critical = extension_of(issued, x509.KeyUsage)

        assert not extension_of(issued, x509.BasicConstraints)[0].ca
        assert usage_critical
        assert usage.digital_signature
        assert not any((usage.key_cert_sign, usage.crl_sign, usage.key_encipherment))
        assert list(extension_of(issued, x509.ExtendedKeyUsage)[0]) == [use]


def test_what_protects_payloads_does_that_alone_and_is_no_client_of_tls(authority: Authority, rsa_request) -> None:
    for profile, wraps in ((ENCRYPTION_LEAF, True), (SIGNATURE_LEAF, False)):
        issued = authority.leaf(rsa_request, profile=profile)
        usage, usage_critical = extension_of(issued, x509.KeyUsage)

        assert not extension_of(issued, x509.BasicConstraints)[0].ca
        assert usage_critical
        assert (usage.key_encipherment, usage.digital_signature) == (wraps, not wraps)
        assert not any((usage.key_cert_sign, usage.crl_sign, usage.data_encipherment, usage.key_agreement))
        with pytest.raises(x509.ExtensionNotFound):
            extension_of(issued, x509.ExtendedKeyUsage)


def test_profiles_are_data() -> None:
    assert [profile.is_ca for profile in (ROOT, ISSUING, CLIENT_LEAF, SERVER_LEAF)] == [True, True, False, False]


def test_every_certificate_names_its_key_and_its_issuers_key(authority: Authority, rsa_request) -> None:
    for issued, issuer in (
        (authority.root, authority.root),
        (authority.issuing, authority.root),
        (authority.leaf(rsa_request), authority.issuing),
    ):
        authority_key, _ = extension_of(issued, x509.AuthorityKeyIdentifier)

        assert authority_key.key_identifier == extension_of(issuer, x509.SubjectKeyIdentifier)[0].digest
        assert issued.version is x509.Version.v3
        assert issued.signature_hash_algorithm.name == "sha256"
        issued.verify_directly_issued_by(issuer)


def test_addresses_of_the_issuer_and_its_crl_are_named_when_given(authority: Authority, rsa_request) -> None:
    issued = authority.leaf(rsa_request)

    (access,) = extension_of(issued, x509.AuthorityInformationAccess)[0]
    (point,) = extension_of(issued, x509.CRLDistributionPoints)[0]
    assert access.access_method == AuthorityInformationAccessOID.CA_ISSUERS
    assert access.access_location.value == CA_ISSUERS_URL
    assert point.full_name[0].value == CRL_URL


def test_a_server_leaf_names_its_hosts(certificates: dict[str, x509.Certificate]) -> None:
    names, critical = extension_of(certificates["server leaf"], x509.SubjectAlternativeName)

    assert names.get_values_for_type(x509.DNSName) == ["gate.example.com"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1")]
    assert not critical


def test_a_key_that_never_shows_itself_can_issue(authority: Authority, rsa_request) -> None:
    issued = issuance.make_leaf(
        TokenKey(authority.issuing_key),
        authority.issuing,
        profile=CLIENT_LEAF,
        subject=distinguished_name.to_name(rsa_request.subject),
        public_key=rsa_request.public_key,
        serial_number=7,
        validity=issuance.validity(NOW, ends_at=IN_13_MONTHS),
    )

    issued.verify_directly_issued_by(authority.issuing)


# Nothing but the key and the allow-listed subject


EXTENSION_OIDS = st.sampled_from(
    ["2.5.29.19", "2.5.29.15", "2.5.29.17", "2.5.29.30", "2.5.29.37", "2.5.29.32", "1.3.6.1.5.5.7.1.24", "1.2.3.4"]
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(EXTENSION_OIDS, st.binary(max_size=80)), max_size=6),
    st.lists(st.tuples(st.sampled_from([forge.LOCALITY, "2.5.4.8", "2.5.4.42", "1.2.3.4"]), st.text(max_size=30))),
)
def test_nothing_requested_beyond_the_key_and_the_allowed_subject_is_issued(
    authority, ec_key, extensions, extra
) -> None:
    allowed = ((forge.COMMON_NAME, forge.UTF8_STRING, b"billing"),)
    others = [((kind, forge.UTF8_STRING, value.encode(errors="replace")),) for kind, value in extra]
    request = forge.ec_request(
        ec_key, subject=forge.name(*others, allowed), attributes=forge.extension_request(*extensions)
    )

    issued = authority.leaf(csr.parse(request))

    asked_for_nothing = authority.leaf(csr.parse(forge.ec_request(ec_key)))
    assert issued.tbs_certificate_bytes == asked_for_nothing.tbs_certificate_bytes


def test_the_subject_is_issued_in_the_order_and_the_string_types_of_rfc_5280(authority: Authority, ec_key) -> None:
    subject = forge.name(
        ((forge.COMMON_NAME, forge.PRINTABLE_STRING, b"billing"),), ((forge.SERIAL_NUMBER, forge.UTF8_STRING, b"17"),)
    )

    issued = authority.leaf(csr.parse(forge.ec_request(ec_key, subject=subject)))

    ((common_name,), (serial_number,)) = certificate.subject_of(issued)
    assert (common_name.value, common_name.string_type) == ("billing", forge.UTF8_STRING)
    assert (serial_number.value, serial_number.string_type) == ("17", forge.PRINTABLE_STRING)


# Serial numbers and times


@given(st.binary(min_size=20, max_size=20))
def test_a_serial_number_is_positive_has_159_bits_and_fits_20_octets(random_bytes: bytes) -> None:
    serial_number = issuance.serial_from(random_bytes)

    assert serial_number.bit_length() == 159
    assert serial_number & (1 << 158) - 1 == int.from_bytes(random_bytes) & (1 << 158) - 1


@pytest.mark.parametrize("size", [0, 8, 19, 21])
def test_a_serial_number_takes_exactly_20_random_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="20 random bytes"):
        issuance.serial_from(bytes(size))


def test_the_period_includes_its_last_second_and_begins_five_minutes_ago() -> None:
    period = issuance.validity(NOW, ends_at=IN_13_MONTHS, issuer_not_after=NOW + timedelta(days=3650))

    assert period == Validity(NOW - timedelta(minutes=5), IN_13_MONTHS - SECOND)


def test_a_certificate_never_outlives_its_issuer() -> None:
    issuer_not_after = NOW + timedelta(days=30)

    assert issuance.validity(NOW, ends_at=IN_13_MONTHS, issuer_not_after=issuer_not_after).not_after == issuer_not_after


@pytest.mark.parametrize("issuer_not_after", [NOW - SECOND, NOW])
def test_an_expired_issuer_issues_nothing(issuer_not_after: datetime) -> None:
    with pytest.raises(Refused) as caught:
        issuance.validity(NOW, ends_at=IN_13_MONTHS, issuer_not_after=issuer_not_after)

    assert caught.value.reason == "issuer_expired"


def test_times_are_whole_seconds_of_utc_wherever_they_come_from() -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    now = (NOW + timedelta(microseconds=999_999)).astimezone(kolkata)

    period = issuance.validity(now, ends_at=IN_13_MONTHS.astimezone(kolkata))

    assert period == Validity(NOW - timedelta(minutes=5), IN_13_MONTHS - SECOND)
    assert period.not_before.tzinfo is UTC


# Strangers' tools


def linter() -> validation.ValidatorContainer:
    """The set of checks that `lint_pkix_cert lint` runs."""
    return pkix.create_pkix_certificate_validator_container(
        pkix.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            pkix.create_issuer_validator_container([]),
            pkix.create_validity_validator_container(),
            pkix.create_subject_validator_container([]),
            pkix.create_extensions_validator_container([]),
            pkix.create_spki_validator_container([]),
        ],
    )


def test_pkilint_finds_nothing_in_any_certificate(certificates: dict[str, x509.Certificate]) -> None:
    checks = linter()
    worth_a_word = validation.ValidationFindingSeverity.NOTICE  # the lower, the graver

    found = {
        label: [
            finding.finding.code
            for result in checks.validate(
                loader.RFC5280CertificateDocumentLoader()
                .load_der_document(issued.public_bytes(Encoding.DER), label)
                .root
            )
            for finding in result.finding_descriptions
            if finding.finding.severity <= worth_a_word
        ]
        for label, issued in certificates.items()
    }

    assert found == {label: [] for label in certificates}


def test_openssl_verifies_every_leaf_for_its_purpose(tmp_path: Path, certificates: dict[str, x509.Certificate]) -> None:
    for label in ("root", "issuing"):
        (tmp_path / f"{label}.pem").write_bytes(certificates[label].public_bytes(Encoding.PEM))
    leaves = {label: issued for label, issued in certificates.items() if "leaf" in label}

    for label, issued in leaves.items():
        (tmp_path / "leaf.pem").write_bytes(issued.public_bytes(Encoding.PEM))
        purpose = "sslserver" if "server" in label else "sslclient"
        command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-attime", str(int(NOW.timestamp()))]
        verified = subprocess.run(
            [*command, "-CAfile", "root.pem", "-untrusted", "issuing.pem", "leaf.pem"],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )

        assert (verified.returncode, verified.stdout) == (0, "leaf.pem: OK\n"), f"{label}: {verified.stderr}"


def test_cryptography_s_verifier_accepts_the_server_leaf(authority: Authority, certificates) -> None:
    verifier = (
        PolicyBuilder().store(Store([authority.root])).time(NOW).build_server_verifier(x509.DNSName("gate.example.com"))
    )

    chain = verifier.verify(certificates["server leaf"], [authority.issuing])

    assert chain == [certificates["server leaf"], authority.issuing, authority.root]

"""Certification requests from strangers: proved, or refused with the right reason."""

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA224, SHA256, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.protocol import forge
from tests.protocol.forge import BrokenRSAKey

from credenza.protocol import csr, der
from credenza.protocol.errors import Malformed, Refused

BILLING = (("CN", "billing"),)
CHECKS = ("readable", "key", "signature_algorithm", "subject", "blocked_key", "signature", "weak_key")


def refusal(request: bytes | str, **terms: object) -> Refused:
    with pytest.raises(Refused) as caught:
        csr.parse(request, **terms)
    return caught.value


def failed_checks(request: bytes | str, **terms: object) -> list[str]:
    return [check.name for check in csr.lint(request, **terms) if check.ok is False]


@pytest.fixture(scope="module")
def plain(rsa_key: rsa.RSAPrivateKey) -> bytes:
    return forge.request(forge.rsa_signer(rsa_key), forge.spki(rsa_key.public_key()))


# What is accepted


def test_pem_and_der_are_the_same_request(plain: bytes, rsa_key: rsa.RSAPrivateKey) -> None:
    pem = x509.load_der_x509_csr(plain).public_bytes(Encoding.PEM)

    parsed = csr.parse(plain)

    assert parsed == csr.parse(pem) == csr.parse(pem.decode())
    assert parsed.subject == BILLING
    assert parsed.common_name == "billing"
    assert parsed.key_algorithm == "RSA-2048"
    assert parsed.spki_der == forge.spki(rsa_key.public_key())
    assert len(parsed.spki_sha256) == 64


def test_a_request_of_our_own_is_accepted_with_its_names(ec_key: ec.EllipticCurvePrivateKey) -> None:
    request = csr.build(
        ec_key,
        common_name="billing",
        organization="Acmé",
        organizational_unit="Payments",
        country="DE",
        serial_number="HRB 17",
    )

    assert csr.parse(request).subject == (
        ("C", "DE"),
        ("O", "Acmé"),
        ("OU", "Payments"),
        ("CN", "billing"),
        ("serialNumber", "HRB 17"),
    )
    assert csr.parse(request).key_algorithm == "EC-P256"


def test_what_parse_would_refuse_is_not_built(ec_key: ec.EllipticCurvePrivateKey) -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)

    for key, name, reason in ((ec_key, "x" * 65, "subject"), (small, "billing", "key_size")):
        with pytest.raises(Refused) as caught:
            csr.build(key, common_name=name)

        assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("arguments", "algorithm"),
    [
        pytest.param(["-newkey", "rsa:2048", "-sha256"], "RSA-2048", id="RSA"),
        pytest.param(["-newkey", "rsa:3072", "-sha512"], "RSA-3072", id="RSA 3072, SHA-512"),
        pytest.param(
            ["-newkey", "rsa:2048", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"],
            "RSA-2048",
            id="RSA-PSS",
        ),
        pytest.param(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "EC-P256", id="P-256"),
        pytest.param(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-sha384"], "EC-P384", id="P-384"),
        pytest.param(["-newkey", "rsa:2048", "-addext", "subjectAltName=DNS:a.example"], "RSA-2048", id="extension"),
        pytest.param(["-newkey", "rsa:2048", "-text"], "RSA-2048", id="text before the block"),
    ],
)
def test_openssl_requests_are_accepted(tmp_path: Path, arguments: list[str], algorithm: str) -> None:
    key = str(tmp_path / "key.pem")
    command = ["openssl", "req", "-new", "-nodes", "-keyout", key, "-utf8", "-subj", "/C=DE/ST=x/O=Acmé/CN=billing"]
    written = subprocess.run([*command, *arguments], check=True, capture_output=True).stdout

    parsed = csr.parse(written, allow_p384=True)

    assert parsed.key_algorithm == algorithm
    assert parsed.subject == (("C", "DE"), ("O", "Acmé"), ("CN", "billing"))


def test_the_commands_in_the_cures_make_requests_that_are_accepted(tmp_path: Path) -> None:
    everything_wrong = forge.request(forge.unsigned, forge.rsa_spki(3), subject=forge.name())
    cures = [check.cure for check in csr.lint(everything_wrong)]
    commands = {cure[cure.index("openssl") :] for cure in cures if cure}

    for command in sorted(commands, key=len, reverse=True):
        subprocess.run(["sh", "-c", command], check=True, capture_output=True, cwd=tmp_path)

        assert csr.parse((tmp_path / "request.csr").read_bytes()).subject == (("O", "Acme"), ("CN", "billing"))

    assert len(commands) == 2


# What is asked for beyond the key is ignored

HOSTILE_EXTENSIONS: dict[str, list[x509.ExtensionType]] = {
    "CA:TRUE": [x509.BasicConstraints(ca=True, path_length=None)],
    "keyCertSign": [
        x509.KeyUsage(
            digital_signature=True,
            content_commitment=True,
            key_encipherment=True,
            data_encipherment=True,
            key_agreement=True,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
    ],
    "SAN": [x509.SubjectAlternativeName([x509.DNSName("bank.example"), x509.RFC822Name("ceo@bank.example")])],
    "3,000 SANs": [x509.SubjectAlternativeName([x509.DNSName(f"{number}.example") for number in range(3000)])],
    "EKU any": [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])],
    "CT poison": [x509.PrecertPoison()],
    "must-staple": [x509.TLSFeature([x509.TLSFeatureType.status_request])],
    "name constraints": [x509.NameConstraints([x509.DNSName("example")], None)],
    "policy": [x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.1"), None)])],
}


@pytest.mark.parametrize("extensions", HOSTILE_EXTENSIONS.values(), ids=HOSTILE_EXTENSIONS)
def test_requested_extensions_are_not_looked_at(ec_key, extensions: list[x509.ExtensionType]) -> None:
    listed = [(extension.oid.dotted_string, extension.public_bytes()) for extension in extensions]
    attributes = forge.extension_request(*listed)

    assert csr.parse(forge.ec_request(ec_key, attributes=attributes)) == csr.parse(forge.ec_request(ec_key))


def test_duplicate_extensions_and_a_challenge_password_are_not_looked_at(ec_key) -> None:
    san = x509.SubjectAlternativeName([x509.DNSName("bank.example")]).public_bytes()
    doubled = forge.extension_request(("2.5.29.17", san), ("2.5.29.17", san), ("2.5.29.17", b"no DER"))
    password = der.encode(
        forge.ATTRIBUTES,
        forge.sequence(
            forge.oid("1.2.840.113549.1.9.7"),
            der.encode(der.SET, der.encode(forge.UTF8_STRING, b"correct horse battery")),
        ),
    )

    for attributes in (doubled, password):
        parsed = csr.parse(forge.ec_request(ec_key, attributes=attributes))

        assert parsed == csr.parse(forge.ec_request(ec_key))
        assert "horse" not in repr(parsed)


def test_ten_thousand_names_are_larger_than_any_request(ec_key) -> None:
    names = x509.SubjectAlternativeName([x509.DNSName(f"{number}.bank.example") for number in range(10_000)])
    request = forge.ec_request(ec_key, attributes=forge.extension_request(("2.5.29.17", names.public_bytes())))

    with pytest.raises(Malformed, match="64 KiB"):
        csr.parse(request)


def test_sixty_kilobytes_of_attributes_are_not_read_to_their_end(ec_key) -> None:
    values = der.encode(
        forge.ATTRIBUTES, forge.sequence(forge.oid("1.2.3.4"), der.encode(der.SET, forge.NULL * 30_000))
    )
    units = forge.name(*(((forge.UNIT, forge.UTF8_STRING, b"x"),) for _ in range(4000)))

    for request in (forge.ec_request(ec_key, attributes=values), forge.ec_request(ec_key, subject=units)):
        with pytest.raises(Malformed, match="more parts"):
            csr.parse(request)


def test_a_multi_valued_rdn_keeps_the_order_of_der(ec_key) -> None:
    common = (forge.COMMON_NAME, forge.UTF8_STRING, b"billing")
    unit = (forge.UNIT, forge.UTF8_STRING, b"payments")

    ordered = csr.parse(forge.ec_request(ec_key, subject=forge.name((common, unit))))

    assert ordered.subject == (("CN", "billing"), ("OU", "payments"))
    with pytest.raises(Malformed):
        csr.parse(forge.ec_request(ec_key, subject=forge.name((unit, common))))


# What cannot be read


def with_indefinite_length(request: bytes) -> bytes:
    return b"\x30\x80" + der.parse(request, field="csr").content + b"\0\0"


def with_inner_indefinite_length(request: bytes) -> bytes:
    info, *rest = der.parse(request, field="csr").children
    return forge.sequence(with_indefinite_length(info.encoded), *(element.encoded for element in rest))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda request: request + b"\0", id="trailing octet"),
        pytest.param(lambda request: request + request, id="two requests"),
        pytest.param(lambda request: request[:-1], id="cut short"),
        pytest.param(with_indefinite_length, id="indefinite length"),
        pytest.param(with_inner_indefinite_length, id="indefinite length inside"),
        pytest.param(lambda _: forge.sequence(), id="an empty sequence"),
        pytest.param(lambda _: b"", id="nothing"),
        pytest.param(lambda _: "not a request", id="prose"),
        pytest.param(lambda _: "\ud7ff" * 30_000, id="long prose"),
    ],
)
def test_what_cannot_be_read_is_malformed_and_one_failed_check(plain: bytes, change) -> None:
    changed = change(plain)

    with pytest.raises(Malformed) as caught:
        csr.parse(changed)

    assert caught.value.field == "csr"
    (check,) = csr.lint(changed)
    assert (check.name, check.ok) == ("readable", False)
    assert str(caught.value) == f"{check.detail} {check.cure}"


def test_a_request_of_another_version_is_malformed(rsa_key) -> None:
    request = forge.request(forge.rsa_signer(rsa_key), forge.spki(rsa_key.public_key()), version=1)

    with pytest.raises(Malformed, match="version 1"):
        csr.parse(request)


def test_a_request_without_attributes_is_malformed(rsa_key) -> None:
    request = forge.request(forge.rsa_signer(rsa_key), forge.spki(rsa_key.public_key()), attributes=b"")

    with pytest.raises(Malformed):
        csr.parse(request)


def test_a_certificate_in_place_of_a_request_is_named(plain: bytes) -> None:
    pem = x509.load_der_x509_csr(plain).public_bytes(Encoding.PEM).replace(b" REQUEST", b"")

    with pytest.raises(Malformed, match="is a CERTIFICATE, not a CERTIFICATE REQUEST"):
        csr.parse(pem)


def test_a_private_key_is_refused_unread(rsa_key) -> None:
    key = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    assert refusal(key).reason == "private_key"
    assert failed_checks(key) == ["readable"]


# What can be read and is refused


@pytest.mark.parametrize(
    ("spki", "reason"),
    [
        pytest.param(forge.rsa_spki(1 << 1023 | 1), "key_size", id="RSA 1024"),
        pytest.param(forge.rsa_spki(1 << 16_383 | 1), "key_size", id="RSA 16384"),
        pytest.param(forge.rsa_spki(1 << 2047 | 1, 1), "weak_key", id="e = 1"),
        pytest.param(forge.rsa_spki(1 << 2047 | 1, 3), "weak_key", id="e = 3"),
        pytest.param(forge.rsa_spki(1 << 2047 | 1, 1 << 2000 | 1), "weak_key", id="huge e"),
        pytest.param(forge.rsa_spki(1 << 2047), "weak_key", id="even modulus"),
        pytest.param(forge.ec_spki(forge.oid("1.2.840.10045.3.1.1"), b"\4" + bytes(48)), "key_type", id="P-192"),
        pytest.param(forge.ec_spki(forge.oid("1.3.132.0.33"), b"\4" + bytes(56)), "key_type", id="P-224"),
        pytest.param(forge.dsa_spki(), "key_type", id="DSA"),
    ],
)
def test_a_key_outside_the_policy_is_refused_before_its_signature_is_looked_at(spki: bytes, reason: str) -> None:
    request = forge.request(forge.unsigned, spki)

    refused = refusal(request)

    assert refused.reason == reason
    assert "openssl req -new -newkey rsa:2048" in str(refused)
    checks = {check.name: check for check in csr.lint(request)}
    assert tuple(checks) == CHECKS
    skipped = [checks[name] for name in ("blocked_key", "signature", "weak_key")]
    assert [(each.ok, each.detail, each.cure) for each in skipped] == [(None, "The key was refused.", "")] * 3
    assert checks["subject"].ok


def test_explicit_curve_parameters_are_refused(tmp_path: Path) -> None:
    options = ["ec_paramgen_curve:prime256v1", "ec_param_enc:explicit"]
    pkeyopt = [argument for option in options for argument in ("-pkeyopt", option)]
    command = ["openssl", "req", "-new", "-nodes", "-keyout", str(tmp_path / "key.pem"), "-newkey", "ec", *pkeyopt]
    written = subprocess.run([*command, "-subj", "/CN=billing"], check=True, capture_output=True).stdout

    assert refusal(written).reason == "key_type"


def test_a_point_off_its_curve_is_malformed_and_names_the_cure() -> None:
    spki = forge.ec_spki(forge.oid(forge.P256), b"\4" + bytes(64))
    request = forge.request(forge.unsigned, spki, algorithm=forge.ECDSA_WITH_SHA256, parameters=b"")

    with pytest.raises(Malformed, match="openssl req -new -newkey") as caught:
        csr.parse(request)

    assert caught.value.field == "public_key"
    assert failed_checks(request) == ["key"]


def test_a_key_that_can_be_factored_is_refused_with_its_valid_signature(factorable_key: BrokenRSAKey) -> None:
    request = forge.request(factorable_key.sign, factorable_key.spki)

    assert refusal(request).reason == "weak_key"
    assert failed_checks(request) == ["weak_key"]


def test_ec_is_refused_where_only_rsa_will_do(ec_key, p384_key) -> None:
    p384 = forge.ec_request(p384_key)

    assert refusal(forge.ec_request(ec_key), allow_ec=False).reason == "key_type"
    assert refusal(p384).reason == "key_type"
    assert csr.parse(p384, allow_p384=True).key_algorithm == "EC-P384"


def test_a_published_key_is_refused_whoever_signs_with_it() -> None:
    # RFC 6979 A.2.5: the private key x of the P-256 examples.
    published = ec.derive_private_key(
        0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721, ec.SECP256R1()
    )
    request = forge.ec_request(published)

    assert "RFC 6979 A.2.5" in str(refusal(request))
    assert failed_checks(request) == ["blocked_key"]


def test_a_key_on_the_callers_list_is_refused(ec_key) -> None:
    request = forge.ec_request(ec_key)
    blocked = frozenset({csr.parse(request).spki_sha256})

    assert refusal(request, blocked=blocked).reason == "blocked_key"
    assert failed_checks(request, blocked=blocked) == ["blocked_key"]


def signed_with(key: rsa.RSAPrivateKey, algorithm: HashAlgorithm, oid: str) -> bytes:
    return forge.request(
        lambda octets: key.sign(octets, padding.PKCS1v15(), algorithm), forge.spki(key.public_key()), algorithm=oid
    )


@pytest.mark.parametrize(
    ("algorithm", "oid"),
    [
        pytest.param(MD5(), forge.MD5_WITH_RSA, id="MD5"),
        pytest.param(SHA1(), forge.SHA1_WITH_RSA, id="SHA-1"),
        pytest.param(SHA224(), "1.2.840.113549.1.1.14", id="SHA-224"),
        pytest.param(SHA256(), "1.2.3.4", id="an unknown algorithm"),
    ],
)
def test_weak_and_unknown_signature_algorithms_are_refused(rsa_key, algorithm: HashAlgorithm, oid: str) -> None:
    refused = refusal(signed_with(rsa_key, algorithm, oid))

    assert refused.reason == "signature_algorithm"
    assert "openssl req -new -key key.pem" in str(refused)


def test_sha1_is_accepted_where_it_is_allowed_by_name(rsa_key) -> None:
    request = signed_with(rsa_key, SHA1(), forge.SHA1_WITH_RSA)

    assert csr.parse(request, allow_sha1=True).subject == BILLING
    assert failed_checks(request, allow_sha1=True) == []
    assert failed_checks(request) == ["signature_algorithm"]


def test_rsa_with_sha512_is_accepted(rsa_key) -> None:
    assert csr.parse(signed_with(rsa_key, SHA512(), "1.2.840.113549.1.1.13")).subject == BILLING


def test_a_broken_self_signature_is_refused(rsa_key, plain: bytes) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    spki = forge.spki(rsa_key.public_key())
    broken = {
        "flipped": plain[:-1] + bytes((plain[-1] ^ 1,)),
        "subject changed": plain.replace(b"billing", b"payment"),
        "another key": forge.request(forge.rsa_signer(other), spki),
        "another kind of key": forge.request(forge.unsigned, spki, algorithm=forge.ECDSA_WITH_SHA256, parameters=b""),
        "empty": forge.request(lambda _: b"", spki),
    }

    for request in broken.values():
        assert refusal(request).reason == "signature"
        assert failed_checks(request) == ["signature"]


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(forge.name(), id="empty subject"),
        pytest.param(forge.common_name(""), id="empty CN"),
        pytest.param(forge.common_name("x" * 65), id="CN of 65 characters"),
        pytest.param(forge.common_name("bank.example\0.evil.example"), id="NUL in CN"),
        pytest.param(forge.common_name("bank\r\nX-Header: y"), id="newlines in CN"),
        pytest.param(forge.common_name("billing", forge.BMP_STRING, "utf-16-be"), id="BMPString"),
        pytest.param(forge.common_name("billing", forge.TELETEX_STRING), id="TeletexString"),
        pytest.param(forge.name(((forge.ORGANIZATION, forge.UTF8_STRING, b"Acme"),)), id="no CN"),
    ],
)
def test_a_subject_outside_the_rules_is_refused(ec_key, subject: bytes) -> None:
    request = forge.ec_request(ec_key, subject=subject)

    refused = refusal(request)

    assert refused.reason == "subject"
    assert str(refused).endswith("-subj '/O=Acme/CN=billing'")
    assert failed_checks(request) == ["subject"]


def test_a_subject_of_the_wrong_octets_is_malformed(ec_key) -> None:
    request = forge.ec_request(ec_key, subject=forge.name(((forge.COMMON_NAME, forge.UTF8_STRING, b"\xff"),)))

    with pytest.raises(Malformed) as caught:
        csr.parse(request)

    assert caught.value.field == "subject"


def test_lint_of_a_good_request_says_what_it_found(plain: bytes) -> None:
    checks = csr.lint(plain)

    assert tuple(check.name for check in checks) == CHECKS
    assert all(check.ok and check.cure == "" for check in checks)
    assert [check.detail for check in checks][1:4] == ["RSA-2048", "SHA-256", "CN=billing"]


def test_lint_reports_every_fault_at_once(rsa_key) -> None:
    request = forge.request(
        forge.unsigned, forge.rsa_spki(1 << 1023 | 1), subject=forge.name(), algorithm=forge.MD5_WITH_RSA
    )

    assert failed_checks(request) == ["key", "signature_algorithm", "subject"]
    assert all(check.cure for check in csr.lint(request) if check.ok is False)

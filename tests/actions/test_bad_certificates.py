"""What must not become a certificate, as one corpus: each has its sentence, changes nothing and leaks nothing."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.actions.foreign import Foreign, pem
from tests.actions.stage import PRODUCTION, SANDBOX, Shop, client_request, issuing_authority, rsa_key
from tests.protocol import forge
from tests.protocol.authorities import CLIENT, SERVER, Party

from credenza.actions import certificates
from credenza.actions.certificate_admission import NewCertificate, NewRequest
from credenza.domain.errors import Code

DAY = timedelta(days=1)
KEY = ec.generate_private_key(ec.SECP256R1())


def armored(label: str, octets: bytes) -> bytes:
    body = base64.encodebytes(octets).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


# ------------------------------------------------------------------------------ requests that ask for more than a key


def hostile_extensions() -> Iterator[Any]:
    wanted: dict[str, list[x509.ExtensionType]] = {
        "CA:TRUE": [x509.BasicConstraints(ca=True, path_length=None)],
        "another EKU": [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.OCSP_SIGNING])],
        "names": [x509.SubjectAlternativeName([x509.DNSName("*.example.com"), x509.RFC822Name("root@example.com")])],
        "a thousand names": [x509.SubjectAlternativeName([x509.DNSName(f"{n}.example") for n in range(1_000)])],
        "may sign": [x509.KeyUsage(*([True] * 7), False, False)],
        "name constraints": [x509.NameConstraints([x509.DNSName("example.com")], None)],
        "a precertificate": [x509.PrecertPoison()],
    }
    for name, extensions in wanted.items():
        yield pytest.param(extensions, id=name)


@pytest.mark.parametrize("extensions", [*hostile_extensions()])
def test_a_request_that_asks_for_more_than_a_key_gets_a_certificate_without_it(
    mtls_shop: Shop, extensions: list[x509.ExtensionType]
) -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, "client"), x509.NameAttribute(NameOID.LOCALITY_NAME, "Bern")]
        )
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    request = builder.sign(KEY, SHA256()).public_bytes(Encoding.PEM)

    held = mtls_shop.done("certificate.add", certificates.add_by_csr, NewRequest("x", request), None)
    made, usual = (x509.load_der_x509_certificate(each.certificate_der) for each in (held, mtls_shop.key))

    assert made.subject.rfc4514_string() == "CN=client"
    assert [each.oid for each in made.extensions] == [each.oid for each in usual.extensions]
    for kind in (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage):
        of_kind = [each.extensions.get_extension_for_class(kind) for each in (made, usual)]
        assert of_kind[0] == of_kind[1]


# ------------------------------------------------------------------------------------------- requests that are refused


def signed(spki: bytes) -> bytes:
    return forge.request(forge.unsigned, spki)


@cache
def explicit_curve(what: str) -> bytes:
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-pkeyopt", "ec_param_enc:explicit"]
    kind = ["-x509", "-days", "30"] if what == "certificate" else []
    command = ["openssl", "req", *kind, *options, "-noenc", "-keyout", "/dev/null", "-subj", "/CN=x", "-outform", "DER"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def off_curve() -> bytes:
    return forge.ec_spki(forge.oid(forge.P256), b"\4" + b"\1" * 64)


def private_key(encoding: Encoding, form: PrivateFormat, password: bytes = b"") -> bytes:
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return KEY.private_bytes(encoding, form, protection)


def request_der(number: int = 1) -> bytes:
    return x509.load_pem_x509_csr(client_request(number)).public_bytes(Encoding.DER)


REQUESTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "blank": (lambda: b" \n", "PEM block"),
    "prose": (lambda: b"please certify me", "PEM block"),
    "malformed DER": (lambda: request_der()[:-1], "cut short"),
    "indefinite length": (lambda: b"\x30\x80\x00\x00", "indefinite length"),
    "trailing bytes": (lambda: request_der() + b"\5\0", "exactly one DER element"),
    "several PEM blocks": (lambda: client_request(1) + client_request(2), "more than one PEM block"),
    "a certificate": (lambda: pem(Party("x").root()), "This is a CERTIFICATE, not a CERTIFICATE REQUEST"),
    "wrong label": (lambda: armored("PKCS7", request_der()), "This is a PKCS7"),
    "damaged base64": (lambda: client_request(1).replace(b"M", b"*", 3), "base64"),
    "larger than 64 KiB": (lambda: b"x" * 70_000, "64 KiB"),
    "ten thousand names": (lambda: armored("CERTIFICATE REQUEST", b"\x30" + b"\0" * 90_000), "64 KiB"),
    "explicit curve": (lambda: explicit_curve("request"), "spells out curve parameters"),
    "off the curve": (lambda: signed(off_curve()), "does not lie on its curve"),
    "another curve": (lambda: signed(forge.ec_spki(forge.oid("1.3.132.0.33"), b"\4" + bytes(56))), "lies on the curve"),
    "a tiny key": (lambda: signed(forge.rsa_spki(1 << 1023 | 1)), "has 1024 bits"),
    "a huge key": (lambda: signed(forge.rsa_spki(1 << 16_383 | 1)), "has 16384 bits"),
    "DSA": (lambda: signed(forge.dsa_spki()), "The key is DSA"),
    "not its own signature": (lambda: signed(forge.rsa_spki(rsa_key(9).public_key().public_numbers().n)), "not signed"),
    "no CN": (lambda: forge.ec_request(KEY, subject=forge.name()), "no common name"),
    "NUL in the CN": (lambda: forge.ec_request(KEY, subject=forge.common_name("a\0b")), "control character"),
    "a CN of 65 characters": (lambda: forge.ec_request(KEY, subject=forge.common_name("x" * 65)), "65 characters"),
    "a private key": (lambda: private_key(Encoding.PEM, PrivateFormat.PKCS8), "This is a private key"),
    "an encrypted private key": (
        lambda: private_key(Encoding.PEM, PrivateFormat.PKCS8, b"secret"),
        "This is a private key",
    ),
    "a private key in DER": (lambda: private_key(Encoding.DER, PrivateFormat.PKCS8), "This is a private key"),
    "a private key behind the request": (
        lambda: client_request(1) + private_key(Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
        "This is a private key",
    ),
    "a key store": (
        lambda: pkcs12.serialize_key_and_certificates(b"x", KEY, None, None, BestAvailableEncryption(b"secret")),
        "This is a private key",
    ),
}


@pytest.mark.parametrize(("make", "words"), REQUESTS.values(), ids=REQUESTS)
def test_a_bad_request_has_its_sentence_and_changes_nothing(
    mtls_shop: Shop, make: Callable[[], bytes], words: str, logs: list[MutableMapping[str, Any]]
) -> None:
    sent = make()

    refusal = mtls_shop.refused(
        "certificate.add", Code.INVALID_CSR, certificates.add_by_csr, NewRequest("x", sent), None
    )

    assert words in refusal.message
    assert refusal.field == "csr"
    check_nothing_leaked(mtls_shop, sent, refusal.message, logs)


# --------------------------------------------------------------------------------------- certificates that are refused

Make = Callable[[Foreign], NewCertificate]


def leaf_of(key: Any) -> Make:
    """A sound certificate of the trusted authority, but for its key."""

    def make(foreign: Foreign) -> NewCertificate:
        client = Party("client")
        client.key = key() if callable(key) else key
        return NewCertificate("x", pem(foreign.leaf(client)), pem(foreign.issuing))

    return make


def with_leaf(change: Callable[[bytes], bytes]) -> Make:
    """A sound certificate of the trusted authority, changed in its DER."""

    def make(foreign: Foreign) -> NewCertificate:
        encoded = foreign.leaf(Party("client")).public_bytes(Encoding.DER)
        return NewCertificate("x", change(encoded), pem(foreign.issuing))

    return make


def said(**facts: Any) -> Make:
    return lambda foreign: foreign.new(Party("client"), **facts)


class HugeKey:
    """An RSA key of 8192 bits of which nobody has the private half."""

    def public_key(self) -> rsa.RSAPublicKey:
        return rsa.RSAPublicNumbers(65537, 1 << 8191 | 1).public_key()


def of_sha1(_foreign: Foreign) -> NewCertificate:
    """No library signs so any more: the names of the algorithm are changed in what one has signed."""
    made = Party("Old", rsa_key(8)).certify(Party("client"), extensions=((CLIENT, False),))
    sha256, sha1 = (forge.oid(each) for each in (forge.SHA256_WITH_RSA, forge.SHA1_WITH_RSA))
    return NewCertificate("x", made.public_bytes(Encoding.DER).replace(sha256, sha1))


def self_signed(_foreign: Foreign) -> NewCertificate:
    client = Party("client")
    return NewCertificate("x", pem(client.certify(client, extensions=((CLIENT, False),))))


def of_nobody(_foreign: Foreign) -> NewCertificate:
    return NewCertificate("x", pem(Party("Stranger").certify(Party("client"), extensions=((CLIENT, False),))))


def of_the_other_environment(foreign: Foreign) -> NewCertificate:
    other = Foreign(foreign.stage, "Other")
    other.trust(PRODUCTION)
    return other.new(Party("client"))


def without_its_chain(foreign: Foreign) -> NewCertificate:
    return NewCertificate("x", pem(foreign.leaf(Party("client"))))


def crossed(foreign: Foreign) -> NewCertificate:
    """Two authorities that have certified each other, and neither of them the trusted one."""
    one, other = Party("One"), Party("Other")
    leaf = one.certify(Party("client"), extensions=((CLIENT, False),))
    return NewCertificate(
        "x", pem(leaf), pem(one.certify(other, ca=True), other.certify(one, ca=True), foreign.issuing)
    )


def looping(foreign: Foreign) -> NewCertificate:
    ring = [Party(f"Ring {number}") for number in range(5)]
    chain = [ring[number].certify(ring[number - 1], ca=True) for number in range(5)]
    leaf = ring[0].certify(Party("client"), extensions=((CLIENT, False),))
    return NewCertificate("x", pem(leaf), pem(*chain, foreign.issuing))


def deep(depth: int) -> Make:
    def make(foreign: Foreign) -> NewCertificate:
        line = [foreign.middle, *(Party(f"Level {number}") for number in range(depth))]
        chain = [above.certify(below, ca=True) for above, below in pairwise(line)]
        leaf = line[-1].certify(Party("client"), extensions=((CLIENT, False),))
        return NewCertificate("x", pem(leaf), pem(foreign.issuing, *chain))

    return make


def below_a_leaf(foreign: Foreign) -> NewCertificate:
    """Certified by somebody whose own certificate is a client's."""
    partner = Party("partner")
    leaf = partner.certify(Party("client"), extensions=((CLIENT, False),))
    return NewCertificate("x", pem(leaf), pem(foreign.leaf(partner), foreign.issuing))


def outside_its_names(foreign: Foreign) -> NewCertificate:
    bound = Party("Bound Issuing")
    names = x509.NameConstraints(
        [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Beta")]))], None
    )
    issuing = foreign.anchor.certify(bound, ca=True, extensions=((names, True),))
    leaf = bound.certify(Party("client", organization="Acme"), extensions=((CLIENT, False),))
    return NewCertificate("x", pem(leaf), pem(issuing))


def without_a_subject(foreign: Foreign) -> NewCertificate:
    client = Party("client")
    client.name = x509.Name([])
    return NewCertificate("x", pem(foreign.leaf(client)), pem(foreign.issuing))


def an_authority_of_ours(foreign: Foreign) -> NewCertificate:
    return NewCertificate("x", pem(issuing_authority(foreign.stage.platform, SANDBOX)))


def with_key(place: str) -> Make:
    def make(foreign: Foreign) -> NewCertificate:
        secret = private_key(Encoding.PEM, PrivateFormat.PKCS8)
        new = foreign.new(Party("client"))
        sent = {"alone": secret, "behind": new.certificate + secret, "chain": new.certificate}[place]
        return replace(new, certificate=sent, chain=new.chain + secret if place == "chain" else new.chain)

    return make


CERTIFICATES: dict[str, tuple[Make, str]] = {
    "blank": (lambda _: NewCertificate("x", b" "), "PEM block"),
    "malformed DER": (with_leaf(lambda encoded: encoded[:-1]), "cut short"),
    "trailing bytes": (with_leaf(lambda encoded: encoded + b"\5\0"), "exactly one DER element"),
    "a request": (lambda _: NewCertificate("x", client_request(1)), "This is a CERTIFICATE REQUEST"),
    "wrong label": (with_leaf(lambda encoded: armored("PKCS7", encoded)), "This is a PKCS7"),
    "several PEM blocks": (
        with_leaf(lambda encoded: armored("CERTIFICATE", encoded) * 2),
        "more than one PEM block",
    ),
    "version 1": (
        with_leaf(lambda encoded: encoded.replace(bytes.fromhex("a003020102"), b"\xa0\3\2\1\0")),
        "version 3",
    ),
    "a flipped bit": (with_leaf(lambda encoded: encoded[:-1] + bytes([encoded[-1] ^ 1])), "No authority trusted"),
    "explicit curve": (lambda _: NewCertificate("x", explicit_curve("certificate")), "spells out curve parameters"),
    "another curve": (leaf_of(lambda: ec.generate_private_key(ec.SECP521R1())), "lies on the curve"),
    "a tiny key": (leaf_of(lambda: rsa.generate_private_key(65537, 1024)), "has 1024 bits"),
    "a huge key": (leaf_of(HugeKey), "has 8192 bits"),
    "Ed25519": (leaf_of(ed25519.Ed25519PrivateKey.generate), "The key is Ed25519"),
    "DSA": (leaf_of(lambda: dsa.generate_private_key(1024)), "The key is DSA"),
    "expired": (said(ends=-DAY), "The certificate ended on 2025-01-30"),
    "not yet valid": (said(begins=DAY), "is not valid before 2025-02-01"),
    "a server's": (said(extensions=((SERVER, False),)), "lacks clientAuth"),
    "an authority's": (said(ca=True), "CA:TRUE"),
    "signed with SHA-1": (of_sha1, "SHA-256"),
    "a critical extension nobody knows": (
        said(
            extensions=((CLIENT, False), (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True))
        ),
        "critical extension 1.2.3.4",
    ),
    "self-signed": (self_signed, "signs itself"),
    "of nobody": (of_nobody, "No authority trusted in this environment"),
    "of the other environment's authority": (of_the_other_environment, "No authority trusted in this environment"),
    "without its chain": (without_its_chain, "send the authorities in between"),
    "crossed": (crossed, "No authority trusted in this environment"),
    "looping": (looping, "No authority trusted in this environment"),
    "deep": (deep(7), "authorities"),
    "more authorities than any chain has": (deep(17), "more than 16 PEM blocks"),
    "below a leaf": (below_a_leaf, "may not sign certificates"),
    "outside its authority's names": (outside_its_names, "name"),
    "without a subject": (without_a_subject, "has no subject"),
    "our own authority's": (an_authority_of_ours, "CA:TRUE"),
    "a private key": (with_key("alone"), "This is a private key"),
    "a private key behind it": (with_key("behind"), "This is a private key"),
    "a private key in its chain": (with_key("chain"), "This is a private key"),
}


@pytest.mark.parametrize(("make", "words"), CERTIFICATES.values(), ids=CERTIFICATES)
@pytest.mark.filterwarnings("ignore")
def test_a_bad_certificate_has_its_sentence_and_changes_nothing(
    mtls_shop: Shop, make: Make, words: str, logs: list[MutableMapping[str, Any]]
) -> None:
    foreign = Foreign(mtls_shop.stage)
    foreign.trust()
    new = make(foreign)

    refusal = mtls_shop.refused(
        "certificate.add", Code.INVALID_CERTIFICATE, certificates.add_issued_elsewhere, new, None
    )

    assert words in refusal.message
    assert refusal.field in ("certificate", "chain")
    check_nothing_leaked(mtls_shop, new.certificate + new.chain, refusal.message, logs)


def test_a_point_off_its_curve_in_a_certificate_is_refused(mtls_shop: Shop) -> None:
    foreign, client = Foreign(mtls_shop.stage), Party("client")
    foreign.trust()
    point = client.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    encoded = foreign.leaf(client).public_bytes(Encoding.DER).replace(point, b"\4" + b"\1" * 64)

    refusal = mtls_shop.refused(
        "certificate.add",
        Code.INVALID_CERTIFICATE,
        certificates.add_issued_elsewhere,
        NewCertificate("x", encoded, pem(foreign.issuing)),
        None,
    )

    assert "cannot be read" in refusal.message


def check_nothing_leaked(shop: Shop, sent: bytes, message: str, logs: list[MutableMapping[str, Any]]) -> None:
    """No part of what was sent is in the refusal, in the log or in the audit log."""
    secret = base64.b64encode(private_key(Encoding.DER, PrivateFormat.PKCS8)).decode()[40:100]
    parts = {secret, *(line.decode("latin-1") for line in sent.splitlines() if len(line) >= 60)}
    audited = " ".join(row.detail + row.subject for row in shop.stage.traces().values())
    for part in parts:
        assert part not in message
        assert part not in str(logs)
        assert part not in audited

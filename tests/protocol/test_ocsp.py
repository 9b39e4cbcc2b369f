"""OCSP (RFC 6960): security.md section 12."""

import base64
import itertools
import subprocess
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as library
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from tests import pki_linters
from tests.protocol import forge
from tests.protocol.authorities import NOW, Party

from credenza.protocol import der, issuance, ocsp
from credenza.protocol.crl import Reason
from credenza.protocol.errors import Malformed
from credenza.protocol.ocsp import Failure, Good, IssuerHashes, Responder, Revoked, Unknown

LATER = NOW + timedelta(minutes=10)
ROOT, CLIENT = Party("Issuing"), Party("client")
ISSUER = ROOT.root(extensions=[(x509.SubjectKeyIdentifier.from_public_key(ROOT.key.public_key()), False)])
LEAF = ROOT.certify(CLIENT, serial=(1 << 158) + 5)


def responder(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> Responder:
    party = Party("responder", key)
    certified = issuance.make_leaf(
        ROOT.key,
        ISSUER,
        profile=issuance.RESPONDER,
        subject=party.name,
        public_key=party.key.public_key(),
        serial_number=issuance.serial_from(bytes(20)),
        validity=issuance.validity(NOW, ends_at=NOW + timedelta(days=7)),
    )
    return Responder.of(certified, certified.public_bytes(Encoding.DER), party.key)


RESPONDER = responder()


def request(*, algorithm=None, nonce: bytes | None = None, leaf: x509.Certificate = LEAF) -> bytes:
    builder = library.OCSPRequestBuilder().add_certificate(leaf, ISSUER, algorithm or SHA1())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def answered(encoded: bytes, status: ocsp.Status, by: Responder = RESPONDER) -> library.OCSPResponse:
    asked = ocsp.parse(encoded)
    made = ocsp.answer(asked, dict.fromkeys(asked.ids, status), by, now=NOW, until=LATER)
    return library.load_der_ocsp_response(made)


# Requests


@pytest.mark.parametrize("algorithm", [SHA1(), SHA256()])
def test_ids_by_sha1_and_by_sha256_name_the_issuer(algorithm) -> None:
    (wanted,) = ocsp.parse(request(algorithm=algorithm)).ids

    assert wanted.serial_number == LEAF.serial_number
    assert IssuerHashes.of(ISSUER).name(wanted)
    assert not IssuerHashes.of(Party("Other").root()).name(wanted)


def test_ids_by_another_hash_name_nobody() -> None:
    (wanted,) = ocsp.parse(request(algorithm=SHA384())).ids

    assert not IssuerHashes.of(ISSUER).name(wanted)


def cert_id(serial: int = 7) -> bytes:
    (wanted,) = ocsp.parse(request(leaf=ROOT.certify(CLIENT, serial=serial))).ids
    return wanted.encoded


def listed(count: int) -> bytes:
    return forge.sequence(forge.sequence(forge.sequence(*(forge.sequence(cert_id(n + 1)) for n in range(count)))))


def test_up_to_ten_certificates_may_be_asked_for_at_once() -> None:
    assert [each.serial_number for each in ocsp.parse(listed(10)).ids] == list(range(1, 11))


@pytest.mark.parametrize("count", [0, 11])
def test_a_request_for_none_or_for_more_than_ten_certificates_is_refused(count: int) -> None:
    with pytest.raises(Malformed):
        ocsp.parse(listed(count))


def test_a_request_of_more_than_10_kib_is_refused() -> None:
    with pytest.raises(Malformed, match="10 KiB"):
        ocsp.parse(request() + bytes(ocsp.LARGEST_REQUEST_BYTES))


def extended(value: bytes, oid: str = "1.3.6.1.5.5.7.48.1.2", *, critical: bool = False, times: int = 1) -> bytes:
    flag = b"\x01\x01\xff" if critical else b""
    extension = forge.sequence(forge.oid(oid), flag, der.encode(der.OCTET_STRING, value))
    extensions = der.encode(0xA2, forge.sequence(*[extension] * times))
    return forge.sequence(forge.sequence(forge.sequence(forge.sequence(cert_id())), extensions))


def nonce_of(octets: bytes) -> bytes:
    return der.encode(der.OCTET_STRING, octets)


@pytest.mark.parametrize("length", [1, 16, 128])
def test_a_nonce_of_1_to_128_octets_is_read(length: int) -> None:
    assert ocsp.parse(extended(nonce_of(bytes(length)))).nonce == bytes(length)


@pytest.mark.parametrize(
    "encoded",
    [
        extended(nonce_of(b"")),
        extended(nonce_of(bytes(129))),
        extended(b"naked"),
        extended(nonce_of(b"n"), times=2),
        extended(b"\x05\x00", "1.2.3.4", critical=True),
        request()[:-1],
        request() + b"\0",
        b"",
        b"0",
        b"0\x80\0\0",
        forge.sequence(),
        forge.sequence(forge.sequence()),
        forge.sequence(der.parse(request(), field="x").children[0].encoded, b"\xa0\x00", b"\xa0\x00"),
        forge.sequence(
            forge.sequence(der.encode(0xA0, der.encode_unsigned(1)), forge.sequence(forge.sequence(cert_id())))
        ),
        forge.sequence(forge.sequence(forge.sequence(forge.sequence(forge.sequence(b"\x05\x00"))))),
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_what_is_no_request_is_malformed(encoded: bytes) -> None:
    with pytest.raises(Malformed):
        ocsp.parse(encoded)


def test_extensions_that_nobody_must_understand_are_passed_over() -> None:
    assert ocsp.parse(extended(b"\x05\x00", "1.2.3.4")).nonce == b""


def test_version_1_said_aloud_and_a_requestor_s_name_are_passed_over() -> None:
    version, name = (
        der.encode(0xA0, der.encode_unsigned(0)),
        der.encode(0xA1, der.encode(0xA4, ROOT.name.public_bytes())),
    )

    assert (
        len(ocsp.parse(forge.sequence(forge.sequence(version, name, forge.sequence(forge.sequence(cert_id()))))).ids)
        == 1
    )


@given(st.binary(max_size=300))
def test_no_octets_do_anything_but_be_read_or_be_malformed(octets: bytes) -> None:
    with suppress(Malformed):
        ocsp.parse(octets)


def test_a_path_holds_the_request_in_base64() -> None:
    assert ocsp.parse_path(base64.b64encode(request()).decode()) == request()


@pytest.mark.parametrize("path", ["A" * 256, "MF%4", "MFMé", "M F M"])
def test_a_path_that_is_too_long_or_no_base64_is_malformed(path: str) -> None:
    with pytest.raises(Malformed):
        ocsp.parse_path(path)


@pytest.mark.parametrize("length", [1, 16, 32, 128])
def test_requests_that_differ_in_their_nonce_have_a_stem_in_common(length: int) -> None:
    stems = {ocsp.stem(each, ocsp.parse(each)) for each in (request(nonce=bytes(length)), request(nonce=b"n" * length))}

    assert stems == {request(nonce=bytes(length))[:-length]}


def test_other_certificates_and_other_lengths_have_other_stems() -> None:
    other = ROOT.certify(CLIENT, serial=8)
    asked = [request(nonce=bytes(16)), request(nonce=bytes(32)), request(nonce=bytes(16), leaf=other)]

    assert len({ocsp.stem(each, ocsp.parse(each)) for each in asked}) == 3


def test_a_nonce_that_is_not_the_end_leaves_no_stem_even_if_the_end_looks_like_it() -> None:
    nonce, named = der.encode(der.OCTET_STRING, nonce_of(b"n" * 16)), der.encode(der.OCTET_STRING, b"n" * 16)
    extensions = (
        forge.sequence(forge.oid("1.3.6.1.5.5.7.48.1.2"), nonce),
        forge.sequence(forge.oid("1.2.3.4"), named),
    )
    after = forge.sequence(
        forge.sequence(forge.sequence(forge.sequence(cert_id())), der.encode(0xA2, forge.sequence(*extensions)))
    )
    signed = forge.sequence(der.parse(request(nonce=bytes(16)), field="x").children[0].encoded, b"\xa0\x00")

    for encoded in (after, signed, request()):
        assert ocsp.stem(encoded, ocsp.parse(encoded)) == b""


# Answers


def test_good_is_said_of_what_was_asked_for() -> None:
    answer = answered(request(algorithm=SHA256()), Good())

    assert answer.response_status is library.OCSPResponseStatus.SUCCESSFUL
    assert answer.certificate_status is library.OCSPCertStatus.GOOD
    assert answer.serial_number == LEAF.serial_number
    assert isinstance(answer.hash_algorithm, SHA256)


def test_unknown_is_said_as_such() -> None:
    assert answered(request(), Unknown()).certificate_status is library.OCSPCertStatus.UNKNOWN


def test_revoked_says_when_and_why() -> None:
    answer = answered(request(), Revoked(NOW - timedelta(hours=1), Reason.KEY_COMPROMISE))

    assert answer.certificate_status is library.OCSPCertStatus.REVOKED
    assert answer.revocation_time_utc == NOW - timedelta(hours=1)
    assert answer.revocation_reason is x509.ReasonFlags.key_compromise


def test_the_reason_unspecified_is_left_out_as_in_the_list() -> None:
    assert answered(request(), Revoked(NOW, Reason.UNSPECIFIED)).revocation_reason is None


def test_every_id_is_answered_on_its_own() -> None:
    asked = ocsp.parse(listed(3))
    statuses: dict[ocsp.CertId, ocsp.Status] = dict(
        zip(asked.ids, (Good(), Revoked(NOW, Reason.SUPERSEDED), Unknown()), strict=True)
    )

    made = library.load_der_ocsp_response(ocsp.answer(asked, statuses, RESPONDER, now=NOW, until=LATER))

    assert [each.certificate_status.name for each in made.responses] == ["GOOD", "REVOKED", "UNKNOWN"]


def test_this_update_is_not_later_than_now_and_next_update_is() -> None:
    answer = answered(request(), Good())

    assert answer.this_update_utc <= NOW < answer.next_update_utc == LATER
    assert answer.produced_at_utc == NOW


def test_the_nonce_comes_back_as_it_was_sent() -> None:
    echoed = answered(request(nonce=b"\x01" * 32), Good()).extensions.get_extension_for_class(x509.OCSPNonce)

    assert echoed.value.nonce == b"\x01" * 32
    assert len(answered(request(), Good()).extensions) == 0


def test_the_responder_is_certified_by_the_same_authority_for_this_alone() -> None:
    certified = RESPONDER.certificate

    certified.verify_directly_issued_by(ISSUER)
    uses = certified.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    assert not certified.extensions.get_extension_for_class(x509.OCSPNoCheck).critical
    assert pki_linters.certificate_findings(certified.public_bytes(Encoding.DER)) == []


def test_the_answer_is_signed_by_the_responder_and_brings_its_certificate() -> None:
    answer = answered(request(), Good())

    assert answer.certificates == [RESPONDER.certificate]
    RESPONDER.key.public_key().verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(SHA256()))
    assert answer.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(RESPONDER.key.public_key()).digest


@pytest.mark.parametrize("failure", list(Failure))
def test_failures_carry_their_status_and_nothing_else(failure: Failure) -> None:
    made = library.load_der_ocsp_response(ocsp.failure(failure))

    assert made.response_status.value == failure


@pytest.mark.parametrize("status", [Good(), Revoked(NOW, Reason.KEY_COMPROMISE), Unknown()])
def test_pkilint_finds_nothing_in_an_answer(rsa_key: rsa.RSAPrivateKey, status: ocsp.Status) -> None:
    for by in (RESPONDER, responder(rsa_key)):
        asked = ocsp.parse(request(nonce=b"\x01" * 32))
        made = ocsp.answer(asked, {asked.ids[0]: status}, by, now=NOW, until=LATER)

        assert pki_linters.answer_findings(made) == []


def test_openssl_and_ocsptool_believe_an_answer(tmp_path: Path) -> None:
    asked = ocsp.parse(request())
    status = Revoked(NOW - timedelta(hours=1), Reason.SUPERSEDED)
    (tmp_path / "answer.der").write_bytes(ocsp.answer(asked, {asked.ids[0]: status}, RESPONDER, now=NOW, until=LATER))
    (tmp_path / "ca.pem").write_bytes(ISSUER.public_bytes(Encoding.PEM))
    (tmp_path / "leaf.pem").write_bytes(LEAF.public_bytes(Encoding.PEM))

    trusted = ["-issuer", "ca.pem", "-CAfile", "ca.pem", "-cert", "leaf.pem", "-attime", str(int(NOW.timestamp()))]
    trusted += ["-validity_period", "1000000000"]  # the day of the tests is long past
    ran = run(tmp_path, "openssl", "ocsp", *trusted, "-respin", "answer.der")
    told = run(tmp_path, "ocsptool", "--response-info", "--infile", "answer.der", "--inder")

    assert "Response verify OK" in ran
    assert "leaf.pem: revoked" in ran
    assert "Reason: superseded" in ran
    assert "Certificate Status: revoked" in told


def run(directory: Path, *command: str) -> str:
    ran = subprocess.run(command, check=False, capture_output=True, text=True, cwd=directory)
    return ran.stdout + ran.stderr

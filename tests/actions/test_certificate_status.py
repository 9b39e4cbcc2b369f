"""Whether a certificate is good, as OCSP answers it: security.md section 12, items 3, 8 and 9."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus
from sqlalchemy import event
from tests import pki_linters
from tests.actions.stage import SANDBOX, Shop, issuing_authority
from tests.actions.test_service_keys import Counter
from tests.protocol.authorities import Party

from credenza.actions import revocation_lists
from credenza.actions.certificate_status import (
    LIFE,
    LONGEST_REMEMBERED,
    REMEMBERED,
    RESPONDER_LIFE,
    USUAL_NONCES,
    CertificateStatus,
    renew_responders,
)
from credenza.domain.model import CredentialKind
from credenza.store.engine import writing
from credenza.store.schema import certificates, credentials, status_responders

DAY = timedelta(days=1)


def certificate(shop: Shop) -> x509.Certificate:
    return x509.load_der_x509_certificate(shop.key.certificate_der)


def request(shop: Shop, *, leaf: x509.Certificate | None = None, nonce: bytes | None = None, algorithm=None) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        leaf or certificate(shop), issuing_authority(shop.stage.platform, SANDBOX), algorithm or SHA1()
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def answered(shop: Shop, encoded: bytes, by: CertificateStatus | None = None) -> ocsp.OCSPResponse:
    status = by or CertificateStatus(shop.stage.platform)
    return ocsp.load_der_ocsp_response(status.answer(encoded, now=shop.stage.now).der)


def test_a_certificate_that_we_issued_is_good(shop: Shop) -> None:
    for algorithm in (SHA1(), SHA256()):
        assert answered(shop, request(shop, algorithm=algorithm)).certificate_status is OCSPCertStatus.GOOD


def test_an_answer_is_signed_by_a_responder_of_the_authority_and_lasts_for_minutes(shop: Shop) -> None:
    answer = answered(shop, request(shop))

    (responder,) = answer.certificates
    responder.verify_directly_issued_by(issuing_authority(shop.stage.platform, SANDBOX))
    responder.public_key().verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(SHA256()))
    assert responder.not_valid_after_utc - shop.stage.now < RESPONDER_LIFE
    assert answer.next_update_utc - answer.this_update_utc == LIFE
    assert pki_linters.certificate_findings(responder.public_bytes(Encoding.DER)) == []


def test_a_serial_number_that_we_never_issued_is_unknown_and_never_good(shop: Shop) -> None:
    authority = issuing_authority(shop.stage.platform, SANDBOX)
    stranger = Party("x")
    stranger.name = authority.subject
    forged = stranger.certify(Party("client"), serial=12345)

    assert answered(shop, request(shop, leaf=forged)).certificate_status is OCSPCertStatus.UNKNOWN


def test_a_serial_number_that_was_reserved_or_abandoned_is_unknown(shop: Shop) -> None:
    for state in ("RESERVED", "ABANDONED"):
        with writing(shop.stage.platform.database.records) as connection:
            connection.execute(certificates.update().values(state=state, der=None))

        assert answered(shop, request(shop)).certificate_status is OCSPCertStatus.UNKNOWN


def test_an_authority_that_is_not_ours_is_not_answered_for(shop: Shop) -> None:
    other = Party("Other")
    leaf = other.certify(Party("client"))
    encoded = ocsp.OCSPRequestBuilder().add_certificate(leaf, other.root(), SHA1()).build().public_bytes(Encoding.DER)

    assert answered(shop, encoded).response_status is OCSPResponseStatus.UNAUTHORIZED


def test_what_is_no_request_is_malformed(shop: Shop) -> None:
    assert answered(shop, b"nonsense").response_status is OCSPResponseStatus.MALFORMED_REQUEST


def test_time_and_reason_of_a_revocation_are_those_of_the_list(shop: Shop) -> None:
    shop.revoke(shop.key)
    answer = answered(shop, request(shop))
    with writing(shop.stage.platform.database.records) as connection:
        authority_id = connection.execute(certificates.select()).first().authority_id
    published = revocation_lists.get(shop.stage.platform, authority_id, now=shop.stage.now)
    (entry,) = x509.load_der_x509_crl(published.der)

    assert answer.certificate_status is OCSPCertStatus.REVOKED
    assert answer.revocation_time_utc == entry.revocation_date_utc
    assert answer.revocation_reason is entry.extensions.get_extension_for_class(x509.CRLReason).value.reason


def test_an_answer_flips_with_the_revocation_whatever_was_remembered(shop: Shop) -> None:
    status = CertificateStatus(shop.stage.platform)
    encoded = request(shop)
    assert answered(shop, encoded, status).certificate_status is OCSPCertStatus.GOOD
    assert status.remembered(encoded, now=shop.stage.now) is not None

    shop.revoke(shop.key)

    assert status.remembered(encoded, now=shop.stage.now) is None
    assert answered(shop, encoded, status).certificate_status is OCSPCertStatus.REVOKED


def test_an_answer_is_remembered_for_a_minute(shop: Shop) -> None:
    status = CertificateStatus(shop.stage.platform)
    encoded = request(shop)
    given = status.answer(encoded, now=shop.stage.now)

    assert status.remembered(encoded, now=shop.stage.now + REMEMBERED - timedelta(seconds=1)) == given
    assert status.remembered(encoded, now=shop.stage.now + REMEMBERED) is None
    assert given.kept_for == REMEMBERED


def test_a_nonce_comes_back_and_its_answer_is_not_remembered(shop: Shop) -> None:
    status = CertificateStatus(shop.stage.platform)
    encoded = request(shop, nonce=b"n" * 16)

    answer = answered(shop, encoded, status)

    assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * 16
    assert status.remembered(encoded, now=shop.stage.now) is None
    assert status.answer(encoded, now=shop.stage.now).kept_for == timedelta(0)


@pytest.mark.parametrize("length", USUAL_NONCES)
def test_another_nonce_costs_a_signature_and_no_look(shop: Shop, length: int) -> None:
    status = CertificateStatus(shop.stage.platform, lambda: 1)
    asked = {nonce: request(shop, nonce=nonce) for nonce in (b"a" * length, b"b" * length, b"c" * length)}
    (first, *rest) = asked
    status.answer(asked[first], now=shop.stage.now)

    with looks(shop) as seen:
        given = [status.at_once(asked[nonce], now=shop.stage.now) for nonce in rest]

    assert seen == []
    for nonce, answer in zip(rest, given, strict=True):
        read = ocsp.load_der_ocsp_response(answer.der)
        (responder,) = read.certificates
        responder.public_key().verify(read.signature, read.tbs_response_bytes, ec.ECDSA(SHA256()))
        assert read.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce
        assert read.certificate_status is OCSPCertStatus.GOOD
        assert read.this_update_utc == shop.stage.now.replace(microsecond=0)
        assert answer.kept_for == timedelta(0)


@contextmanager
def looks(shop: Shop) -> Iterator[list[str]]:
    """The statements that were sent to the database meanwhile."""
    seen: list[str] = []
    engine = shop.stage.platform.database.records

    def note(_connection, _cursor, statement: str, *_more) -> None:
        seen.append(statement)

    event.listen(engine, "after_cursor_execute", note)
    yield seen
    event.remove(engine, "after_cursor_execute", note)


def test_what_is_signed_anew_flips_with_the_revocation_and_is_looked_up_within_a_minute(shop: Shop) -> None:
    status = CertificateStatus(shop.stage.platform)
    first, second = request(shop, nonce=b"a" * 32), request(shop, nonce=b"b" * 32)
    status.answer(first, now=shop.stage.now)
    assert status.at_once(second, now=shop.stage.now) is not None
    assert status.at_once(second, now=shop.stage.now + REMEMBERED) is None

    shop.revoke(shop.key)

    assert status.at_once(second, now=shop.stage.now) is None
    assert answered(shop, second, status).certificate_status is OCSPCertStatus.REVOKED
    read = ocsp.load_der_ocsp_response(status.at_once(first, now=shop.stage.now).der)
    assert read.certificate_status is OCSPCertStatus.REVOKED


def test_an_answer_is_not_given_before_its_own_time(shop: Shop) -> None:
    """Whoever keeps the clock may set it back (RFC 6960 4.2.2.1: thisUpdate lies in the past)."""
    status = CertificateStatus(shop.stage.platform)
    encoded = request(shop)
    status.answer(encoded, now=shop.stage.now)

    assert status.at_once(encoded, now=shop.stage.now - timedelta(seconds=1)) is None


def test_what_is_unknown_is_looked_up_each_time(shop: Shop) -> None:
    stranger = Party("x")
    stranger.name = issuing_authority(shop.stage.platform, SANDBOX).subject
    status = CertificateStatus(shop.stage.platform)
    asked = [request(shop, leaf=stranger.certify(Party("client"), serial=5), nonce=each) for each in (None, b"n" * 32)]
    for each in asked:
        status.answer(each, now=shop.stage.now)

    assert [status.at_once(each, now=shop.stage.now) for each in asked] == [None, None]


def test_a_long_request_and_an_unusual_nonce_are_looked_up_each_time(shop: Shop) -> None:
    status = CertificateStatus(shop.stage.platform)
    asked = [request(shop, nonce=b"n" * 17), padded(shop, LONGEST_REMEMBERED)]
    for each in asked:
        assert answered(shop, each, status).certificate_status is OCSPCertStatus.GOOD

    assert [status.at_once(each, now=shop.stage.now) for each in asked] == [None, None]


def padded(shop: Shop, octets: int, *, unlike: int = 0) -> bytes:
    """A request with an extension that nobody reads."""
    unread = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), unlike.to_bytes(octets))
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        certificate(shop), issuing_authority(shop.stage.platform, SANDBOX), SHA1()
    )
    return builder.add_extension(unread, critical=False).build().public_bytes(Encoding.DER)


def test_a_service_key_whose_place_another_has_taken_is_good_until_it_is_revoked(shop: Shop) -> None:
    counter = Counter(shop)
    first, second = (counter.add(CredentialKind.RESPONSE_ENCRYPTION) for _ in range(2))
    counter.activate(second)
    leaf = x509.load_der_x509_certificate(first.certificate_der)
    assert answered(shop, request(shop, leaf=leaf)).certificate_status is OCSPCertStatus.GOOD

    counter.revoke(first)

    assert answered(shop, request(shop, leaf=leaf)).certificate_status is OCSPCertStatus.REVOKED


def test_a_credential_that_is_held_after_a_restore_is_on_hold(shop: Shop) -> None:
    with writing(shop.stage.platform.database.records) as connection:
        connection.execute(credentials.update().values(status="INACTIVE", revoked_reason="restored"))

    assert answered(shop, request(shop)).revocation_reason is x509.ReasonFlags.certificate_hold


def test_a_responder_is_followed_before_its_certificate_ends(shop: Shop) -> None:
    status = CertificateStatus(shop.stage.platform)
    (first,) = answered(shop, request(shop), status).certificates
    shop.stage.clock.advance(5 * DAY)

    renew_responders(shop.stage.platform, now=shop.stage.now)
    (second,) = answered(shop, request(shop), status).certificates

    assert second != first
    assert len(shop.stage.rows(status_responders)) == 1
    assert second.not_valid_after_utc > first.not_valid_after_utc


def test_a_responder_s_own_certificate_is_one_that_we_issued(shop: Shop) -> None:
    (responder,) = answered(shop, request(shop)).certificates

    assert answered(shop, request(shop, leaf=responder)).certificate_status is OCSPCertStatus.GOOD

"""Revocation lists (RFC 5280 section 5): security.md section 11, item 15."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from tests import pki_linters
from tests.protocol import forge
from tests.protocol.authorities import NOW, Party, key_usage

from credenza.protocol import crl, der
from credenza.protocol.crl import Entry, Reason
from credenza.protocol.errors import Malformed, Refused

TOMORROW = NOW + timedelta(days=1)
SIGNS_LISTS = (key_usage("key_cert_sign", "crl_sign"), True)


def authority(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> tuple[Party, x509.Certificate]:
    party = Party("Issuing", key)
    identifier = x509.SubjectKeyIdentifier.from_public_key(party.key.public_key())
    return party, party.root(extensions=[SIGNS_LISTS, (identifier, False)])


PARTY, ISSUER = authority()
ENTRIES = (
    Entry(1 << 158, NOW - timedelta(days=1), Reason.KEY_COMPROMISE),
    Entry(7, NOW - timedelta(hours=1)),
    Entry(0x80, NOW, Reason.SUPERSEDED),
)


def build(*entries: Entry, number: int = 5, next_update: datetime = TOMORROW) -> bytes:
    return crl.build(PARTY.key, ISSUER, entries, number=number, this_update=NOW, next_update=next_update)


def loaded(encoded: bytes) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(encoded)


def test_a_list_is_of_version_2_and_signed_by_the_authority() -> None:
    found = loaded(build(*ENTRIES))

    to_be_signed = der.parse(found.tbs_certlist_bytes, field="crl")
    assert to_be_signed.children[0].encoded == b"\x02\x01\x01"
    assert found.is_signature_valid(PARTY.key.public_key())
    assert found.issuer == ISSUER.subject


def test_a_list_names_the_authority_s_key() -> None:
    identifier = loaded(build()).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)

    own = ISSUER.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert identifier.value.key_identifier == own.digest
    assert not identifier.critical


def test_a_list_has_a_number_of_at_most_20_octets() -> None:
    number = loaded(build(number=crl.LARGEST_NUMBER)).extensions.get_extension_for_class(x509.CRLNumber)

    assert number.value.crl_number == crl.LARGEST_NUMBER
    assert not number.critical
    with pytest.raises(ValueError, match="20 octets"):
        build(number=crl.LARGEST_NUMBER + 1)


def test_a_list_says_when_it_was_made_and_when_the_next_comes() -> None:
    found = loaded(build())

    assert (found.last_update_utc, found.next_update_utc) == (NOW, TOMORROW)


def test_times_are_utc_time_to_2049_and_generalized_time_from_then_on() -> None:
    for year, tag in ((2049, 0x17), (2050, 0x18)):
        found = loaded(build(next_update=datetime(year, 1, 1, tzinfo=UTC)))

        assert der.parse(found.tbs_certlist_bytes, field="crl").children[4].tag == tag
        assert found.next_update_utc == datetime(year, 1, 1, tzinfo=UTC)


def test_a_list_without_entries_has_no_empty_sequence_of_them() -> None:
    to_be_signed = der.parse(loaded(build()).tbs_certlist_bytes, field="crl")

    assert [part.tag for part in to_be_signed.children] == [0x02, 0x30, 0x30, 0x17, 0x17, 0xA0]


def test_entries_say_serial_number_time_and_reason() -> None:
    found = {each.serial_number: each for each in loaded(build(*ENTRIES))}

    assert found.keys() == {each.serial_number for each in ENTRIES}
    assert found[7].revocation_date_utc == NOW - timedelta(hours=1)
    assert found[1 << 158].extensions.get_extension_for_class(x509.CRLReason).value.reason.value == "keyCompromise"


def test_the_reason_unspecified_is_left_out_and_never_said_as_code_0() -> None:
    (found,) = loaded(build(Entry(7, NOW)))

    assert len(found.extensions) == 0


def test_remove_from_crl_cannot_be_said() -> None:
    assert 8 not in {int(each) for each in Reason}


def test_a_list_is_for_all_certificates_of_the_authority() -> None:
    """Not sharded: no issuing distribution point, so nothing critical that a reader might not know."""
    assert [each.critical for each in loaded(build(*ENTRIES)).extensions] == [False, False]


@pytest.mark.parametrize("entries", [(), ENTRIES], ids=["empty", "with entries"])
@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_pkilint_finds_nothing_in_a_list(rsa_key: rsa.RSAPrivateKey, kind: str, entries: tuple[Entry, ...]) -> None:
    party, issuer = authority(rsa_key) if kind == "RSA" else (PARTY, ISSUER)
    made = crl.build(party.key, issuer, entries, number=5, this_update=NOW, next_update=TOMORROW)

    assert loaded(made).is_signature_valid(party.key.public_key())
    assert pki_linters.list_findings(made) == []


def test_openssl_verifies_a_list(tmp_path: Path) -> None:
    (tmp_path / "list.der").write_bytes(build(*ENTRIES))
    (tmp_path / "ca.pem").write_bytes(ISSUER.public_bytes(Encoding.PEM))

    command = ["openssl", "crl", "-inform", "DER", "-in", "list.der", "-noout", "-CAfile", "ca.pem", "-verify"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)

    assert "verify OK" in ran.stderr


# Lists of others


def test_a_list_of_another_authority_is_read_when_it_is_proven() -> None:
    found = crl.read(build(*ENTRIES), ISSUER, now=NOW)

    assert (found.number, found.next_update) == (5, TOMORROW)
    assert found.revoked[7] == NOW - timedelta(hours=1)
    assert crl.read(loaded(build()).public_bytes(Encoding.PEM), ISSUER, now=NOW).revoked == {}


def foreign(*extensions: tuple[x509.ExtensionType, bool], next_update: datetime = TOMORROW) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(PARTY.name)
        .last_update(NOW - timedelta(hours=1))
        .next_update(next_update)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(PARTY.key, SHA256()).public_bytes(Encoding.DER)


def refused(encoded: bytes, issuer: x509.Certificate = ISSUER, now: datetime = NOW) -> str:
    with pytest.raises(Refused) as caught:
        crl.read(encoded, issuer, now=now)
    return caught.value.reason


def test_a_list_of_somebody_else_is_refused() -> None:
    assert refused(build(), Party("Other").root()) == "wrong_issuer"
    assert refused(build(), Party("Issuing").root()) == "signature"


def test_a_list_that_was_changed_is_refused() -> None:
    assert refused(build(*ENTRIES).replace(b"\x02\x01\x07", b"\x02\x01\x08")) == "signature"


def test_an_authority_that_may_not_sign_lists_proves_none() -> None:
    assert refused(build(), PARTY.root(extensions=[(key_usage("key_cert_sign"), True)])) == "signature"


def test_a_list_that_has_run_out_or_is_of_the_future_is_refused() -> None:
    assert refused(build(), now=TOMORROW) == "stale"
    assert refused(build(), now=NOW - timedelta(minutes=5, seconds=1)) == "stale"


def test_a_list_of_an_authority_whose_clock_is_ahead_is_read() -> None:
    assert crl.read(build(*ENTRIES), ISSUER, now=NOW - timedelta(seconds=60)).this_update == NOW


def test_a_list_for_some_certificates_is_refused() -> None:
    point = x509.IssuingDistributionPoint(
        full_name=None,
        relative_name=None,
        only_contains_user_certs=True,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )

    assert refused(foreign((point, True))) == "partial"
    assert refused(foreign((x509.DeltaCRLIndicator(4), True))) == "partial"


@pytest.mark.parametrize("octets", [b"", b"0", b"0\x80\0\0", b"nonsense", b"\x30\x03\x02\x01\x05", build() + b"\0"])
def test_what_is_no_list_is_malformed(octets: bytes) -> None:
    with pytest.raises(Malformed):
        crl.read(octets, ISSUER, now=NOW)


def test_a_list_that_is_too_large_is_not_read() -> None:
    with pytest.raises(Malformed, match="10 MiB"):
        crl.parse(b"0" * (crl.LARGEST_FOREIGN_BYTES + 1))


def test_a_list_signed_with_sha1_is_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    party, issuer = authority(rsa_key)
    made = crl.build(party.key, issuer, (), number=5, this_update=NOW, next_update=TOMORROW)
    to_be_signed = loaded(made).tbs_certlist_bytes.replace(
        forge.oid(forge.SHA256_WITH_RSA), forge.oid(forge.SHA1_WITH_RSA)
    )
    signed = forge.bit_string(rsa_key.sign(to_be_signed, padding.PKCS1v15(), SHA1()))
    algorithm = forge.sequence(forge.oid(forge.SHA1_WITH_RSA), forge.NULL)

    assert refused(forge.sequence(to_be_signed, algorithm, signed), issuer) == "weak_signature"

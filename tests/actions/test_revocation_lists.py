"""Revocation lists of our own authorities: what stands on them, when they are signed, and what may come between."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from tests import pki_linters
from tests.actions.stage import OPERATOR, SANDBOX, Shop, issuing_authority, new_platform
from tests.actions.test_service_keys import Counter

from credenza.actions import authorities, revocation_lists
from credenza.actions.revocation_lists import LIFE, RENEWED_AFTER
from credenza.actions.revocation_reasons import reason_of
from credenza.domain.model import AuthorityId, CredentialKind
from credenza.protocol import crl
from credenza.protocol.crl import Reason
from credenza.store.engine import writing
from credenza.store.schema import credentials
from credenza.store.schema import revocation_lists as revocation_list_rows

HOUR = timedelta(hours=1)


def signing_id(shop: Shop) -> AuthorityId:
    views = authorities.list_all(shop.stage.platform, OPERATOR, now=shop.stage.now)
    (found,) = [each.authority.id for each in views if each.state == "signs" and each.authority.environment is SANDBOX]
    return found


def served(shop: Shop) -> x509.CertificateRevocationList:
    found = revocation_lists.get(shop.stage.platform, signing_id(shop), now=shop.stage.now)
    return x509.load_der_x509_crl(found.der)


def number(found: x509.CertificateRevocationList) -> int:
    return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def sign_due(shop: Shop) -> list[str]:
    return [each.authority_id for each in revocation_lists.sign_due(shop.stage.platform, now=shop.stage.now)]


def serial_of(key: Any) -> int:
    return x509.load_der_x509_certificate(key.certificate_der).serial_number


def test_a_revoked_certificate_stands_on_the_list_that_is_signed_next(shop: Shop) -> None:
    sign_due(shop)
    before, kept = served(shop), shop.add()
    shop.stage.clock.advance(HOUR)
    shop.revoke(shop.key)

    assert sign_due(shop) == [signing_id(shop)]

    (entry,) = served(shop)
    assert entry.serial_number == serial_of(shop.key) != serial_of(kept)
    assert entry.revocation_date_utc == shop.stage.now.replace(microsecond=0)
    assert number(served(shop)) > number(before)


def test_a_list_is_proven_by_the_authority_and_lasts_a_day(shop: Shop) -> None:
    found = revocation_lists.get(shop.stage.platform, signing_id(shop), now=shop.stage.now)

    read = crl.read(found.der, issuing_authority(shop.stage.platform, SANDBOX), now=shop.stage.now)

    assert read.next_update - read.this_update == LIFE == timedelta(hours=24)
    assert pki_linters.list_findings(found.der) == []


def test_a_list_is_good_for_readers_whose_clocks_are_behind(shop: Shop) -> None:
    shop.revoke(shop.key)
    found = revocation_lists.get(shop.stage.platform, signing_id(shop), now=shop.stage.now)
    behind = shop.stage.now - timedelta(seconds=60)

    assert found.this_update < behind < shop.stage.now < found.next_update
    assert pki_linters.list_findings(found.der) == []


def test_a_node_whose_clock_is_behind_signs_no_list_anew(shop: Shop) -> None:
    sign_due(shop)
    shop.stage.clock.advance(-timedelta(seconds=60))

    assert sign_due(shop) == []


def test_a_list_of_a_clock_that_was_a_year_ahead_is_signed_anew(shop: Shop) -> None:
    right = shop.stage.now
    shop.stage.clock.advance(timedelta(days=300))
    before, first = number(served(shop)), set(sign_due(shop))
    shop.stage.clock.set(right)

    assert set(sign_due(shop)) == {signing_id(shop), *first}
    assert sign_due(shop) == []
    assert number(served(shop)) > before


def test_nothing_is_signed_while_nothing_changes(shop: Shop) -> None:
    sign_due(shop)
    shop.stage.clock.advance(HOUR)

    assert sign_due(shop) == []


def test_a_change_that_concerns_no_certificate_signs_nothing(shop: Shop) -> None:
    sign_due(shop)
    shop.stage.clock.advance(HOUR)
    shop.stage.service()

    assert sign_due(shop) == []
    assert sign_due(shop) == []


def test_every_list_is_signed_again_before_it_runs_out(shop: Shop) -> None:
    first = set(sign_due(shop))
    shop.stage.clock.advance(RENEWED_AFTER)

    assert set(sign_due(shop)) == first
    assert len(first) == 4  # two environments, each with a root and an issuing authority


def test_an_entry_stays_until_it_was_on_a_list_after_the_certificate_s_end(shop: Shop) -> None:
    shop.revoke(shop.key)
    sign_due(shop)
    shop.stage.clock.set(shop.key.not_after + timedelta(days=5))

    sign_due(shop)
    assert [each.serial_number for each in served(shop)] == [serial_of(shop.key)]

    shop.stage.clock.advance(timedelta(days=3))
    sign_due(shop)
    assert list(served(shop)) == []


def test_numbers_go_on_after_an_older_database_was_restored(shop: Shop) -> None:
    before = number(served(shop))
    shop.stage.clock.advance(HOUR)
    with writing(shop.stage.platform.database.records) as connection:
        connection.execute(revocation_list_rows.delete())

    assert number(served(shop)) > before


def test_whoever_reads_first_gets_a_list(shop: Shop) -> None:
    assert list(served(shop)) == []


def test_a_service_key_whose_place_another_has_taken_is_not_on_the_list_until_it_is_revoked(shop: Shop) -> None:
    counter = Counter(shop)
    first, second = (counter.add(CredentialKind.REQUEST_SIGNATURE) for _ in range(2))
    counter.activate(second)
    assert list(served(shop)) == []

    counter.revoke(first)
    sign_due(shop)

    assert [entry.serial_number for entry in served(shop)] == [serial_of(first)]


def test_a_credential_that_is_held_after_a_restore_is_on_hold(shop: Shop) -> None:
    with writing(shop.stage.platform.database.records) as connection:
        connection.execute(credentials.update().values(status="INACTIVE", revoked_reason="restored"))

    (entry,) = served(shop)

    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.certificate_hold


def test_two_nodes_that_sign_at_once_publish_the_later_number(shop: Shop) -> None:
    nested: list[int] = []

    def meanwhile(failpoint: str) -> None:
        if failpoint == "list_number_taken" and not nested:
            nested.append(0)
            other = new_platform(shop.stage.platform.database, now=shop.stage.now)
            nested[0] = revocation_lists.get(other, signing_id(shop), now=shop.stage.now).number

    first = new_platform(shop.stage.platform.database, now=shop.stage.now, failpoint=meanwhile)

    assert revocation_lists.get(first, signing_id(shop), now=shop.stage.now).number == nested[0]
    assert number(served(shop)) == nested[0]


@pytest.mark.parametrize("failpoint", ["list_number_taken", "list_signed", "before_list_commit"])
def test_a_crash_while_a_list_is_signed_leaves_the_one_before(shop: Shop, failpoint: str) -> None:
    before = number(served(shop))
    shop.stage.clock.advance(HOUR)
    shop.revoke(shop.key)

    def crash(name: str) -> None:
        if name == failpoint:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        revocation_lists.sign_due(
            new_platform(shop.stage.platform.database, now=shop.stage.now, failpoint=crash), now=shop.stage.now
        )

    assert number(served(shop)) == before
    sign_due(shop)
    assert [each.serial_number for each in served(shop)] == [serial_of(shop.key)]
    assert number(served(shop)) > before + 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Key COMPROMISED on a laptop", Reason.KEY_COMPROMISE),
        ("replaced by billing 2", Reason.SUPERSEDED),
        ("no longer used", Reason.CESSATION_OF_OPERATION),
        ("", Reason.UNSPECIFIED),
        ("whatever", Reason.UNSPECIFIED),
    ],
)
def test_the_words_of_a_revocation_become_a_code(words: str, reason: Reason) -> None:
    assert reason_of(words) is reason

"""The life of an API credential and its secrets, as rules without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.clock import NOON
from tests.domain import values

from credenza.domain import api_credentials as rules
from credenza.domain.api_credentials import FOREVER, ApiCredential, ClientSecret, OldSecret
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CredentialKind, EnvironmentName, Status

HOUR = timedelta(hours=1)
FIRST, SECOND = ClientSecret("1", "czs_sbx_a", NOON, None), ClientSecret("2", "czs_sbx_b", NOON, None)


def credential(*secrets: ClientSecret, status: Status = Status.ACTIVE, not_after: datetime = FOREVER) -> ApiCredential:
    row = replace(values.KEY, kind=CredentialKind.CLIENT_SECRET, status=status, not_after=not_after)
    return ApiCredential(row, 1, "", (), NOON, (), secrets)


@pytest.mark.parametrize(
    ("chosen", "ends_at", "end"),
    [
        (OldSecret.NOT_AT_ALL, None, NOON),
        (OldSecret.DAY, None, NOON + 24 * HOUR),
        (OldSecret.DAY, NOON + HOUR, NOON + HOUR),
        (OldSecret.HOUR, NOON + 24 * HOUR, NOON + HOUR),
        (OldSecret.UNTIL_DELETED, None, None),
        (OldSecret.UNTIL_DELETED, NOON + HOUR, NOON + HOUR),
    ],
)
def test_an_old_secret_never_lives_longer_than_it_would_have(
    chosen: OldSecret, ends_at: datetime | None, end: datetime | None
) -> None:
    assert rules.end_of_old(replace(FIRST, expires_at=ends_at), chosen, now=NOON) == end


def test_a_third_secret_is_refused_and_one_that_has_ended_does_not_count() -> None:
    ended = replace(FIRST, expires_at=NOON)

    rules.admit_secret(credential(FIRST), now=NOON)
    rules.admit_secret(credential(ended, SECOND), now=NOON)
    with pytest.raises(Refusal, match="czs_sbx_a"):
        rules.admit_secret(credential(FIRST, SECOND), now=NOON)


def test_the_last_usable_secret_is_held_back_for_who_asked_for_it() -> None:
    ended = replace(FIRST, expires_at=NOON)

    rules.release_secret(credential(FIRST, SECOND), FIRST, keep_last=True, now=NOON)
    rules.release_secret(credential(SECOND), SECOND, keep_last=False, now=NOON)
    rules.release_secret(credential(ended, SECOND), ended, keep_last=True, now=NOON)
    with pytest.raises(Refusal) as refused:
        rules.release_secret(credential(ended, SECOND), SECOND, keep_last=True, now=NOON)
    assert refused.value.code is Code.LAST_ACTIVE_CREDENTIAL


def test_an_end_lies_ahead_and_is_told_in_utc() -> None:
    later = (NOON + HOUR).astimezone(timezone(timedelta(hours=2)))

    assert rules.check_end(None, now=NOON) == FOREVER
    assert rules.check_end(later, now=NOON).tzinfo is UTC
    for wrong in (NOON, NOON + timedelta(days=366 * 10 + 1), datetime.max.replace(tzinfo=UTC)):
        with pytest.raises(Refusal):
            rules.check_end(wrong, now=NOON)


def test_who_chose_no_end_sees_none() -> None:
    assert credential().ends_at is None
    assert credential(not_after=NOON).ends_at == NOON


@pytest.mark.parametrize(
    ("text", "spelt"),
    [("192.0.2.7", "192.0.2.7/32"), (" 10.0.0.0/8 ", "10.0.0.0/8"), ("2001:DB8::/32", "2001:db8::/32")],
)
def test_a_network_is_spelt_in_one_way(text: str, spelt: str) -> None:
    assert rules.parse_networks([text, text]) == (spelt,)


@pytest.mark.parametrize("text", ["", "x", "10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/8/8", "010.0.0.1"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        rules.parse_networks([text])


def test_more_than_50_networks_are_refused() -> None:
    with pytest.raises(Refusal):
        rules.parse_networks(["10.0.0.0/8"] * 51)


@pytest.mark.parametrize("note", ["x" * 501, "two\nlines", "\u202e"])
def test_a_note_is_one_line(note: str) -> None:
    assert rules.check_note(" vault ") == "vault"
    with pytest.raises(Refusal):
        rules.check_note(note)


def test_an_editor_of_an_older_version_is_told() -> None:
    rules.check_version(credential(), 1)
    with pytest.raises(Refusal) as refused:
        rules.check_version(replace(credential(), version=2), 1)
    assert refused.value.code is Code.EDITED_MEANWHILE


def test_switching_says_whether_it_changes_anything() -> None:
    off = credential(status=Status.INACTIVE)
    off = replace(off, credential=replace(off.credential, inactive_since=NOON))

    assert rules.switch(credential(), Status.INACTIVE, now=NOON)
    assert not rules.switch(credential(), Status.ACTIVE, now=NOON)
    assert rules.switch(off, Status.ACTIVE, now=NOON)
    assert not rules.switch(off, Status.INACTIVE, now=NOON)


def test_neither_an_ended_credential_nor_one_that_a_restore_holds_is_switched_on() -> None:
    for found in (credential(not_after=NOON - HOUR), credential(status=Status.INACTIVE)):
        with pytest.raises(Refusal):
            rules.switch(found, Status.ACTIVE, now=NOON)


def test_a_secret_says_its_environment() -> None:
    assert [rules.secret_prefix(each) for each in EnvironmentName] == ["czs_sbx_", "czs_prd_"]

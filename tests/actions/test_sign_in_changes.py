"""Users hear by mail that how they sign in has changed; what was refused tells nobody (ASVS 6.3.7)."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from tests.actions.proofs import PASSWORD, VISITOR, code_of
from tests.actions.stage import OPERATOR, Stage
from tests.actions.test_passkeys import ORIGIN, Person

from credenza.actions import authenticators, letters, outbox, passkeys, password_resets, passwords
from credenza.actions.letters import Change, SignInChange
from credenza.domain.errors import Code
from credenza.domain.outbox import Kind
from credenza.store import schema

NEW_PASSWORD = "a loom of brass and steam"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.platform = replace(stage.platform, public_url=ORIGIN)
    return stage


@pytest.fixture
def ann(stage: Stage) -> Person:
    return Person(stage, "ann@example.org")


def told(stage: Stage) -> list[tuple[str, SignInChange]]:
    """Who is told what, in the order of the telling."""
    rows = sorted(stage.rows(schema.outbox), key=lambda row: row.created_at)
    return [
        (row.recipient, msgspec.json.decode(_content(stage, row.id, row.wrapped), type=SignInChange))
        for row in rows
        if row.kind == Kind.SIGN_IN_CHANGE
    ]


def _content(stage: Stage, delivery_id: str, wrapped: bytes) -> bytes:
    return stage.platform.vault.unwrap(outbox.purpose(delivery_id), wrapped)


def changes(stage: Stage) -> list[Change]:
    return [letter.change for _, letter in told(stage)]


def test_a_password_that_is_set_changed_or_reset_is_told(stage: Stage, ann: Person) -> None:
    passwords.set_password(stage.platform, ann.actor, "", PASSWORD, now=stage.now)
    passwords.set_password(stage.platform, ann.actor, PASSWORD, NEW_PASSWORD, now=stage.now)
    token = password_resets.make(stage.platform, OPERATOR, "ann@example.org", now=stage.now)
    password_resets.accept(stage.platform, token, PASSWORD, VISITOR, now=stage.now)

    assert changes(stage) == [Change.PASSWORD] * 3
    assert {to for to, _ in told(stage)} == {"ann@example.org"}


def test_what_was_refused_is_not_told(stage: Stage, ann: Person) -> None:
    passwords.set_password(stage.platform, ann.actor, "", PASSWORD, now=stage.now)

    stage.refused("password.set", Code.UNAUTHENTICATED, passwords.set_password, ann.actor, "wrong", NEW_PASSWORD)

    assert changes(stage) == [Change.PASSWORD]


def test_an_authenticator_and_its_recovery_codes_are_told(stage: Stage, ann: Person) -> None:
    enrolled = authenticators.enrol(stage.platform, ann.actor, now=stage.now)
    assert changes(stage) == [], "nothing asks for it yet"

    authenticators.confirm(stage.platform, ann.actor, code_of(enrolled.secret, stage.now), now=stage.now)
    authenticators.new_recovery_codes(stage.platform, ann.actor, now=stage.now)
    authenticators.remove(stage.platform, ann.actor, now=stage.now)

    assert sorted(changes(stage)) == ["authenticator_added", "authenticator_removed", "recovery_codes"]


def test_a_passkey_is_told_by_its_name(stage: Stage, ann: Person) -> None:
    passwords.set_password(stage.platform, ann.actor, "", PASSWORD, now=stage.now)
    made = ann.register("Ann's laptop")
    passkeys.remove(stage.platform, ann.actor, made.id, now=stage.now)

    named = {letter.change: letter.name for _, letter in told(stage)}
    assert named == {Change.PASSWORD: "", Change.PASSKEY_ADDED: "Ann's laptop", Change.PASSKEY_REMOVED: "Ann's laptop"}


@pytest.mark.parametrize("change", Change)
def test_a_letter_says_what_happened_when_from_where_and_what_to_do(stage: Stage, change: Change) -> None:
    letter = SignInChange(change, "lap\ntop\u202e", stage.now, "192.0.2.7", f"{ORIGIN}/account", f"{ORIGIN}/forgotten")

    mail = letters.compose(letter)

    assert "lap top\ufffd, on 2025-01-31 12:00:00 UTC, from 192.0.2.7." in mail.text
    assert "If it was not, choose a new password at once" in mail.text
    assert f"{ORIGIN}/forgotten" in mail.text
    assert mail.text.endswith(f"{ORIGIN}/account\n")
    assert "\n" not in mail.subject


def test_the_letter_waits_wrapped(stage: Stage, ann: Person) -> None:
    ann.register("Ann's laptop")

    (row,) = stage.rows(schema.outbox)
    assert b"laptop" not in row.wrapped

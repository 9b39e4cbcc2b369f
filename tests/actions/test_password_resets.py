"""A forgotten password: one link, one hour, once, and no word about who has an account."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.actions import proofs
from tests.actions.proofs import AT_ONCE, OTHER_PASSWORD, PASSWORD, VISITOR, Device
from tests.actions.stage import OPERATOR, Stage

from credenza.actions import links, outbox, password_resets, passwords, people, sessions
from credenza.actions.letters import PasswordReset
from credenza.actions.passwords import SecondFactor
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import PLATFORM, User
from credenza.domain.outbox import Kind
from credenza.store.schema import one_time_links
from credenza.store.schema import outbox as outbox_rows


@pytest.fixture
def ann(stage: Stage) -> User:
    user = proofs.new_user(stage)
    stage.clock.advance(timedelta(days=2))
    return user


def letters(stage: Stage) -> list[tuple[str, PasswordReset]]:
    rows = sorted(stage.rows(outbox_rows), key=lambda row: row.created_at)
    return [
        (
            row.recipient,
            msgspec.json.decode(stage.platform.vault.unwrap(outbox.purpose(row.id), row.wrapped), type=PasswordReset),
        )
        for row in rows
        if row.kind == Kind.PASSWORD_RESET
    ]


def ask(stage: Stage, email: str) -> None:
    password_resets.request(stage.platform, email, VISITOR, now=stage.now)


def token_of(letter: PasswordReset) -> str:
    return letter.link.partition("?token=")[2]


def test_a_letter_brings_a_link_that_sets_a_new_password(stage: Stage, ann: User) -> None:
    stage.done("password.reset.ask", password_resets.request, " Ann@Example.org", VISITOR)

    ((recipient, letter),) = letters(stage)
    assert (recipient, letter.until) == (ann.email, stage.now + timedelta(hours=1))
    assert letter.link.startswith("http://127.0.0.1:8080/password-reset?token=")
    assert password_resets.look(stage.platform, token_of(letter), now=stage.now) == ann
    stage.done("password.reset", password_resets.accept, token_of(letter), OTHER_PASSWORD, VISITOR)
    proofs.signed_in(stage, ann, password=OTHER_PASSWORD)


def test_unknown_and_disabled_users_get_no_letter_and_the_same_answer(stage: Stage, ann: User) -> None:
    people.disable_user(stage.platform, OPERATOR, ann.email, now=stage.now)
    before = stage.dump()

    ask(stage, "nobody@example.org")
    ask(stage, ann.email)

    assert stage.dump() == before


def test_an_address_gets_one_letter_a_minute_and_five_a_day(stage: Stage, ann: User) -> None:
    began, sent = stage.now, []
    while stage.now < began + timedelta(hours=25):
        ask(stage, ann.email)
        stage.clock.advance(timedelta(seconds=30))
        sent.append(len(letters(stage)))
        stage.clock.advance(timedelta(minutes=0 if len(sent) < 20 else 30))

    assert sent[:12] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 5]
    assert max(sent[:60]) == 5
    assert sent[-1] > 5


def test_what_is_not_sent_leaves_no_audit_row(stage: Stage, ann: User) -> None:
    ask(stage, ann.email)
    before = stage.dump()

    for _ in range(5):
        ask(stage, ann.email)

    assert stage.dump() == before


def test_sixteen_requests_at_once_are_one_letter(stage: Stage, ann: User) -> None:
    before = stage.traces()

    assert proofs.race(*[lambda: ask(stage, ann.email)] * AT_ONCE) == {"done": AT_ONCE}

    assert len(letters(stage)) == 1
    assert stage.new_traces(before) == [("password.reset.ask", "done", "")]


def test_sixteen_at_once_with_one_link_are_one(stage: Stage, ann: User) -> None:
    token = password_resets.make(stage.platform, OPERATOR, ann.email, now=stage.now)

    def accept(number: int) -> Any:
        return lambda: password_resets.accept(
            stage.platform, token, f"{number:02} foxes and a fence", VISITOR, now=stage.now
        )

    stage.platform = stage.with_passwords(proofs.Patient())
    seen = proofs.race(*map(accept, range(AT_ONCE)))

    assert seen == {"done": 1, "unauthenticated": AT_ONCE - 1}


@pytest.mark.parametrize("spoil", ["used", "too old", "another was used", "the user was disabled"])
def test_a_spent_link_is_refused(stage: Stage, ann: User, spoil: str) -> None:
    token = stage.done("password.reset.link", password_resets.make, OPERATOR, ann.email)
    if spoil == "used":
        password_resets.accept(stage.platform, token, OTHER_PASSWORD, VISITOR, now=stage.now)
    if spoil == "too old":
        stage.clock.advance(timedelta(hours=1))
    if spoil == "another was used":
        other = password_resets.make(stage.platform, OPERATOR, ann.email, now=stage.now)
        password_resets.accept(stage.platform, other, OTHER_PASSWORD, VISITOR, now=stage.now)
    if spoil == "the user was disabled":
        people.disable_user(stage.platform, OPERATOR, ann.email, now=stage.now)

    with pytest.raises(Refusal):
        password_resets.look(stage.platform, token, now=stage.now)
    stage.refused(
        "password.reset",
        Code.UNAUTHENTICATED,
        password_resets.accept,
        token,
        OTHER_PASSWORD,
        VISITOR,
        chain=PLATFORM,
    )


def test_a_made_up_link_leaves_nothing(stage: Stage, ann: User) -> None:
    before = stage.dump()

    with pytest.raises(Refusal, match="used or is too old"):
        password_resets.accept(stage.platform, "0" * 43, OTHER_PASSWORD, VISITOR, now=stage.now)

    assert stage.dump() == before


def test_a_password_that_is_refused_leaves_the_link_good(stage: Stage, ann: User) -> None:
    token = password_resets.make(stage.platform, OPERATOR, ann.email, now=stage.now)
    stage.refused("password.reset", Code.INVALID, password_resets.accept, token, "too short", VISITOR)

    stage.done("password.reset", password_resets.accept, token, OTHER_PASSWORD, VISITOR)


def test_a_new_password_ends_all_sessions(stage: Stage, ann: User) -> None:
    begun = proofs.signed_in(stage, ann)
    token = password_resets.make(stage.platform, OPERATOR, ann.email, now=stage.now)

    stage.done("password.reset", password_resets.accept, token, OTHER_PASSWORD, VISITOR)

    assert stage.looked(sessions.find, begun.token) is None


def test_the_second_factor_is_asked_for_after_a_reset(stage: Stage, ann: User) -> None:
    Device(stage, proofs.actor_of(stage, proofs.signed_in(stage, ann)))
    token = password_resets.make(stage.platform, OPERATOR, ann.email, now=stage.now)
    password_resets.accept(stage.platform, token, "8 chars!", VISITOR, now=stage.now)

    asked = passwords.sign_in(stage.platform, ann.email, "8 chars!", VISITOR, now=stage.now)

    assert isinstance(asked, SecondFactor)


def test_only_operators_hand_links_over(stage: Stage, ann: User) -> None:
    actor = proofs.actor_of(stage, proofs.signed_in(stage, ann))

    stage.refused("password.reset.link", Code.FORBIDDEN, password_resets.make, actor, ann.email)
    stage.refused("password.reset.link", Code.NOT_FOUND, password_resets.make, OPERATOR, "nobody@example.org")


def test_links_are_deleted_a_day_after_their_end(stage: Stage, ann: User) -> None:
    password_resets.make(stage.platform, OPERATOR, ann.email, now=stage.now)
    links.forget_expired(stage.platform, now=stage.now)
    stage.clock.advance(timedelta(hours=25))

    assert links.forget_expired(stage.platform, now=stage.now) == 1
    assert stage.rows(one_time_links) == []


def test_the_password_does_not_matter_to_who_had_none(stage: Stage) -> None:
    user = people.create_user(stage.platform, OPERATOR, email="new@example.org", name="", now=stage.now)
    token = password_resets.make(stage.platform, OPERATOR, user.email, now=stage.now)

    stage.done("password.reset", password_resets.accept, token, PASSWORD, VISITOR)

    proofs.signed_in(stage, user)

"""Passkeys: register, sign in, confirm, remove; and whatever an authenticator of one's own making can try."""

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.actions.proofs import PASSWORD, VISITOR, race
from tests.actions.stage import OPERATOR, Stage, new_platform
from tests.authenticator import PRESENT, SoftAuthenticator

from credenza.actions import links, passkeys, passwords, people, sessions
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, OrganizationRole, SignInMethod
from credenza.store import schema
from credenza.store.passkeys import Passkey

ORIGIN = "https://desk.example.com"


class Person:
    """A user at a browser, signed in by a one-time link, with an authenticator at hand."""

    def __init__(self, stage: Stage, email: str) -> None:
        self.stage = stage
        self.user = people.create_user(stage.platform, OPERATOR, email=email, name="Ann", now=stage.now)
        self.key = SoftAuthenticator(ORIGIN)
        self.begun = sessions.begin(stage.platform, self.user, SignInMethod.LINK, VISITOR, now=stage.now)

    @property
    def actor(self) -> Actor:
        return sessions.actor_of(self.begun.session, address="192.0.2.7", now=self.stage.now)

    def options(self) -> str:
        return passkeys.registration_options(self.stage.platform, self.actor, now=self.stage.now)

    def register(self, name: str = "Laptop") -> Passkey:
        return self.stage.done("passkey.add", passkeys.register, self.actor, name, self.key.create(self.options()))

    def answer(self, **wrong: Any) -> str:
        return self.key.get(passkeys.sign_in_options(self.stage.platform, now=self.stage.now), **wrong)


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.platform = replace(stage.platform, public_url=ORIGIN)
    return stage


@pytest.fixture
def ann(stage: Stage) -> Person:
    return Person(stage, "ann@example.org")


def unsigned(stage: Stage, answer: str) -> Refusal:
    """See that an answer is refused, and that nobody can write anything into the database by it."""
    before = stage.dump()
    with pytest.raises(Refusal) as refused:
        passkeys.sign_in(stage.platform, answer, VISITOR, now=stage.now)
    assert stage.dump() == before
    return refused.value


# ------------------------------------------------------------------------------------------------------------- using


def test_a_registered_passkey_signs_in_without_a_name(stage: Stage, ann: Person) -> None:
    made = ann.register()
    stage.clock.advance(timedelta(days=2))

    begun = stage.done("session.begin", passkeys.sign_in, ann.answer(), VISITOR)

    assert (begun.session.user, begun.session.method) == (ann.user, SignInMethod.PASSKEY)
    assert stage.looked(sessions.find, begun.token) == begun.session
    (kept,) = stage.looked(passkeys.list_own, ann.actor)
    assert kept == replace(made, sign_count=1, last_used_at=stage.now)


def test_options_to_sign_in_name_nobody(stage: Stage, ann: Person) -> None:
    ann.register()

    asked = json.loads(stage.looked(passkeys.sign_in_options))

    assert (asked["rpId"], asked["allowCredentials"]) == ("desk.example.com", [])


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://[2001:db8::1]"])
def test_a_portal_without_a_name_says_why_it_has_no_passkeys(stage: Stage, url: str) -> None:
    stage.platform = replace(stage.platform, public_url=url)

    with pytest.raises(Refusal, match="need a host name"):
        passkeys.sign_in_options(stage.platform, now=stage.now)


def test_a_captured_answer_is_not_taken_again_by_any_node(stage: Stage, ann: Person) -> None:
    ann.register()
    answer = ann.answer()
    node = replace(new_platform(stage.platform.database, now=stage.now), public_url=ORIGIN)

    stage.done("session.begin", passkeys.sign_in, answer, VISITOR)

    stage.refused("session.begin", Code.UNAUTHENTICATED, passkeys.sign_in, answer, VISITOR)
    with pytest.raises(Refusal):
        passkeys.sign_in(node, answer, VISITOR, now=stage.now)


def test_a_captured_answer_of_a_key_that_does_not_count_is_not_taken_again(stage: Stage, ann: Person) -> None:
    ann.register()
    ann.key.sign_count = -1
    answer = ann.answer()

    stage.done("session.begin", passkeys.sign_in, answer, VISITOR)

    stage.refused("session.begin", Code.UNAUTHENTICATED, passkeys.sign_in, answer, VISITOR)


def test_of_two_nodes_that_get_the_same_answer_at_once_one_takes_it(stage: Stage, ann: Person) -> None:
    ann.register()
    answer = ann.answer()

    said = race(*[partial(passkeys.sign_in, stage.platform, answer, VISITOR, now=stage.now)] * 8)

    assert said == {"done": 1, "unauthenticated": 7}


def test_an_answer_to_an_old_challenge_is_refused(stage: Stage, ann: Person) -> None:
    ann.register()
    answer = ann.answer()
    stage.clock.advance(timedelta(minutes=5))

    assert unsigned(stage, answer).code is Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"origin": "https://evil.example.com"}, id="another origin"),
        pytest.param({"rp_id": "evil.example.com"}, id="another relying party"),
        pytest.param({"flags": PRESENT}, id="the user was not verified"),
        pytest.param({"signature": bytes(71)}, id="no signature of it"),
        pytest.param({"credential_id": b"unknown"}, id="an unknown passkey"),
        pytest.param({"user_handle": b"somebody else"}, id="another user's handle"),
        pytest.param({"user_handle": None}, id="nobody's handle"),
    ],
)
def test_what_proves_nothing_is_refused_in_the_same_words_and_leaves_nothing(
    stage: Stage, ann: Person, wrong: dict[str, Any]
) -> None:
    ann.register()

    refused = unsigned(stage, ann.answer(**wrong))

    assert (refused.code, refused.message) == (
        Code.UNAUTHENTICATED,
        "This passkey does not sign in here. Choose another one, or another way to sign in.",
    )


@pytest.mark.parametrize("answer", ["", "{}", "null", "[" * 9000, "x" * 20_000])
def test_what_cannot_be_read_is_refused(stage: Stage, answer: str) -> None:
    assert unsigned(stage, answer).code is Code.INVALID


def test_another_user_s_key_does_not_sign_for_a_passkey(stage: Stage, ann: Person) -> None:
    ann.register()
    bob = Person(stage, "bob@example.org")
    bob.register()

    unsigned(stage, bob.answer(credential_id=ann.key.credential_id, user_handle=ann.key.user_handle))


def test_a_counter_that_goes_back_is_refused_and_on_record(stage: Stage, ann: Person) -> None:
    made = ann.register()
    ann.key.sign_count = 7
    stage.done("session.begin", passkeys.sign_in, ann.answer(), VISITOR)
    ann.key.sign_count = 5
    before = stage.traces()

    stage.refused("session.begin", Code.UNAUTHENTICATED, passkeys.sign_in, ann.answer(), VISITOR)

    (row,) = [row for place, row in stage.traces().items() if place not in before]
    assert (row.user_id, row.subject) == (ann.user.id, made.id)
    assert "counter, now 6" in row.detail


def test_anybody_may_claim_a_counter_but_not_sign_it(stage: Stage, ann: Person) -> None:
    """No audit row tells of a copy of a key that there is not."""
    ann.register()
    stage.done("session.begin", passkeys.sign_in, ann.answer(), VISITOR)
    ann.key.sign_count = -1

    unsigned(stage, ann.answer(signature=bytes(71)))


def test_a_key_that_counts_cannot_stop_counting(stage: Stage, ann: Person) -> None:
    ann.register()
    stage.done("session.begin", passkeys.sign_in, ann.answer(), VISITOR)
    ann.key.sign_count = -1

    stage.refused("session.begin", Code.UNAUTHENTICATED, passkeys.sign_in, ann.answer(), VISITOR)


def test_a_removed_passkey_signs_nobody_in(stage: Stage, ann: Person) -> None:
    made = ann.register()
    give_password(stage, ann)
    stage.done("passkey.remove", passkeys.remove, ann.actor, made.id)

    unsigned(stage, ann.answer())


def test_a_disabled_user_is_not_signed_in_and_it_is_on_record(stage: Stage, ann: Person) -> None:
    ann.register()
    people.disable_user(stage.platform, OPERATOR, ann.user.email, now=stage.now)
    before = stage.traces()

    stage.refused("session.begin", Code.UNAUTHENTICATED, passkeys.sign_in, ann.answer(), VISITOR)

    (row,) = [row for place, row in stage.traces().items() if place not in before]
    assert row.detail == "the user is disabled"


# --------------------------------------------------------------------------------------------------------- confirming


def confirmation(stage: Stage, person: Person, key: SoftAuthenticator | None = None, **wrong: Any) -> str:
    options = passkeys.confirm_options(stage.platform, person.begun.session, now=stage.now)
    return (key or person.key).get(options, **wrong)


def test_a_passkey_confirms_who_it_is_and_the_token_changes(stage: Stage, ann: Person) -> None:
    ann.register()
    stage.clock.advance(timedelta(minutes=20))
    answer = confirmation(stage, ann, user_handle=None)

    proven = stage.done("session.begin", passkeys.confirm, ann.begun.session, answer, VISITOR)

    assert (proven.session.id, proven.session.proven_at) == (ann.begun.session.id, stage.now)
    assert sessions.find(stage.platform, ann.begun.token, now=stage.now) is None
    assert sessions.actor_of(proven.session, address="", now=stage.now).fresh


def test_only_one_s_own_passkey_confirms(stage: Stage, ann: Person) -> None:
    ann.register()
    bob = Person(stage, "bob@example.org")
    bob.register()

    with pytest.raises(Refusal) as refused:
        passkeys.confirm(stage.platform, ann.begun.session, confirmation(stage, ann, bob.key), VISITOR, now=stage.now)

    assert refused.value.code is Code.UNAUTHENTICATED


def test_an_answer_given_to_sign_in_confirms_nothing_nor_one_of_another_session(stage: Stage, ann: Person) -> None:
    ann.register()
    other = sessions.begin(stage.platform, ann.user, SignInMethod.LINK, VISITOR, now=stage.now)

    for answer, session in ((ann.answer(), ann.begun.session), (confirmation(stage, ann), other.session)):
        with pytest.raises(Refusal):
            passkeys.confirm(stage.platform, session, answer, VISITOR, now=stage.now)


def test_a_confirmation_names_the_user_s_own_passkeys(stage: Stage, ann: Person) -> None:
    ann.register()

    asked = json.loads(stage.looked(passkeys.confirm_options, ann.begun.session))

    assert len(asked["allowCredentials"]) == 1


# ------------------------------------------------------------------------------------------------- having and removing


def give_password(stage: Stage, person: Person) -> None:
    passwords.set_password(stage.platform, person.actor, "", PASSWORD, now=stage.now)


def test_a_challenge_registers_once_and_only_in_its_session(stage: Stage, ann: Person) -> None:
    options = ann.options()
    stage.done("passkey.add", passkeys.register, ann.actor, "Laptop", ann.key.create(options))
    other = SoftAuthenticator(ORIGIN)

    stage.refused("passkey.add", Code.UNAUTHENTICATED, passkeys.register, ann.actor, "Phone", other.create(options))
    bob = Person(stage, "bob@example.org")
    stage.refused(
        "passkey.add", Code.UNAUTHENTICATED, passkeys.register, bob.actor, "Phone", other.create(ann.options())
    )


def test_a_passkey_is_registered_once(stage: Stage, ann: Person) -> None:
    ann.register()
    bob = Person(stage, "bob@example.org")

    again = ann.key.create(ann.options())
    stage.refused("passkey.add", Code.DUPLICATE_KEY, passkeys.register, ann.actor, "Again", again)
    stolen = ann.key.create(bob.options())
    stage.refused("passkey.add", Code.DUPLICATE_KEY, passkeys.register, bob.actor, "Stolen", stolen)


@pytest.mark.parametrize("wrong", [{"origin": "https://evil.example.com"}, {"flags": PRESENT}])
def test_a_passkey_of_elsewhere_or_without_verification_is_not_registered(
    stage: Stage, ann: Person, wrong: dict[str, Any]
) -> None:
    answer = ann.key.create(ann.options(), **wrong)

    stage.refused("passkey.add", Code.INVALID, passkeys.register, ann.actor, "Laptop", answer)


@pytest.mark.parametrize("name", ["", "  ", "x" * 121, "a\u202eb\n"])
def test_a_name_that_cannot_be_shown_is_refused(stage: Stage, ann: Person, name: str) -> None:
    answer = ann.key.create(ann.options())

    assert stage.refused("passkey.add", Code.INVALID, passkeys.register, ann.actor, name, answer).field == "name"


def test_nobody_has_more_than_twenty(stage: Stage, ann: Person) -> None:
    for number in range(passkeys.MOST_PASSKEYS):
        ann.key = SoftAuthenticator(ORIGIN)
        ann.register(f"Key {number}")
    answer = SoftAuthenticator(ORIGIN).create(ann.options())

    stage.refused("passkey.add", Code.INVALID, passkeys.register, ann.actor, "One more", answer)


def test_a_new_passkey_and_a_removal_need_a_fresh_proof(stage: Stage, ann: Person) -> None:
    made = ann.register()
    stage.clock.advance(timedelta(minutes=20))

    stage.refused("passkey.add", Code.PROOF_NEEDED, passkeys.registration_options, ann.actor)
    stage.refused("passkey.add", Code.PROOF_NEEDED, passkeys.register, ann.actor, "Laptop", "{}")
    stage.refused("passkey.remove", Code.PROOF_NEEDED, passkeys.remove, ann.actor, made.id)


def test_an_access_token_has_no_way_to_passkeys(stage: Stage) -> None:
    token = stage.member(stage.organization(), OrganizationRole.ADMIN).actor

    stage.refused("passkey.add", Code.FORBIDDEN, passkeys.registration_options, token)
    stage.refused("passkey.add", Code.FORBIDDEN, passkeys.register, token, "Laptop", "{}")
    stage.refused("passkey.list", Code.FORBIDDEN, passkeys.list_own, token)
    stage.refused("passkey.remove", Code.FORBIDDEN, passkeys.remove, token, "x")
    machine = Actor(ActorKind.ACCOUNT_KEY, "key", token.user_id, token.organization_id)
    stage.refused("passkey.list", Code.FORBIDDEN, passkeys.list_own, machine)


def test_a_passkey_is_given_another_name(stage: Stage, ann: Person) -> None:
    made = ann.register()

    stage.done("passkey.rename", passkeys.rename, ann.actor, made.id, " Ann's phone ")

    assert [each.name for each in passkeys.list_own(stage.platform, ann.actor, now=stage.now)] == ["Ann's phone"]
    stage.refused("passkey.rename", Code.INVALID, passkeys.rename, ann.actor, made.id, "a\u202eb")


def test_another_user_s_passkey_is_not_renamed(stage: Stage, ann: Person) -> None:
    made = ann.register()
    bob = Person(stage, "bob@example.org")

    stage.refused("passkey.rename", Code.NOT_FOUND, passkeys.rename, bob.actor, made.id, "mine")


def test_the_last_way_in_stays(stage: Stage, ann: Person) -> None:
    first = ann.register()
    stage.refused("passkey.remove", Code.INVALID, passkeys.remove, ann.actor, first.id)
    ann.key = SoftAuthenticator(ORIGIN)
    second = ann.register("Phone")

    stage.done("passkey.remove", passkeys.remove, ann.actor, first.id)

    assert [each.id for each in stage.looked(passkeys.list_own, ann.actor)] == [second.id]
    stage.refused("passkey.remove", Code.INVALID, passkeys.remove, ann.actor, second.id)
    give_password(stage, ann)
    stage.done("passkey.remove", passkeys.remove, ann.actor, second.id)


def test_two_removals_at_once_leave_a_way_in(stage: Stage, ann: Person) -> None:
    made = [ann.register()]
    ann.key = SoftAuthenticator(ORIGIN)
    made.append(ann.register("Phone"))
    actor = ann.actor

    said = race(*(partial(passkeys.remove, stage.platform, actor, each.id, now=stage.now) for each in made))

    assert said == {"done": 1, "invalid": 1}
    assert len(passkeys.list_own(stage.platform, actor, now=stage.now)) == 1


def test_another_user_s_passkey_is_not_found(stage: Stage, ann: Person) -> None:
    made = ann.register()
    bob = Person(stage, "bob@example.org")

    stage.refused("passkey.remove", Code.NOT_FOUND, passkeys.remove, bob.actor, made.id)
    assert stage.looked(passkeys.list_own, bob.actor) == ()


def test_answered_challenges_are_forgotten_after_their_end(stage: Stage, ann: Person) -> None:
    ann.register()
    assert len(stage.rows(schema.one_time_links)) == 1
    stage.clock.advance(timedelta(days=2))

    links.forget_expired(stage.platform, now=stage.now)

    assert stage.rows(schema.one_time_links) == []

"""Sign-in by password: whatever is wrong has one answer, ten wrong ones have half an hour of silence."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from tests.actions import proofs
from tests.actions.proofs import AT_ONCE, ELSEWHERE, OTHER_PASSWORD, PASSWORD, VISITOR, Device
from tests.actions.stage import OPERATOR, Stage

from credenza.actions import (
    authenticators,
    organizations,
    password_resets,
    passwords,
    people,
    sessions,
    sign_in_attempts,
    sign_in_links,
)
from credenza.actions.passwords import SecondFactor
from credenza.actions.sessions import Begun, Visitor
from credenza.adapters.passwords import Argon2Passwords
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import PLATFORM, OrganizationRole, User
from credenza.store.engine import reading
from credenza.store.schema import passwords as password_rows
from credenza.store.schema import sign_in_failures

WRONG = "not this one either, no"


@pytest.fixture
def ann(stage: Stage) -> User:
    return proofs.new_user(stage)


def failures(stage: Stage) -> list[Any]:
    with reading(stage.platform.database.traces) as connection:
        return list(connection.execute(sign_in_failures.select()))


def wrong(stage: Stage, email: str, password: str = WRONG, visitor: Visitor = VISITOR) -> Refusal:
    with pytest.raises(Refusal) as caught:
        passwords.sign_in(stage.platform, email, password, visitor, now=stage.now)
    return caught.value


# ------------------------------------------------------------------------------------------------------------ sign in


def test_the_right_password_signs_in(stage: Stage, ann: User) -> None:
    begun = stage.done("session.begin", passwords.sign_in, " Ann@Example.org", PASSWORD, VISITOR)

    assert isinstance(begun, Begun)
    assert stage.looked(sessions.find, begun.token) == begun.session
    assert (begun.session.user, begun.session.method) == (ann, "password")


def test_a_password_is_the_same_however_a_keyboard_composes_it(stage: Stage) -> None:
    proofs.new_user(stage, password="schöne grüße aus köln")

    begun = passwords.sign_in(
        stage.platform, "ann@example.org", "scho\u0308ne gru\u0308ße aus ko\u0308ln", VISITOR, now=stage.now
    )

    assert isinstance(begun, Begun)


@pytest.mark.parametrize("password", [PASSWORD.upper(), PASSWORD + " ", PASSWORD[:-1], "", "x" * 100_000, "\ud800"])
def test_nothing_but_the_password_is_the_password(stage: Stage, ann: User, password: str) -> None:
    assert wrong(stage, ann.email, password).code is Code.UNAUTHENTICATED


def test_unknown_disabled_and_passwordless_accounts_get_the_answer_to_a_wrong_password(stage: Stage, ann: User) -> None:
    bob = proofs.new_user(stage, "bob@example.org")
    people.disable_user(stage.platform, OPERATOR, bob.email, now=stage.now)
    people.create_user(stage.platform, OPERATOR, email="new@example.org", name="", now=stage.now)

    refusals = [
        wrong(stage, ann.email),
        wrong(stage, "nobody@example.org", PASSWORD),
        wrong(stage, bob.email, PASSWORD),
        wrong(stage, "new@example.org", ""),
        wrong(stage, "no address at all\x00", PASSWORD),
    ]

    assert len({(each.code, each.message, each.field) for each in refusals}) == 1


def test_the_audit_log_tells_them_apart(stage: Stage, ann: User) -> None:
    bob = proofs.new_user(stage, "bob@example.org")
    people.disable_user(stage.platform, OPERATOR, bob.email, now=stage.now)
    before = stage.traces()

    wrong(stage, ann.email)
    wrong(stage, bob.email, PASSWORD)
    wrong(stage, bob.email, WRONG)

    rows = [row for place, row in stage.traces().items() if place not in before]
    assert [(row.action, row.outcome, row.code, row.user_id, row.detail) for row in rows] == [
        ("session.begin", "refused", "unauthenticated", ann.id, "wrong password"),
        ("session.begin", "refused", "unauthenticated", bob.id, "the user is disabled"),
        ("session.begin", "refused", "unauthenticated", bob.id, "wrong password"),
    ]
    assert {(row.organization_id, row.address) for row in rows} == {(PLATFORM, VISITOR.address)}


def test_a_stranger_leaves_nothing_in_the_records(stage: Stage) -> None:
    """Anybody may make up addresses, so that a row of the audit log for each would let anybody fill it."""
    before = stage.dump()

    for number in range(20):
        wrong(stage, f"nobody{number}@example.org")

    assert stage.dump() == before


def test_an_unknown_account_costs_as_much_work_as_a_known_one(stage: Stage, ann: User) -> None:
    """Counted in hashes and in transactions: nothing here is timed."""

    class Counting(Argon2Passwords):
        asked = 0

        def matches(self, hashed: str | None, secret: str) -> bool:
            self.asked += 1
            return super().matches(hashed, secret)

    def cost(email: str) -> tuple[int, int]:
        hasher, commits = Counting(memory_kib=8), Counter[str]()
        stage.platform = stage.with_passwords(hasher)
        engines = {stage.platform.database.records, stage.platform.database.traces}

        def note(_connection: Any) -> None:
            commits["all"] += 1

        for engine in engines:
            event.listen(engine, "commit", note)
        wrong(stage, email)
        for engine in engines:
            event.remove(engine, "commit", note)
        return hasher.asked, commits["all"]

    assert cost(ann.email) == cost("nobody@example.org") == (1, 3)


def test_a_hash_of_older_parameters_is_renewed(stage: Stage, ann: User) -> None:
    (old,) = stage.rows(password_rows)
    stage.platform = stage.with_passwords(Argon2Passwords(memory_kib=16))

    proofs.signed_in(stage, ann)

    (new,) = stage.rows(password_rows)
    assert ("m=8," in old.hash, "m=16," in new.hash, new.changed_at) == (True, True, old.changed_at)
    proofs.signed_in(stage, ann)


# ------------------------------------------------------------------------------------------------------------ the lock


@pytest.mark.parametrize("email", ["ann@example.org", "nobody@example.org"])
def test_ten_wrong_passwords_lock_the_account_for_half_an_hour(stage: Stage, ann: User, email: str) -> None:
    seen = [wrong(stage, email).code for _ in range(12)]

    assert seen == [Code.UNAUTHENTICATED] * 10 + [Code.TOO_MANY_ATTEMPTS] * 2
    assert wrong(stage, email, PASSWORD).code is Code.TOO_MANY_ATTEMPTS
    stage.clock.advance(timedelta(minutes=30) - timedelta(seconds=1))
    assert wrong(stage, email.upper(), PASSWORD).code is Code.TOO_MANY_ATTEMPTS
    stage.clock.advance(timedelta(seconds=1))
    assert wrong(stage, email).code is Code.UNAUTHENTICATED


def test_a_lock_of_a_clock_that_was_a_year_ahead_ends_when_that_is_put_right(stage: Stage, ann: User) -> None:
    right = stage.now
    stage.clock.advance(timedelta(days=365))
    for _ in range(10):
        wrong(stage, ann.email)

    stage.clock.set(right + timedelta(days=365) - timedelta(seconds=60))
    assert wrong(stage, ann.email, PASSWORD).code is Code.TOO_MANY_ATTEMPTS
    stage.clock.set(right)
    proofs.signed_in(stage, ann)


def test_a_locked_account_can_be_signed_in_to_from_elsewhere(stage: Stage, ann: User) -> None:
    for _ in range(10):
        wrong(stage, ann.email)

    proofs.signed_in(stage, ann, visitor=ELSEWHERE)

    assert wrong(stage, ann.email, PASSWORD).code is Code.TOO_MANY_ATTEMPTS


def test_all_of_an_ipv6_site_is_one_network(stage: Stage, ann: User) -> None:
    for number in range(10):
        wrong(stage, ann.email, visitor=Visitor(f"2001:db8::{number}"))

    assert wrong(stage, ann.email, PASSWORD, Visitor("2001:db8::ffff")).code is Code.TOO_MANY_ATTEMPTS
    proofs.signed_in(stage, ann, visitor=Visitor("2001:db8:0:1::1"))


def test_the_right_password_begins_the_count_anew(stage: Stage, ann: User) -> None:
    for _ in range(3):
        for _ in range(9):
            wrong(stage, ann.email)
        proofs.signed_in(stage, ann)


def test_half_an_hour_after_the_last_mistake_the_count_begins_anew(stage: Stage, ann: User) -> None:
    for _ in range(9):
        wrong(stage, ann.email)
    stage.clock.advance(timedelta(minutes=30))

    for _ in range(9):
        wrong(stage, ann.email)

    proofs.signed_in(stage, ann)


def test_a_new_password_does_not_lift_the_lock(stage: Stage, ann: User) -> None:
    for _ in range(10):
        wrong(stage, ann.email)
    token = password_resets.make(stage.platform, OPERATOR, ann.email, now=stage.now)
    password_resets.accept(stage.platform, token, OTHER_PASSWORD, VISITOR, now=stage.now)

    assert wrong(stage, ann.email, OTHER_PASSWORD).code is Code.TOO_MANY_ATTEMPTS


def test_the_lock_is_for_passwords_and_codes_alone(stage: Stage, ann: User) -> None:
    for _ in range(10):
        wrong(stage, ann.email)
    token = sign_in_links.make(stage.platform, OPERATOR, ann.email, now=stage.now)

    stage.done("session.begin", sign_in_links.accept, token, VISITOR)


def test_sixteen_at_once_are_ten_attempts(stage: Stage, ann: User) -> None:
    before = stage.traces()

    def guess() -> None:
        passwords.sign_in(stage.platform, ann.email, WRONG, VISITOR, now=stage.now)

    stage.platform = stage.with_passwords(proofs.Patient())
    seen = proofs.race(*[guess] * AT_ONCE)

    assert seen == {"unauthenticated": 10, "too_many_attempts": 6}
    assert stage.new_traces(before) == [("session.begin", "refused", "unauthenticated")] * 10


def test_who_is_turned_away_because_many_sign_in_has_not_made_an_attempt(stage: Stage, ann: User) -> None:
    class Full(Argon2Passwords):
        def matches(self, hashed: str | None, secret: str) -> bool:
            raise Refusal(Code.BUSY, "full")

    roomy, stage.platform = stage.platform, stage.with_passwords(Full(memory_kib=8))

    assert [wrong(stage, ann.email).code for _ in range(20)] == [Code.BUSY] * 20
    stage.platform = roomy
    proofs.signed_in(stage, ann)


def test_counts_that_lock_nobody_are_deleted(stage: Stage, ann: User) -> None:
    wrong(stage, ann.email)
    wrong(stage, "nobody@example.org")
    assert len(failures(stage)) == 3  # the third counts strangers
    stage.clock.advance(timedelta(minutes=30))

    assert sign_in_attempts.forget_expired(stage.platform, now=stage.now) == 3
    assert failures(stage) == []


def test_what_was_typed_is_not_kept(stage: Stage) -> None:
    wrong(stage, "my secret typed into the wrong field")

    assert "secret" not in str(failures(stage))


# ------------------------------------------------------------------------------------------------------- second factor


@pytest.fixture
def device(stage: Stage, ann: User) -> Device:
    device = Device(stage, proofs.actor_of(stage, proofs.signed_in(stage, ann)))
    stage.clock.advance(timedelta(seconds=30))
    return device


def pending(stage: Stage, user: User) -> str:
    asked = passwords.sign_in(stage.platform, user.email, PASSWORD, VISITOR, now=stage.now)
    assert isinstance(asked, SecondFactor)
    assert asked.token not in repr(asked)
    return asked.token


def finish(stage: Stage, token: str, code: str) -> Begun:
    return stage.done("session.begin", passwords.finish, token, code, VISITOR)


def test_with_an_authenticator_the_password_is_half_a_sign_in(stage: Stage, ann: User, device: Device) -> None:
    token = pending(stage, ann)

    begun = finish(stage, token, device.code(stage.now))

    assert stage.looked(sessions.find, begun.token) == begun.session
    assert stage.looked(sessions.find, token) is None


def test_a_wrong_code_may_be_tried_again(stage: Stage, ann: User, device: Device) -> None:
    token = pending(stage, ann)
    stage.refused("session.begin", Code.UNAUTHENTICATED, passwords.finish, token, "000000", VISITOR, chain=PLATFORM)

    finish(stage, token, device.code(stage.now))


def test_half_a_sign_in_is_good_once_and_for_ten_minutes(stage: Stage, ann: User, device: Device) -> None:
    used, late = pending(stage, ann), pending(stage, ann)
    finish(stage, used, device.code(stage.now))
    stage.clock.advance(timedelta(minutes=10))

    for token in (used, late, "made up"):
        with pytest.raises(Refusal, match="used or is too old"):
            passwords.finish(stage.platform, token, device.code(stage.now), VISITOR, now=stage.now)


def test_a_recovery_code_stands_in_for_the_device_once(stage: Stage, ann: User, device: Device) -> None:
    code = device.recovery.codes[0]
    finish(stage, pending(stage, ann), f" {code.upper().replace('-', ' ')} ")

    stage.refused("session.begin", Code.UNAUTHENTICATED, passwords.finish, pending(stage, ann), code, VISITOR)
    assert stage.looked(authenticators.look, proofs.actor_of(stage, _by_link(stage, ann))).recovery_codes_left == 9


def _by_link(stage: Stage, user: User) -> Begun:
    token = sign_in_links.make(stage.platform, OPERATOR, user.email, now=stage.now)
    return sign_in_links.accept(stage.platform, token, VISITOR, now=stage.now)


@pytest.mark.parametrize("kind", ["time", "recovery"])
def test_sixteen_sign_ins_with_one_code_are_one(stage: Stage, ann: User, device: Device, kind: str) -> None:
    code = device.code(stage.now) if kind == "time" else device.recovery.codes[3]
    visitors = [Visitor(f"192.0.2.{number}") for number in range(AT_ONCE)]
    tokens = [pending(stage, ann) for _ in visitors]

    def finishing(token: str, visitor: Visitor) -> Callable[[], Any]:
        return lambda: passwords.finish(stage.platform, token, code, visitor, now=stage.now)

    seen = proofs.race(*map(finishing, tokens, visitors))

    assert seen == {"done": 1, "unauthenticated": AT_ONCE - 1}


def test_ten_wrong_codes_lock_the_account_though_the_password_is_right(stage: Stage, ann: User, device: Device) -> None:
    for _ in range(10):
        token = pending(stage, ann)
        with pytest.raises(Refusal, match="code is wrong"):
            passwords.finish(stage.platform, token, "000000", VISITOR, now=stage.now)

    assert wrong(stage, ann.email, PASSWORD).code is Code.TOO_MANY_ATTEMPTS


# ------------------------------------------------------------------------------------------------------- confirm


def test_a_session_is_confirmed_by_password_or_code(stage: Stage, ann: User) -> None:
    begun = proofs.signed_in(stage, ann)
    device = Device(stage, proofs.actor_of(stage, begun))
    stage.clock.advance(timedelta(minutes=20))

    by_password = stage.done("session.begin", passwords.confirm, begun.session, PASSWORD, VISITOR)
    by_code = stage.done(
        "session.begin", passwords.confirm_by_code, by_password.session, device.code(stage.now), VISITOR
    )

    assert by_code.session.proven_at == stage.now
    assert stage.looked(sessions.find, by_code.token) == by_code.session
    assert stage.looked(sessions.find, by_password.token) is None


def test_a_wrong_confirmation_counts_and_leaves_the_session_as_it_was(stage: Stage, ann: User) -> None:
    begun = proofs.signed_in(stage, ann)

    for _ in range(5):
        stage.refused("session.begin", Code.UNAUTHENTICATED, passwords.confirm, begun.session, WRONG, VISITOR)
        stage.refused("session.begin", Code.UNAUTHENTICATED, passwords.confirm_by_code, begun.session, "0", VISITOR)

    with pytest.raises(Refusal) as caught:
        passwords.confirm(stage.platform, begun.session, PASSWORD, VISITOR, now=stage.now)
    assert caught.value.code is Code.TOO_MANY_ATTEMPTS
    assert stage.looked(sessions.find, begun.token) == begun.session


# ------------------------------------------------------------------------------------------------------ set a password


def test_a_changed_password_ends_all_other_sessions_and_links(stage: Stage, ann: User) -> None:
    here, there = proofs.signed_in(stage, ann), proofs.signed_in(stage, ann, visitor=ELSEWHERE)
    reset = password_resets.make(stage.platform, OPERATOR, ann.email, now=stage.now)

    stage.done("password.set", passwords.set_password, proofs.actor_of(stage, here), PASSWORD, OTHER_PASSWORD)

    assert stage.looked(sessions.find, here.token) == here.session
    assert stage.looked(sessions.find, there.token) is None
    with pytest.raises(Refusal):
        password_resets.look(stage.platform, reset, now=stage.now)
    assert wrong(stage, ann.email, PASSWORD).code is Code.UNAUTHENTICATED
    proofs.signed_in(stage, ann, password=OTHER_PASSWORD)


def test_the_present_password_has_to_be_known(stage: Stage, ann: User) -> None:
    actor = proofs.actor_of(stage, proofs.signed_in(stage, ann))

    for old in (WRONG, ""):
        refusal = stage.refused(
            "password.set", Code.UNAUTHENTICATED, passwords.set_password, actor, old, OTHER_PASSWORD
        )
        assert refusal.field == "old"


def test_who_has_none_sets_the_first_one(stage: Stage) -> None:
    user = people.create_user(stage.platform, OPERATOR, email="new@example.org", name="", now=stage.now)
    actor = proofs.actor_of(stage, _by_link(stage, user))

    stage.done("password.set", passwords.set_password, actor, "", PASSWORD)

    proofs.signed_in(stage, user)


def test_a_stale_sign_in_sets_no_password(stage: Stage, ann: User) -> None:
    begun = proofs.signed_in(stage, ann)
    stage.clock.advance(timedelta(minutes=15))

    stage.refused(
        "password.set",
        Code.PROOF_NEEDED,
        passwords.set_password,
        proofs.actor_of(stage, begun),
        PASSWORD,
        OTHER_PASSWORD,
    )


@pytest.mark.parametrize(
    "new", ["fourteen chars", "x" * 129, "passwordpassword", "Ann.Oldman@Example", "Acme Payments 25"]
)
def test_a_new_password_is_held_against_the_rules(stage: Stage, ann: User, new: str) -> None:
    acme = organizations.create(stage.platform, OPERATOR, name="Acme Payments", project_limit=1, now=stage.now)
    people.set_member(stage.platform, OPERATOR, acme.id, email=ann.email, role=OrganizationRole.USER, now=stage.now)
    actor = proofs.actor_of(stage, proofs.signed_in(stage, ann))

    refusal = stage.refused("password.set", Code.INVALID, passwords.set_password, actor, PASSWORD, new)

    assert refusal.field == "password"


def test_eight_characters_do_once_there_is_a_second_factor(stage: Stage, ann: User) -> None:
    actor = proofs.actor_of(stage, proofs.signed_in(stage, ann))
    stage.refused("password.set", Code.INVALID, passwords.set_password, actor, PASSWORD, "8 chars!")
    Device(stage, actor)

    stage.done("password.set", passwords.set_password, actor, PASSWORD, "8 chars!")
    stage.refused("authenticator.remove", Code.INVALID, authenticators.remove, actor)

    stage.done("password.set", passwords.set_password, actor, "8 chars!", PASSWORD)
    stage.done("authenticator.remove", authenticators.remove, actor)


def test_an_operator_has_no_password(stage: Stage) -> None:
    stage.refused("password.set", Code.INVALID, passwords.set_password, OPERATOR, "", PASSWORD)

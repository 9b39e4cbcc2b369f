"""Time-based codes: enrolled, confirmed by a first code, good once, half a minute early or late."""

from datetime import timedelta

import pytest
from tests.actions import proofs
from tests.actions.proofs import Device, code_of
from tests.actions.stage import OPERATOR, Stage

from credenza.actions import authenticators
from credenza.domain.errors import Code
from credenza.domain.model import Actor, User
from credenza.store.engine import writing
from credenza.store.schema import authenticators as authenticator_rows
from credenza.store.schema import recovery_codes


@pytest.fixture
def ann(stage: Stage) -> User:
    return proofs.new_user(stage)


@pytest.fixture
def actor(stage: Stage, ann: User) -> Actor:
    return proofs.actor_of(stage, proofs.signed_in(stage, ann))


def used(stage: Stage, user: User, code: str) -> bool:
    with writing(stage.platform.database.records) as connection:
        return authenticators.use_code(stage.platform, connection, user.id, code, now=stage.now)


def test_a_secret_is_enrolled_and_confirmed_by_its_first_code(stage: Stage, ann: User, actor: Actor) -> None:
    enrolled = stage.done("authenticator.enrol", authenticators.enrol, actor)
    assert enrolled.uri == f"otpauth://totp/Credenza:ann%40example.org?secret={enrolled.secret}&issuer=Credenza"
    assert stage.looked(authenticators.look, actor).authenticator_confirmed_at is None
    assert not used(stage, ann, code_of(enrolled.secret, stage.now))

    recovery = stage.done(
        "authenticator.confirm", authenticators.confirm, actor, f" {code_of(enrolled.secret, stage.now)} "
    )

    found = stage.looked(authenticators.look, actor)
    assert (found.authenticator_confirmed_at, found.recovery_codes_left) == (stage.now, 10)
    assert len(set(recovery.codes)) == 10
    assert all(len(code.replace("-", "")) == 24 for code in recovery.codes)  # 120 bits


def test_a_wrong_first_code_confirms_nothing(stage: Stage, actor: Actor) -> None:
    stage.refused("authenticator.confirm", Code.INVALID, authenticators.confirm, actor, "000000")
    stage.done("authenticator.enrol", authenticators.enrol, actor)

    refusal = stage.refused("authenticator.confirm", Code.INVALID, authenticators.confirm, actor, "000000")

    assert refusal.field == "code"
    stage.refused("recovery_codes.new", Code.INVALID, authenticators.new_recovery_codes, actor)


def test_an_enrolment_may_be_begun_anew_until_it_is_confirmed(stage: Stage, actor: Actor) -> None:
    first = stage.done("authenticator.enrol", authenticators.enrol, actor)
    second = stage.done("authenticator.enrol", authenticators.enrol, actor)
    assert first.secret != second.secret
    stage.refused(
        "authenticator.confirm", Code.INVALID, authenticators.confirm, actor, code_of(first.secret, stage.now)
    )

    stage.done("authenticator.confirm", authenticators.confirm, actor, code_of(second.secret, stage.now))

    stage.refused("authenticator.enrol", Code.INVALID, authenticators.enrol, actor)
    stage.refused(
        "authenticator.confirm", Code.INVALID, authenticators.confirm, actor, code_of(second.secret, stage.now)
    )


@pytest.mark.parametrize(("late", "good"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_code_is_good_half_a_minute_early_or_late(
    stage: Stage, ann: User, actor: Actor, late: int, good: bool
) -> None:
    device = Device(stage, actor)
    stage.clock.advance(timedelta(minutes=5))

    assert used(stage, ann, device.code(stage.now - timedelta(seconds=late))) is good


def test_a_code_is_good_once_and_so_are_all_before_it(stage: Stage, ann: User, actor: Actor) -> None:
    device = Device(stage, actor)
    assert not used(stage, ann, device.code(stage.now)), "it has confirmed the device"
    stage.clock.advance(timedelta(minutes=5))

    assert used(stage, ann, device.code(stage.now + timedelta(seconds=30)))

    for seconds in (-30, 0, 30):
        assert not used(stage, ann, device.code(stage.now + timedelta(seconds=seconds)))
    stage.clock.advance(timedelta(seconds=60))
    assert used(stage, ann, device.code(stage.now))


def test_a_code_of_somebody_else_is_wrong(stage: Stage, ann: User, actor: Actor) -> None:
    Device(stage, actor)
    eve = proofs.new_user(stage, "eve@example.org")
    hers = Device(stage, proofs.actor_of(stage, proofs.signed_in(stage, eve)))
    stage.clock.advance(timedelta(minutes=5))

    assert not used(stage, ann, hers.code(stage.now))
    assert not used(stage, ann, hers.recovery.codes[0])
    assert used(stage, eve, hers.recovery.codes[0])


def test_new_recovery_codes_replace_all_earlier_ones(stage: Stage, ann: User, actor: Actor) -> None:
    device = Device(stage, actor)

    renewed = stage.done("recovery_codes.new", authenticators.new_recovery_codes, actor)

    assert not used(stage, ann, device.recovery.codes[0])
    assert used(stage, ann, renewed.codes[9])
    assert stage.looked(authenticators.look, actor).recovery_codes_left == 9


def test_what_is_removed_is_not_asked_for(stage: Stage, ann: User, actor: Actor) -> None:
    device = Device(stage, actor)

    stage.done("authenticator.remove", authenticators.remove, actor)

    assert (stage.rows(authenticator_rows), stage.rows(recovery_codes)) == ([], [])
    assert not used(stage, ann, device.recovery.codes[0])
    proofs.signed_in(stage, ann)
    stage.refused("authenticator.remove", Code.NOT_FOUND, authenticators.remove, actor)


def test_a_stale_sign_in_changes_no_factor(stage: Stage, ann: User) -> None:
    begun = proofs.signed_in(stage, ann)
    Device(stage, proofs.actor_of(stage, begun))
    stage.clock.advance(timedelta(minutes=15))
    stale = proofs.actor_of(stage, begun)

    for action, call in (
        ("authenticator.enrol", authenticators.enrol),
        ("authenticator.remove", authenticators.remove),
        ("recovery_codes.new", authenticators.new_recovery_codes),
    ):
        stage.refused(action, Code.PROOF_NEEDED, call, stale)


def test_operators_have_no_factors(stage: Stage) -> None:
    stage.refused("proofs.view", Code.INVALID, authenticators.look, OPERATOR)


def test_neither_secret_nor_recovery_code_shows_or_is_kept_readable(stage: Stage, actor: Actor) -> None:
    enrolled = authenticators.enrol(stage.platform, actor, now=stage.now)
    recovery = authenticators.confirm(stage.platform, actor, code_of(enrolled.secret, stage.now), now=stage.now)
    kept = str(stage.dump())

    assert enrolled.secret not in repr(enrolled) + kept
    assert not any(code in repr(recovery) + kept for code in recovery.codes)

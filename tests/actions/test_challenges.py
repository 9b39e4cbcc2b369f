"""Challenges: ours, for one purpose and one asker, minutes old, answered once."""

from datetime import timedelta

import pytest
from tests.actions.stage import Stage

from credenza.actions import challenges
from credenza.actions.challenges import LIFE, Purpose
from credenza.domain.errors import Code, Refusal
from credenza.store.engine import writing


def refused(stage: Stage, challenge: bytes, purpose: Purpose = Purpose.CONFIRM, subject: str = "ann") -> bool:
    try:
        challenges.check(stage.platform, challenge, purpose, subject, now=stage.now)
    except Refusal as refusal:
        return refusal.code is Code.UNAUTHENTICATED
    return False


def use_up(stage: Stage, challenge: bytes) -> None:
    with writing(stage.platform.database.records) as connection:
        challenges.use_up(connection, challenge, now=stage.now)


def test_a_challenge_is_good_for_five_minutes_for_its_purpose_and_asker_alone(stage: Stage) -> None:
    challenge = challenges.make(stage.platform, Purpose.CONFIRM, "ann", now=stage.now)

    assert not refused(stage, challenge)
    assert refused(stage, challenge, Purpose.SIGN_IN)
    assert refused(stage, challenge, subject="bob")
    stage.clock.advance(LIFE - timedelta(microseconds=1))
    assert not refused(stage, challenge)
    stage.clock.advance(timedelta(microseconds=1))
    assert refused(stage, challenge)


def test_no_byte_of_it_can_be_changed(stage: Stage) -> None:
    challenge = challenges.make(stage.platform, Purpose.CONFIRM, "ann", now=stage.now)

    for place in range(len(challenge)):
        changed = bytearray(challenge)
        changed[place] ^= 1
        assert refused(stage, bytes(changed))
    for length in (0, 31, 32, len(challenge) - 1):
        assert refused(stage, challenge[:length])
    assert refused(stage, challenge + b"\0")


def test_it_is_answered_once(stage: Stage) -> None:
    challenge = challenges.make(stage.platform, Purpose.CONFIRM, "ann", now=stage.now)
    other = challenges.make(stage.platform, Purpose.CONFIRM, "ann", now=stage.now)

    use_up(stage, challenge)

    with pytest.raises(Refusal):
        use_up(stage, challenge)
    use_up(stage, other)


def test_nothing_is_kept_of_a_challenge_that_nobody_answers(stage: Stage) -> None:
    before = stage.dump()

    challenges.make(stage.platform, Purpose.SIGN_IN, "", now=stage.now)

    assert stage.dump() == before

"""Killed at any point (SIGKILL, nothing is flushed): nothing signed is unrecorded, nothing is half done, and the same
request under the same Idempotency-Key ends in the one certificate, however often it is repeated."""

import random
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.actions import repeatable
from tests.actions.killer import ONCE, Killer
from tests.actions.repeatable import PATIENCE, Request
from tests.actions.stage import Shop, Stage, new_platform

from credenza.domain.errors import Code, Refusal
from credenza.store.schema import certificate_subjects, certificates, credentials, idempotency

FAILPOINTS = ["before_signature", "after_signature", "before_commit", "after_commit"]
KILLS = 200
CERTIFICATE_KILLS = 20

Make = Callable[[Shop], Request]
issuing_action = pytest.mark.parametrize(
    "make",
    [
        repeatable.project_create,
        repeatable.key_add,
        repeatable.key_renew,
        repeatable.certificate_add,
        repeatable.service_key_make,
    ],
    ids=lambda make: make.__name__,
)


def ready(shop: Shop, make: Make) -> Request:
    """Prepare a request. Whoever starts makes what has become due, keys that sign tokens among it: it is made here, so
    that the process that is killed has nothing to make but what the request asks for."""
    request = make(shop)
    new_platform(shop.stage.platform.database, now=shop.stage.now)
    return request


def states(stage: Stage) -> list[str]:
    return sorted(row.state for row in stage.rows(certificates))


@issuing_action
@pytest.mark.parametrize("failpoint", FAILPOINTS[:3])
def test_killed_before_the_commit(shop: Shop, make: Make, failpoint: str, killer: Killer) -> None:
    stage, request = shop.stage, ready(shop, make)
    facts, before = stage.facts(), stage.traces()

    killer.kill_at(failpoint, stage, request)

    after = stage.facts()
    (reserved,) = after.pop("certificates") - facts.pop("certificates")
    assert (reserved.state, reserved.der) == ("RESERVED", None)
    assert [row.sealed_answer for row in after.pop("idempotency")] == [None]
    assert after == {name: rows for name, rows in facts.items() if name != "idempotency"}
    assert stage.new_traces(before) == []

    with pytest.raises(Refusal) as refused:
        request.ask(stage.platform, ONCE)
    assert refused.value.code is Code.IDEMPOTENCY_IN_PROGRESS
    stage.clock.advance(PATIENCE)
    answer = request.ask(stage.platform, ONCE)

    assert (reserved.serial_hex, reserved.credential_id) in {
        (row.serial_hex, row.credential_id) for row in stage.rows(certificates) if row.state == "ISSUED"
    }
    assert states(stage) == ["ISSUED"] * len(states(stage))
    assert request.ask(stage.platform, ONCE) == answer
    assert [trace[1] for trace in stage.new_traces(before)] == ["refused", "done"]


@issuing_action
def test_killed_after_the_commit(shop: Shop, make: Make, killer: Killer) -> None:
    stage, request = shop.stage, ready(shop, make)
    before = stage.traces()

    killer.kill_at("after_commit", stage, request)
    left = stage.dump()

    answer = request.ask(stage.platform, ONCE)
    assert request.ask(stage.platform, ONCE) == answer
    assert stage.dump() == left
    assert stage.new_traces(before) == [(request.action, "done", "")]
    assert states(stage) == ["ISSUED"] * len(states(stage))


@pytest.mark.parametrize("failpoint", FAILPOINTS[2:])
def test_no_secret_is_half_shown(shop: Shop, failpoint: str, killer: Killer) -> None:
    """Stored and never shown, or shown and not stored: the repeated request gives the one secret that is stored."""
    stage, request = shop.stage, repeatable.access_token_create(shop)
    before = stage.traces()

    killer.kill_at(failpoint, stage, request)

    issued = request.ask(stage.platform, ONCE)
    assert request.ask(stage.platform, ONCE) == issued
    assert stage.new_traces(before) == [("access_token.create", "done", "")]
    assert len(stage.rows(idempotency)) == 1


def test_killed_at_any_moment(shop: Shop, killer: Killer, scale: Callable[[int], int]) -> None:
    """kill -9 at random: whatever the moment was, the repeated request is done once."""
    stage, chance = shop.stage, random.Random(7)
    for _ in range(scale(KILLS)):
        request = repeatable.account_key_add(shop)
        child = killer.start("never", stage, request)
        time.sleep(chance.uniform(0.0, 0.4))
        child.kill()
        child.wait()
        stage.clock.advance(PATIENCE)
        answer = request.ask(stage.platform, ONCE)

        (row,) = [row for row in stage.rows(credentials) if row.spki_sha256 == answer.spki_sha256]
        assert row.id == answer.id
        assert states(stage) == ["ISSUED"] * len(states(stage))
        stage.clock.advance(timedelta(hours=25))


@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_certificate_whose_issuance_was_killed_is_the_same_one_in_the_end(
    shop: Shop, failpoint: str, killer: Killer, scale: Callable[[int], int]
) -> None:
    """Its subject is taken by nothing that was never issued: the retry has it, and nobody else can."""
    stage = shop.stage
    for _ in range(scale(CERTIFICATE_KILLS)):
        request = ready(shop, repeatable.certificate_add)
        killer.kill_at(failpoint, stage, request)
        stage.clock.advance(PATIENCE)

        answer = request.ask(stage.platform, ONCE)

        issued = [row for row in stage.rows(certificates) if row.credential_id == answer.id]
        assert [(row.state, row.der) for row in issued] == [("ISSUED", answer.certificate_der)]
        assert [row.credential_id for row in stage.rows(certificate_subjects)].count(answer.id) == 1
        assert request.ask(stage.platform, ONCE) == answer
        assert states(stage) == ["ISSUED"] * len(states(stage))
        stage.clock.advance(timedelta(hours=25))

"""Killed at any point (SIGKILL, nothing is flushed): nothing signed is unrecorded, nothing is half done, and the same
request under the same Idempotency-Key ends in the one certificate, however often it is repeated."""

import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.actions import repeatable
from tests.actions.crash_child import Errand
from tests.actions.repeatable import PATIENCE, Request
from tests.actions.stage import Shop, Stage, new_platform

from credenza.actions.once import Once
from credenza.domain.errors import Code, Refusal
from credenza.store.schema import certificate_subjects, certificates, credentials, idempotency

ONCE = Once("crash", "a" * 64)
MODULE = [sys.executable, "-m", "tests.actions.crash_child"]
ROOT = Path(__file__).parents[2]
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


def start(stage: Stage, request: Request, place: Path, failpoint: str) -> "subprocess.Popen[bytes]":
    url = stage.platform.database.records.url.render_as_string(hide_password=False)
    place.write_bytes(pickle.dumps(Errand(url.replace("+psycopg", ""), request, ONCE)))
    return subprocess.Popen([*MODULE, str(place), failpoint], cwd=ROOT)


def kill_at(failpoint: str, stage: Stage, request: Request, place: Path) -> None:
    assert start(stage, request, place / "errand", failpoint).wait(240) == -signal.SIGKILL


def states(stage: Stage) -> list[str]:
    return sorted(row.state for row in stage.rows(certificates))


@issuing_action
@pytest.mark.parametrize("failpoint", FAILPOINTS[:3])
def test_killed_before_the_commit(shop: Shop, make: Make, failpoint: str, tmp_path: Path) -> None:
    stage, request = shop.stage, ready(shop, make)
    facts, before = stage.facts(), stage.traces()

    kill_at(failpoint, stage, request, tmp_path)

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
def test_killed_after_the_commit(shop: Shop, make: Make, tmp_path: Path) -> None:
    stage, request = shop.stage, ready(shop, make)
    before = stage.traces()

    kill_at("after_commit", stage, request, tmp_path)
    left = stage.dump()

    answer = request.ask(stage.platform, ONCE)
    assert request.ask(stage.platform, ONCE) == answer
    assert stage.dump() == left
    assert stage.new_traces(before) == [(request.action, "done", "")]
    assert states(stage) == ["ISSUED"] * len(states(stage))


@pytest.mark.parametrize("failpoint", FAILPOINTS[2:])
def test_no_secret_is_half_shown(shop: Shop, failpoint: str, tmp_path: Path) -> None:
    """Stored and never shown, or shown and not stored: the repeated request gives the one secret that is stored."""
    stage, request = shop.stage, repeatable.access_token_create(shop)
    before = stage.traces()

    kill_at(failpoint, stage, request, tmp_path)

    issued = request.ask(stage.platform, ONCE)
    assert request.ask(stage.platform, ONCE) == issued
    assert stage.new_traces(before) == [("access_token.create", "done", "")]
    assert len(stage.rows(idempotency)) == 1


def test_killed_at_any_moment(shop: Shop, tmp_path: Path, scale: Callable[[int], int]) -> None:
    """kill -9 at random: whatever the moment was, the repeated request is done once."""
    stage, chance = shop.stage, random.Random(7)
    for _ in range(scale(KILLS)):
        request = repeatable.account_key_add(shop)
        child = start(stage, request, tmp_path / "errand", "never")
        time.sleep(chance.uniform(0.6, 1.6))
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
    shop: Shop, failpoint: str, tmp_path: Path, scale: Callable[[int], int]
) -> None:
    """Its subject is taken by nothing that was never issued: the retry has it, and nobody else can."""
    stage = shop.stage
    for _ in range(scale(CERTIFICATE_KILLS)):
        request = ready(shop, repeatable.certificate_add)
        kill_at(failpoint, stage, request, tmp_path)
        stage.clock.advance(PATIENCE)

        answer = request.ask(stage.platform, ONCE)

        issued = [row for row in stage.rows(certificates) if row.credential_id == answer.id]
        assert [(row.state, row.der) for row in issued] == [("ISSUED", answer.certificate_der)]
        assert [row.credential_id for row in stage.rows(certificate_subjects)].count(answer.id) == 1
        assert request.ask(stage.platform, ONCE) == answer
        assert states(stage) == ["ISSUED"] * len(states(stage))
        stage.clock.advance(timedelta(hours=25))

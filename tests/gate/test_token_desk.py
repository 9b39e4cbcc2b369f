"""What is refused at the token server is kept for the owner of the key it is about, whatever was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select
from tests.gate.scene import furnished
from tests.gate.test_token_status import Counter

from credenza.gate.metrics import Metrics
from credenza.gate.refusals import Refusals
from credenza.gate.token_desk import TokenDesk
from credenza.gate.token_faults import Fault
from credenza.gate.token_server import Denial, TokenCall
from credenza.gate.usage import Usage
from credenza.store import schema
from credenza.store.engine import reading
from credenza.store.engine_traces import EngineTraces


class Office(Counter):
    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        traces = self.scene.database.traces
        self.refusals = Refusals(EngineTraces(traces), clock=self.scene.clock.now, report=_fail)
        self.desk = TokenDesk(
            self.server,
            self.status,
            clock=self.scene.clock.now,
            usage=Usage(EngineTraces(traces), report=_fail),
            refusals=self.refusals,
            metrics=Metrics(),
        )

    def revocation(self, **form: str) -> TokenCall:
        return self.call(form={"grant_type": "", "token": "unknown", **form}, proofs=())

    def kept(self) -> list[tuple[str, str, list[str]]]:
        """Of each refusal that was kept: whose key, the code, and the step that failed."""
        asyncio.run(self.refusals.flush())
        refusals = schema.refusals
        statement = select(refusals.c.credential_id, refusals.c.code, refusals.c.explanation)
        with reading(self.scene.database.traces) as connection:
            rows = connection.execute(statement).fetchall()
        return [(row[0], row[1], [step["name"] for step in _steps(row[2]) if step["ok"] is False]) for row in rows]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with furnished(tmp_path) as scene:
        yield Office(scene)


def test_a_refused_revocation_is_kept_for_the_owner_of_the_key(office: Office) -> None:
    assertion = office.assertion()
    answers = [asyncio.run(office.desk.revoke(office.revocation(client_assertion=assertion))) for _ in range(2)]

    assert answers[0] == {}
    assert isinstance(answers[1], Denial)
    assert answers[1].fault is Fault.ASSERTION_REPLAYED
    assert office.kept() == [(office.client.key_id, "token_assertion_replayed", ["first use"])]


def test_one_that_names_no_token_is_kept_as_well(office: Office) -> None:
    assert isinstance(asyncio.run(office.desk.revoke(office.revocation(token=""))), Denial)

    assert office.kept() == [(office.client.key_id, "token_request", ["request"])]


def test_nothing_is_kept_of_who_names_no_key(office: Office) -> None:
    assert isinstance(asyncio.run(office.desk.revoke(office.revocation(client_assertion=""))), Denial)
    assert isinstance(asyncio.run(office.desk.introspect(office.revocation())), Denial)

    assert office.kept() == []


def _steps(explanation: str) -> list[dict[str, object]]:
    steps: list[dict[str, object]] = msgspec.json.decode(explanation)["steps"]
    return steps


def _fail(error: Exception) -> None:
    raise error

"""Calls with a client certificate at the gate, against a real SQLite file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

import pytest
from sqlalchemy import select
from tests.clock import NOON
from tests.gate.certificate_scene import Holder, foreign, hold, issuing, leaf, own, verifier
from tests.gate.scene import (
    MTLS_ONLY,
    ORDER,
    ORGANIZATION,
    PRODUCTION,
    PROJECT,
    SANDBOX,
    Scene,
    _fail,
    call,
)

from credenza.domain.model import EnvironmentName
from credenza.gate.decision import Admitted, Call, Code, Decision, Refused
from credenza.gate.desk import Desk
from credenza.gate.explanation import explain
from credenza.gate.keyring import Keyring
from credenza.gate.metrics import Metrics
from credenza.gate.refusals import Refusals
from credenza.gate.usage import Usage
from credenza.store import changes, schema
from credenza.store.changes import ChangeKind
from credenza.store.engine import reading, writing
from credenza.store.engine_traces import EngineTraces
from credenza.store.lookup import KeySnapshot

DAY = timedelta(days=1)
Make: TypeAlias = Callable[[Scene], Call]


def by_certificate(
    der: bytes, target: str = "/vault/1", environment: EnvironmentName = SANDBOX, **changed: object
) -> Call:
    return call("", target, environment=environment, **{"authorization": (), "certificate": der, **changed})


def held(scene: Scene, **columns: object) -> Holder:
    return hold(scene, leaf(own(scene)), **columns)  # type: ignore[arg-type]


def decide(scene: Scene, asked: Call) -> Decision:
    return asyncio.run(verifier(scene).decide(asked, clock=scene.clock.now))


def refused(scene: Scene, asked: Call, code: Code) -> Refused:
    decision = decide(scene, asked)
    assert isinstance(decision, Refused), decision
    assert code == decision.code, decision.description
    assert asked.id == decision.id
    return decision


# ------------------------------------------------------------------------------------------------------- admitted


def test_a_call_with_a_certificate_is_admitted_with_who_calls_and_where_to(scene: Scene) -> None:
    holder = held(scene)

    decision = decide(scene, by_certificate(holder.der))

    assert isinstance(decision, Admitted)
    identity = decision.identity
    assert (identity.key_id, identity.certificate_sha256) == (holder.credential_id, holder.thumbprint)
    assert (identity.project_id, identity.environment, identity.service_id) == (PROJECT, "SANDBOX", MTLS_ONLY)
    assert ("X-Credenza-Certificate-Sha256", holder.thumbprint) in list(identity.headers())


def test_a_certificate_of_a_trusted_authority_is_admitted(scene: Scene) -> None:
    others = issuing("Others")
    holder = hold(scene, leaf(others), trusted_authority_id=foreign(scene, others))

    assert isinstance(decide(scene, by_certificate(holder.der)), Admitted)


def test_the_same_call_may_come_again(scene: Scene) -> None:
    asked = by_certificate(held(scene).der)

    assert [type(decide(scene, asked)) for _ in range(2)] == [Admitted, Admitted]


def test_the_identity_of_a_signed_call_has_no_certificate(scene: Scene) -> None:
    decision = decide(scene, call(scene.add_key().sign("GET", ORDER)))

    assert isinstance(decision, Admitted)
    assert "X-Credenza-Certificate-Sha256" not in dict(decision.identity.headers())


# -------------------------------------------------------------------------------------------------------- refused


def test_an_api_for_certificates_is_not_called_without_one(scene: Scene) -> None:
    decision = refused(scene, by_certificate(b""), Code.CERTIFICATE_MISSING)

    assert (decision.status, decision.reason_code) == (422, "INVALID_CLIENT_CERT")


def test_nobodys_certificate_is_refused(scene: Scene) -> None:
    held(scene)

    refused(scene, by_certificate(leaf(issuing("SANDBOX CA")).der), Code.CERTIFICATE_UNKNOWN)


def test_a_certificate_is_compared_byte_by_byte(scene: Scene) -> None:
    der = held(scene).der

    refused(scene, by_certificate(der + b"\0"), Code.CERTIFICATE_UNKNOWN)


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        pytest.param({"not_after": NOON - DAY}, Code.CERTIFICATE_EXPIRED, id="expired"),
        pytest.param({"not_before": NOON + DAY}, Code.CERTIFICATE_NOT_YET_VALID, id="not yet valid"),
        pytest.param({"status": "REVOKED", "revoked_at": NOON}, Code.CERTIFICATE_REVOKED, id="revoked"),
    ],
)
def test_a_certificate_that_is_not_good_is_422(scene: Scene, columns: dict[str, object], code: Code) -> None:
    decision = refused(scene, by_certificate(held(scene, **columns).der), code)

    assert (decision.status, decision.reason_code) == (422, "INVALID_CLIENT_CERT")


def test_the_last_second_of_a_certificate_counts(scene: Scene) -> None:
    holder = held(scene, not_after=NOON)

    assert isinstance(decide(scene, by_certificate(holder.der)), Admitted)


def test_a_certificate_dies_with_its_project(scene: Scene) -> None:
    holder = held(scene)
    assert isinstance(decide(scene, by_certificate(holder.der)), Admitted)
    projects = schema.projects

    scene.change(projects, projects.c.id == PROJECT, ChangeKind.PROJECT, PROJECT, deleted_at=NOON)

    refused(scene, by_certificate(holder.der), Code.CERTIFICATE_REVOKED)


def test_a_certificate_of_the_other_environment_is_declined(scene: Scene) -> None:
    holder = held(scene)

    decision = refused(scene, by_certificate(holder.der, environment=PRODUCTION), Code.OTHER_ENVIRONMENT)

    assert (decision.status, decision.reason_code) == (401, "DECLINED")


def test_an_api_that_the_project_has_not_is_declined(scene: Scene) -> None:
    holder = held(scene)
    scene.add(
        schema.service_environments,
        organization_id=ORGANIZATION,
        service_id=_other_vault(scene),
        environment=SANDBOX,
        path_prefix="/other",
        upstream="http://127.0.0.1:9",
        validity_months=13,
    )

    decision = refused(scene, by_certificate(holder.der, "/other/1"), Code.NOT_ENTITLED)

    assert (decision.status, decision.reason_code) == (401, "DECLINED")


def _other_vault(scene: Scene) -> int:
    scene.add(
        schema.services,
        organization_id=ORGANIZATION,
        id=9,
        name="Other",
        authentication="MTLS",
        status="LIVE",
        description="",
        created_at=NOON,
    )
    return 9


def test_a_path_that_leads_nowhere_is_declined(scene: Scene) -> None:
    refused(scene, by_certificate(held(scene).der, "/nowhere"), Code.UNMAPPED_PATH)


def test_a_target_that_can_be_read_in_two_ways_is_refused(scene: Scene) -> None:
    refused(scene, by_certificate(held(scene).der, "/vault/../orders/1"), Code.INVALID_TARGET)


@pytest.mark.parametrize("target", ["/orders/1", "/payments/1"])
def test_a_certificate_is_no_signature(scene: Scene, target: str) -> None:
    decision = refused(scene, by_certificate(held(scene).der, target), Code.INVALID_HEADER)

    assert decision.description == "The Authorization header is missing."


def test_a_signature_is_no_certificate(scene: Scene) -> None:
    key = scene.add_key()
    signed = key.sign("GET", ORDER.replace("orders", "vault"))

    refused(scene, call(signed, "/vault/1", certificate=held(scene).der), Code.NOT_ENTITLED)


def test_a_certificate_that_is_known_for_something_else_is_nobodys(scene: Scene) -> None:
    holder = held(scene, kind="REQUEST_ENCRYPTION")

    refused(scene, by_certificate(holder.der), Code.CERTIFICATE_UNKNOWN)


@pytest.mark.parametrize("kid", ["credential_id", "thumbprint"])
def test_a_certificate_is_never_found_as_a_key(scene: Scene, kid: str) -> None:
    holder = held(scene)
    assert isinstance(decide(scene, by_certificate(holder.der)), Admitted)

    assert scene.keyring.peek(getattr(holder, kid)) is None


# ------------------------------------------------------------------------------------------------------ freshness


def test_a_revoked_certificate_is_refused_at_the_next_call(scene: Scene) -> None:
    holder = held(scene)
    assert isinstance(decide(scene, by_certificate(holder.der)), Admitted)

    _revoke(scene, holder)

    refused(scene, by_certificate(holder.der), Code.CERTIFICATE_REVOKED)


def _revoke(scene: Scene, holder: Holder) -> None:
    credentials = schema.credentials
    scene.change(
        credentials,
        credentials.c.id == holder.credential_id,
        ChangeKind.CREDENTIAL,
        holder.credential_id,
        status="REVOKED",
        revoked_at=NOON,
    )


def test_certificates_of_an_authority_that_is_disabled_are_refused_at_the_next_call(scene: Scene) -> None:
    others = issuing("Others")
    identity = foreign(scene, others)
    holder, ours = hold(scene, leaf(others), trusted_authority_id=identity), held(scene)
    for each in (holder, ours):
        assert isinstance(decide(scene, by_certificate(each.der)), Admitted)

    table = schema.trusted_authorities
    scene.change(table, table.c.id == identity, ChangeKind.TRUST, identity, disabled_at=NOON)

    refused(scene, by_certificate(holder.der), Code.CERTIFICATE_UNTRUSTED)
    assert isinstance(decide(scene, by_certificate(ours.der)), Admitted)


def test_an_entitlement_that_is_withdrawn_ends_at_the_next_call(scene: Scene) -> None:
    holder = held(scene)
    assert isinstance(decide(scene, by_certificate(holder.der)), Admitted)

    with writing(scene.database.records) as connection:
        connection.execute(schema.project_services.delete())
        changes.record(connection, ORGANIZATION, ChangeKind.PROJECT, PROJECT)

    refused(scene, by_certificate(holder.der), Code.NOT_ENTITLED)


def test_a_gate_that_cannot_know_admits_nobody(scene: Scene) -> None:
    holder = held(scene)
    assert isinstance(decide(scene, by_certificate(holder.der)), Admitted)

    scene.reader.close()

    assert refused(scene, by_certificate(holder.der), Code.GATE_CLOSED).status == 503


class Slow:
    """A source that has to be waited for, as PostgreSQL's; `meanwhile` happens while it is."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.meanwhile: Callable[[], None] = lambda: None

    def key_now(self, key_id: str) -> None: ...

    def certificate_now(self, sha256: bytes) -> None: ...

    async def key(self, key_id: str) -> KeySnapshot:
        return self._scene.reader.key(key_id)

    async def certificate(self, sha256: bytes) -> KeySnapshot:
        snapshot = self._scene.reader.certificate(sha256.hex())
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return snapshot


@pytest.fixture
def slow(scene: Scene) -> Slow:
    source = Slow(scene)
    scene.keyring = Keyring(source, clock=lambda: 1000.0)
    scene.freshness = type(scene.freshness)(scene.reader, scene.keyring, scene.routes)
    return source


@pytest.mark.usefixtures("slow")
def test_a_certificate_that_has_to_be_waited_for_is_admitted(scene: Scene) -> None:
    assert isinstance(decide(scene, by_certificate(held(scene).der)), Admitted)


def test_a_revocation_that_comes_while_the_certificate_is_loaded_wins(scene: Scene, slow: Slow) -> None:
    holder = held(scene)
    slow.meanwhile = lambda: _revoke(scene, holder)

    refused(scene, by_certificate(holder.der), Code.CERTIFICATE_REVOKED)


@pytest.mark.usefixtures("slow")
def test_nobodys_certificate_that_has_to_be_waited_for_is_refused(scene: Scene) -> None:
    refused(scene, by_certificate(leaf(issuing("SANDBOX CA")).der), Code.CERTIFICATE_UNKNOWN)


# ------------------------------------------------------------------------------------------- screened, noted, told


def desk(scene: Scene) -> Desk:
    return Desk(
        verifier(scene),
        clock=scene.clock.now,
        usage=Usage(EngineTraces(scene.database.traces), report=_fail),
        refusals=Refusals(EngineTraces(scene.database.traces), clock=scene.clock.now, report=_fail),
        metrics=Metrics(),
    )


def test_a_long_body_is_not_read_for_a_certificate_that_is_refused(scene: Scene) -> None:
    revoked = held(scene, status="REVOKED", revoked_at=NOON)
    unread = by_certificate(revoked.der, body_sha256=None)

    screened = desk(scene).screen(unread)

    assert screened is not None
    assert screened.code is Code.CERTIFICATE_REVOKED


def test_a_long_body_is_read_for_a_certificate_that_is_admitted(scene: Scene) -> None:
    assert desk(scene).screen(by_certificate(held(scene).der, body_sha256=None)) is None


def test_callers_are_noted_under_their_certificate(scene: Scene) -> None:
    holder = held(scene)
    at = desk(scene)

    asyncio.run(at.decide(by_certificate(holder.der, address="192.0.2.1")))
    asyncio.run(at.usage.flush())

    with reading(scene.database.traces) as connection:
        noted = connection.execute(select(schema.callers)).one()
    assert (noted.credential_id, noted.scheme, noted.address, noted.admitted) == (
        holder.credential_id,
        "mtls",
        "192.0.2.1",
        1,
    )


def test_a_refusal_is_kept_for_the_owner_step_by_step(scene: Scene) -> None:
    holder = held(scene, not_after=NOON - DAY)
    at = desk(scene)

    decision = asyncio.run(at.decide(by_certificate(holder.der)))
    asyncio.run(at.refusals.flush())

    assert isinstance(decision, Refused)
    with reading(scene.database.traces) as connection:
        kept = connection.execute(select(schema.refusals)).one()
    steps = {step["name"]: step["ok"] for step in json.loads(kept.explanation)["steps"]}
    assert (kept.id, kept.credential_id, kept.code) == (decision.id, holder.credential_id, "certificate_expired")
    assert list(steps) == [
        *("target", "certificate", "chain", "dates", "purpose", "revocation"),
        *("environment", "path", "entitlement", "freshness"),
    ]
    assert [name for name, ok in steps.items() if ok is False] == ["dates"]
    assert (steps["chain"], steps["revocation"]) == (True, None)


@pytest.mark.parametrize(
    ("columns", "target", "environment", "step"),
    [
        pytest.param({"not_before": NOON + DAY}, "/vault/1", SANDBOX, "dates", id="not yet valid"),
        pytest.param({"status": "REVOKED", "revoked_at": NOON}, "/vault/1", SANDBOX, "revocation", id="revoked"),
        pytest.param({}, "/vault/1", PRODUCTION, "environment", id="environment"),
        pytest.param({}, "/nowhere", SANDBOX, "path", id="path"),
    ],
)
def test_every_refusal_says_where_it_failed_and_what_to_do(
    scene: Scene, columns: dict[str, object], target: str, environment: EnvironmentName, step: str
) -> None:
    decision = decide(scene, by_certificate(held(scene, **columns).der, target, environment))

    assert isinstance(decision, Refused)
    explained = explain(decision)
    assert explained is not None
    (failed,) = [each for each in explained.steps if each.ok is False]
    assert failed.name == step
    assert all((failed.expected, failed.received, failed.hint))


def test_calls_by_certificate_count_among_the_gates_decisions(scene: Scene) -> None:
    at = desk(scene)
    holder = held(scene)

    for asked in (by_certificate(holder.der), by_certificate(b""), by_certificate(holder.der, environment=PRODUCTION)):
        asyncio.run(at.decide(asked))

    assert dict(at.metrics.decisions) == {
        ("SANDBOX", "admitted"): 1,
        ("SANDBOX", "certificate_missing"): 1,
        ("PRODUCTION", "other_environment"): 1,
    }

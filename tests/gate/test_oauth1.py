"""OAuth 1.0a at the gate, against a real SQLite file and a real LMDB memory."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

import pytest
from tests.clock import NOON
from tests.gate.scene import (
    AUTHORITY,
    MTLS_ONLY,
    ORDER,
    ORDERS,
    PAYMENTS,
    PRODUCTION,
    PROJECT,
    SANDBOX,
    Client,
    Scene,
    another_key,
    call,
)

from credenza.gate.decision import Admitted, Call, Code, Decision, Refused
from credenza.gate.explanation import explain
from credenza.gate.freshness import SqliteFreshness
from credenza.gate.keyring import Keyring
from credenza.protocol import oauth1
from credenza.store import schema
from credenza.store.changes import ChangeKind
from credenza.store.lookup import KeySnapshot

SECOND = timedelta(seconds=1)
Make: TypeAlias = Callable[[Scene], Call]


def decide(scene: Scene, asked: Call, **policy: object) -> Decision:
    return asyncio.run(scene.verifier(**policy).decide(asked, clock=scene.clock.now))


def refused(scene: Scene, asked: Call, code: Code, **policy: object) -> Refused:
    decision = decide(scene, asked, **policy)
    assert isinstance(decision, Refused), decision
    assert code == decision.code, decision.description
    assert asked.id == decision.id
    return decision


# ------------------------------------------------------------------------------------------------------- admitted


def test_a_signed_call_is_admitted_with_who_calls_and_where_to(scene: Scene) -> None:
    client = scene.add_key()

    decision = decide(scene, call(client.sign("GET", ORDER)))

    assert isinstance(decision, Admitted)
    assert client.key_id == decision.identity.key_id
    assert client.consumer_key.partition("!")[0] == decision.identity.client_id
    assert (
        decision.identity.project_id,
        decision.identity.project_name,
        decision.identity.environment,
        decision.identity.service_id,
    ) == (PROJECT, "Shop", "SANDBOX", ORDERS)
    assert decision.route is not None
    assert decision.route.path_prefix == "/orders"


@pytest.mark.parametrize("method", list(oauth1.SignatureMethod))
@pytest.mark.parametrize("reading", oauth1.READINGS, ids=lambda reading: reading.name)
def test_every_reading_and_signature_method_is_admitted(
    scene: Scene, reading: oauth1.Reading, method: oauth1.SignatureMethod
) -> None:
    client = scene.add_key()
    url = f"{ORDER}?b=x%20y&a:1=z&a=1"

    header = client.sign("POST", url, b"{}", reading=reading, signature_method=method)

    assert isinstance(decide(scene, call(header, "/orders/1?b=x%20y&a:1=z&a=1", method="POST", body=b"{}")), Admitted)


def test_the_reading_that_matched_is_tried_first_next_time(scene: Scene) -> None:
    client = scene.add_key()
    pairs = next(each for each in oauth1.READINGS if each.name == "mastercard-pairs")

    decide(scene, call(client.sign("GET", f"{ORDER}?a=1&a1=2", reading=pairs), "/orders/1?a=1&a1=2"))
    # This one fits the first reading of the table as well.
    decide(scene, call(client.sign("GET", ORDER)))

    assert scene.keyring.peek(client.key_id).reading is pairs


def test_a_body_that_passes_by_the_gate_is_admitted_by_its_claimed_hash(scene: Scene) -> None:
    client = scene.add_key()
    header = client.sign("POST", ORDER, b"{}")

    decision = decide(scene, call(header, method="POST", body_sha256=None, announces_body=True))

    assert isinstance(decision, Admitted)
    assert decision.claimed_body_hash == "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="


def test_a_form_without_body_hash_is_admitted_by_its_parameters(scene: Scene) -> None:
    client = scene.add_key()
    form = b"a=1&b=2"
    asked, header = _form_call(client, form)

    assert isinstance(decide(scene, asked), Admitted)
    changed = call(header, method="POST", body=b"a=1&b=3", form=b"a=1&b=3")
    refused(scene, changed, Code.SIGNATURE)


def _form_call(client: Client, form: bytes) -> tuple[Call, str]:
    header = client.sign_form("POST", "/orders/1", form)
    return call(header, method="POST", body=form, form=form), header


# ----------------------------------------------------------------------------------- refused: the header and its proof


@pytest.mark.parametrize(
    ("authorization", "code", "status", "reason_code"),
    [
        ((), Code.INVALID_HEADER, 400, "INVALID_AUTH_HEADER"),
        (("Bearer abc",), Code.INVALID_HEADER, 400, "INVALID_AUTH_HEADER"),
        (('OAuth oauth_consumer_key="x"',), Code.MISSING_PARAMETER, 400, "INVALID_OAUTH_SBS"),
    ],
)
def test_an_unreadable_header_is_refused_without_a_look_at_any_key(
    scene: Scene, authorization: tuple[str, ...], code: Code, status: int, reason_code: str
) -> None:
    decision = refused(scene, call("", authorization=authorization), code)

    assert (status, reason_code) == (decision.status, decision.reason_code)
    assert len(scene.keyring) == 0


def test_two_authorization_headers_are_refused_even_when_both_are_good(scene: Scene) -> None:
    client = scene.add_key()
    headers = (client.sign("GET", ORDER), client.sign("GET", ORDER))

    refused(scene, call("", authorization=headers), Code.INVALID_HEADER)


def test_the_missing_parameter_is_named(scene: Scene) -> None:
    header = scene.add_key().sign("GET", ORDER)
    without_nonce = ",".join(part for part in header.split(",") if "oauth_nonce" not in part)

    decision = refused(scene, call(without_nonce), Code.MISSING_PARAMETER)

    assert "oauth_nonce" in decision.description


def test_a_weak_signature_method_is_refused(scene: Scene) -> None:
    header = scene.add_key().sign("GET", ORDER).replace("RSA-SHA256", "RSA-SHA1")

    decision = refused(scene, call(header), Code.UNSUPPORTED_METHOD)

    assert (decision.status, decision.reason_code) == (400, "INVALID_AUTH_HEADER")


def test_a_nonce_that_is_too_short_is_refused(scene: Scene) -> None:
    header = scene.add_key().sign("GET", ORDER, nonce="abcdefgh").replace("abcdefgh", "abcdefg")

    decision = refused(scene, call(header), Code.NONCE)

    assert (decision.status, decision.reason_code) == (400, "INVALID_AUTH_HEADER")


@pytest.mark.parametrize("skew", [-301, 301])
def test_a_call_signed_too_far_from_now_is_refused_with_both_times(scene: Scene, skew: int) -> None:
    header = scene.add_key().sign("GET", ORDER, now=NOON + skew * SECOND)

    decision = refused(scene, call(header), Code.TIMESTAMP)

    assert (decision.status, decision.reason_code) == (403, "AUTHENTICATION_FAILED")
    assert "2025-01-31T12:00:00Z" in decision.description


@pytest.mark.parametrize("skew", [-300, 300])
def test_a_call_signed_just_within_the_window_is_admitted(scene: Scene, skew: int) -> None:
    client = scene.add_key()
    scene.replay.remembers_since = 0

    assert isinstance(decide(scene, call(client.sign("GET", ORDER, now=NOON + skew * SECOND))), Admitted)


def test_a_body_without_hash_is_refused(scene: Scene) -> None:
    _, header = _form_call(scene.add_key(), b"")

    decision = refused(scene, call(header, method="POST", body=b"{}"), Code.BODY_HASH_MISSING)

    assert (decision.status, decision.reason_code) == (400, "INVALID_OAUTH_SBS")
    assert "oauth_body_hash" in decision.description


@pytest.mark.parametrize(("method", "announces_body"), [("GET", True), ("POST", True), ("POST", False), ("PUT", False)])
def test_a_body_without_hash_that_passes_by_the_gate_is_refused(
    scene: Scene, method: str, announces_body: bool
) -> None:
    header = scene.add_key().sign_form(method, "/orders/1", b"")
    asked = call(header, method=method, body_sha256=None, announces_body=announces_body)

    refused(scene, asked, Code.BODY_HASH_MISSING)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_a_call_without_hash_and_body_that_passes_by_the_gate_is_admitted(scene: Scene, method: str) -> None:
    header = scene.add_key().sign_form(method, "/orders/1", b"")

    assert isinstance(decide(scene, call(header, method=method, body_sha256=None)), Admitted)


def test_a_body_with_one_bit_changed_is_refused(scene: Scene) -> None:
    header = scene.add_key().sign("POST", ORDER, b'{"amount":1}')

    decision = refused(scene, call(header, method="POST", body=b'{"amount":0}'), Code.BODY_HASH)

    assert (decision.status, decision.reason_code) == (403, "AUTHENTICATION_FAILED")


def test_oauth_parameters_in_the_query_are_refused(scene: Scene) -> None:
    client = scene.add_key()
    header = client.sign("GET", ORDER)

    decision = refused(scene, call(header, "/orders/1?oauth_token=x"), Code.INVALID_TARGET)

    assert (decision.status, decision.reason_code) == (400, "BAD_REQUEST")


# ------------------------------------------------------------------------- refused: what looks the same from outside


def _unknown_key(scene: Scene) -> Call:
    client = scene.add_key()
    return call(client.sign("GET", ORDER).replace(client.key_id, "f" * 32 + "0" * 16))


def _halves_of_two_keys(scene: Scene) -> Call:
    client, other = scene.add_key(), scene.add_key(environment=PRODUCTION)
    mixed = f"{other.consumer_key.partition('!')[0]}!{client.key_id}"
    return call(type(client)(mixed, client.private_key).sign("GET", ORDER))


def _wrong_signature(scene: Scene) -> Call:
    client = scene.add_key()
    return call(type(client)(client.consumer_key, another_key()).sign("GET", ORDER))


def _other_target(scene: Scene) -> Call:
    return call(scene.add_key().sign("GET", ORDER), "/orders/2")


def _revoked(scene: Scene) -> Call:
    return call(scene.add_key(status="REVOKED").sign("GET", ORDER))


def _of_a_deleted_project(scene: Scene) -> Call:
    client = scene.add_key()
    scene.change(schema.projects, schema.projects.c.id == PROJECT, ChangeKind.PROJECT, PROJECT, deleted_at=NOON)
    return call(client.sign("GET", ORDER))


def _inactive(scene: Scene) -> Call:
    return call(scene.add_key(status="INACTIVE").sign("GET", ORDER))


def _expired(scene: Scene) -> Call:
    return call(scene.add_key(not_after=NOON - SECOND).sign("GET", ORDER))


def _not_yet_valid(scene: Scene) -> Call:
    return call(scene.add_key(not_before=NOON + SECOND).sign("GET", ORDER))


def _account_key(scene: Scene) -> Call:
    return call(scene.add_key(kind="ACCOUNT_KEY", environment=None).sign("GET", ORDER))


def _oauth2_only(scene: Scene) -> Call:
    client = scene.add_key()
    scene.change(schema.projects, schema.projects.c.id == PROJECT, ChangeKind.PROJECT, PROJECT, type="OAUTH2_FAPI")
    return call(client.sign("GET", ORDER))


def _no_consumer_key_at_all(scene: Scene) -> Call:
    header = scene.add_key().sign("GET", ORDER)
    consumer_key = header.partition('oauth_consumer_key="')[2].partition('"')[0]
    return call(header.replace(consumer_key, "nobody"))


def _replayed(scene: Scene) -> Call:
    asked = call(scene.add_key().sign("GET", ORDER))
    assert isinstance(decide(scene, asked), Admitted)
    return asked


_ALIKE = {
    _unknown_key: Code.UNKNOWN_KEY,
    _halves_of_two_keys: Code.UNKNOWN_KEY,
    _no_consumer_key_at_all: Code.UNKNOWN_KEY,
    _wrong_signature: Code.SIGNATURE,
    _other_target: Code.SIGNATURE,
    _revoked: Code.REVOKED,
    _of_a_deleted_project: Code.REVOKED,
    _inactive: Code.INACTIVE,
    _expired: Code.EXPIRED,
    _not_yet_valid: Code.NOT_YET_VALID,
    _account_key: Code.WRONG_KIND,
    _oauth2_only: Code.WRONG_KIND,
    _replayed: Code.REPLAYED,
}
ALIKE = pytest.mark.parametrize(("make", "code"), _ALIKE.items(), ids=[make.__name__[1:] for make in _ALIKE])


@ALIKE
def test_what_is_unknown_revoked_expired_or_wrongly_signed_looks_the_same(scene: Scene, make: Make, code: Code) -> None:
    decision = refused(scene, make(scene), code)

    assert (decision.status, decision.reason_code) == (403, "AUTHENTICATION_FAILED")
    sentence, _, base_string = decision.description.partition(": ")
    assert (
        sentence
        == "The consumer key, the signature or both are not accepted. An accepted key would sign this base string"
    )
    assert base_string.startswith("GET&https%3A%2F%2Fapi.example.com%2Forders%2F")


def test_the_base_string_is_named_only_when_the_policy_says_so(scene: Scene) -> None:
    decision = refused(scene, _wrong_signature(scene), Code.SIGNATURE, echo_base_string=False)

    assert decision.description == "The consumer key, the signature or both are not accepted."


def test_a_long_base_string_is_cut(scene: Scene) -> None:
    header = scene.add_key().sign("GET", ORDER)

    decision = refused(scene, call(header, f"/orders/1?a={'x' * 8000}"), Code.SIGNATURE)

    assert len(decision.description) < 4300


def test_an_explanation_does_not_grow_with_the_query_of_a_stranger(scene: Scene) -> None:
    header = Client(scene.add_key().consumer_key, another_key()).sign("GET", ORDER)
    target = "/orders/1?a=%2e" + "'" * 8000

    explanation = explain(refused(scene, call(header, target), Code.SIGNATURE))

    assert explanation is not None
    assert {len(each.text) for each in explanation.base_strings} == {4097}


def test_the_ninth_and_later_readings_are_not_tried_unless_the_project_asks(scene: Scene) -> None:
    client = scene.add_key()
    reading = oauth1.AMBIGUOUS_READINGS[0]

    def plus() -> Call:
        return call(client.sign("GET", f"{ORDER}?a=b+c%20d", reading=reading), "/orders/1?a=b+c%20d")

    refused(scene, plus(), Code.SIGNATURE)

    projects = schema.projects
    scene.change(projects, projects.c.id == PROJECT, ChangeKind.PROJECT, PROJECT, ambiguous_readings=True)
    assert isinstance(decide(scene, plus()), Admitted)


# ------------------------------------------------------------------------------------- refused: proven, but not here


def test_a_key_of_the_other_environment_is_declined(scene: Scene) -> None:
    client = scene.add_key(environment=PRODUCTION)

    decision = refused(scene, call(client.sign("GET", ORDER)), Code.OTHER_ENVIRONMENT)

    assert (decision.status, decision.reason_code) == (401, "DECLINED")


def test_a_service_the_project_does_not_use_is_declined(scene: Scene) -> None:
    client = scene.add_key()
    url = f"https://{AUTHORITY}/payments/1"

    decision = refused(scene, call(client.sign("GET", url), "/payments/1"), Code.NOT_ENTITLED)
    assert (decision.status, decision.reason_code) == (401, "DECLINED")

    scene.entitle(PAYMENTS, SANDBOX)
    scene.note(ChangeKind.PROJECT, PROJECT)
    assert isinstance(decide(scene, call(client.sign("GET", url), "/payments/1")), Admitted)


def test_a_service_that_takes_other_credentials_is_declined(scene: Scene) -> None:
    url = f"https://{AUTHORITY}/vault/1"

    refused(scene, call(scene.add_key().sign("GET", url), "/vault/1"), Code.NOT_ENTITLED)
    assert scene.routes.find(SANDBOX, "/vault/1").service_id == MTLS_ONLY


@pytest.mark.parametrize("path", ["/nothing", "/ordersand", "/oauth/token", "/sso", "/.well-known/x"])
def test_a_path_of_no_service_is_declined(scene: Scene, path: str) -> None:
    if not path.startswith("/n") and not path.startswith("/orders"):
        _map_the_rest(scene)
    client = scene.add_key()

    decision = refused(scene, call(client.sign("GET", f"https://{AUTHORITY}{path}"), path), Code.UNMAPPED_PATH)

    assert (decision.status, decision.reason_code) == (401, "DECLINED")


def test_whether_a_path_exists_is_told_to_proven_callers_only(scene: Scene) -> None:
    header = scene.add_key().sign("GET", ORDER)

    refused(scene, call(header, "/nothing"), Code.SIGNATURE)


@pytest.mark.parametrize(
    "path",
    [
        "/orders/../payments/1",
        "/orders/./1",
        "/orders/%2e%2E/payments",
        "/orders/..;x=1/payments",
        "/orders/..%2fpayments",
        "/orders\\..\\payments",
        "/orders/..",
        "/orders/%252e%252e/payments",
        "/orders/..%3f",
        "/orders/..%00/payments",
    ],
)
def test_dot_segments_are_refused_in_every_spelling(scene: Scene, path: str) -> None:
    client = scene.add_key()

    decision = refused(scene, call(client.sign("GET", f"https://{AUTHORITY}{path}"), path), Code.INVALID_TARGET)

    assert (decision.status, decision.reason_code) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "path",
    [
        "//payments/1",
        "/%70ayments/1",
        "/%2570ayments/1",
        "/payments;v=1/1",
        "/\\payments/1",
        "/payments%2f1",
        "/payments%3fa",
        "/payments%23a",
        "/payments%00a",
    ],
)
def test_a_path_that_could_lead_to_a_neighbour_is_refused(scene: Scene, path: str) -> None:
    _map_the_rest(scene)
    client = scene.add_key()

    refused(scene, call(client.sign("GET", f"https://{AUTHORITY}{path}"), path), Code.INVALID_TARGET)


@pytest.mark.parametrize(
    "path",
    [
        "/orders//1",
        "/orders/a%2fb",
        "/orders/1;v=1",
        "/orders/%7Ea",
        "/orders/.hidden",
        "/orders/a..b",
        "/orders/100%25",
        "/orders/a%3fb",
    ],
)
def test_an_unusual_path_that_stays_in_its_service_is_admitted(scene: Scene, path: str) -> None:
    client = scene.add_key()

    assert isinstance(decide(scene, call(client.sign("GET", f"https://{AUTHORITY}{path}"), path)), Admitted)


def _map_the_rest(scene: Scene) -> None:
    """Let Orders take every path that no other service has."""
    table = schema.service_environments
    scene.change(table, table.c.service_id == ORDERS, ChangeKind.CATALOG, ORDERS, path_prefix="/")


# ---------------------------------------------------------------------------------------------- freshness and replay


def test_a_revoked_key_is_refused_by_the_very_next_decision(scene: Scene) -> None:
    client = scene.add_key()
    assert isinstance(decide(scene, call(client.sign("GET", ORDER))), Admitted)

    scene.revoke(client)

    outcome = scene.verifier().decide_now(call(client.sign("GET", ORDER)), now=NOON)
    assert not isinstance(outcome, Admitted)


@pytest.mark.anyio
async def test_a_change_seen_at_the_last_look_is_decided_by_what_is_true_now(scene: Scene) -> None:
    client = scene.add_key()
    verifier = scene.verifier()
    assert isinstance(await verifier.decide(call(client.sign("GET", ORDER)), clock=scene.clock.now), Admitted)

    scene.revoke(client)
    decision = await verifier.decide(call(client.sign("GET", ORDER)), clock=scene.clock.now)

    assert isinstance(decision, Refused)
    assert decision.code == Code.REVOKED


@pytest.mark.anyio
async def test_a_change_that_takes_nothing_away_refuses_nobody(scene: Scene) -> None:
    client = scene.add_key()
    verifier = scene.verifier()
    await verifier.decide(call(client.sign("GET", ORDER)), clock=scene.clock.now)

    projects = schema.projects
    scene.change(projects, projects.c.id == PROJECT, ChangeKind.PROJECT, PROJECT, region="US")

    assert isinstance(await verifier.decide(call(client.sign("GET", ORDER)), clock=scene.clock.now), Admitted)


@pytest.mark.anyio
async def test_a_refused_key_is_admitted_by_the_very_next_decision_after_it_is_renewed(scene: Scene) -> None:
    client = scene.add_key(not_after=NOON - SECOND)
    verifier = scene.verifier()
    decision = await verifier.decide(call(client.sign("GET", ORDER)), clock=scene.clock.now)
    assert isinstance(decision, Refused)

    credentials = schema.credentials
    later = NOON + timedelta(days=1)
    scene.change(credentials, credentials.c.id == client.key_id, ChangeKind.CREDENTIAL, client.key_id, not_after=later)

    assert isinstance(await verifier.decide(call(client.sign("GET", ORDER)), clock=scene.clock.now), Admitted)


@pytest.mark.anyio
async def test_a_retired_route_admits_nobody_from_the_next_decision_on(scene: Scene) -> None:
    client = scene.add_key()
    verifier = scene.verifier()
    await verifier.decide(call(client.sign("GET", ORDER)), clock=scene.clock.now)

    scene.change(schema.services, schema.services.c.id == ORDERS, ChangeKind.CATALOG, ORDERS, status="RETIRED")
    decision = await verifier.decide(call(client.sign("GET", ORDER)), clock=scene.clock.now)

    assert isinstance(decision, Refused)
    assert decision.code == Code.UNMAPPED_PATH


def test_a_gate_that_cannot_look_admits_nobody(scene: Scene) -> None:
    client = scene.add_key()
    assert isinstance(decide(scene, call(client.sign("GET", ORDER))), Admitted)
    scene.reader.close()

    decision = refused(scene, call(client.sign("GET", ORDER)), Code.GATE_CLOSED)

    assert (decision.status, decision.reason_code) == (503, "SERVICE_UNAVAILABLE")


def test_a_gate_that_cannot_load_a_key_admits_nobody(scene: Scene) -> None:
    client = scene.add_key()
    scene.reader.close()

    refused(scene, call(client.sign("GET", ORDER)), Code.GATE_CLOSED)


def test_a_known_key_is_decided_without_waiting(scene: Scene) -> None:
    client = scene.add_key()
    verifier = scene.verifier()
    scene.freshness.look()

    assert isinstance(verifier.decide_now(call(client.sign("GET", ORDER)), now=NOON), Admitted)
    assert isinstance(verifier.decide_now(call("nonsense"), now=NOON), Refused)


def test_a_forger_burns_no_nonce(scene: Scene) -> None:
    client = scene.add_key()
    header = client.sign("GET", ORDER, nonce="0123456789abcdef")
    forged = type(client)(client.consumer_key, another_key())
    refused(scene, call(forged.sign("GET", ORDER, nonce="0123456789abcdef")), Code.SIGNATURE)

    assert isinstance(decide(scene, call(header)), Admitted)


def test_a_declined_call_burns_no_nonce(scene: Scene) -> None:
    client = scene.add_key()
    asked = call(client.sign("GET", f"https://{AUTHORITY}/nothing"), "/nothing")

    refused(scene, asked, Code.UNMAPPED_PATH)
    refused(scene, asked, Code.UNMAPPED_PATH)


def test_a_replay_memory_that_has_forgotten_refuses_what_it_cannot_judge(scene: Scene) -> None:
    client = scene.add_key()
    asked = call(client.sign("GET", ORDER, now=NOON - SECOND))
    scene.forget_replays()

    decision = refused(scene, asked, Code.REPLAY_UNAVAILABLE)

    assert (decision.status, decision.reason_code) == (503, "SERVICE_UNAVAILABLE")


# ------------------------------------------------------------------------------------- time, for a call that waited


class _Slow:
    """A replay memory that is waited for, while the clock goes on."""

    remembers_since = 0.0

    def __init__(self, scene: Scene, takes: timedelta) -> None:
        self._scene = scene
        self._takes = takes
        self._memory = scene.replay

    async def first_seen(self, key: bytes, now: float) -> bool:
        self._scene.clock.advance(self._takes)
        return self._memory.first_seen(key, now)

    def close(self) -> None:
        self._memory.close()


class _SlowKeys:
    """A database that is waited for, while the clock goes on."""

    def __init__(self, scene: Scene, takes: timedelta) -> None:
        self._scene = scene
        self._takes = takes

    def key_now(self, key_id: str) -> None:
        return None

    async def key(self, key_id: str) -> KeySnapshot:
        self._scene.clock.advance(self._takes)
        return self._scene.reader.key(key_id)


def waits_for_replay_memory(scene: Scene) -> None:
    scene.replay = _Slow(scene, 2 * SECOND)


def waits_for_its_key(scene: Scene) -> None:
    scene.keyring = Keyring(_SlowKeys(scene, 2 * SECOND), clock=lambda: 0.0)
    scene.freshness = SqliteFreshness(scene.reader, scene.keyring, scene.routes)
    scene.freshness.look()


@pytest.mark.parametrize("wait", [waits_for_replay_memory, waits_for_its_key])
def test_a_call_that_ages_out_while_it_waits_is_refused(scene: Scene, wait: Callable[[Scene], None]) -> None:
    client = scene.add_key()
    wait(scene)

    refused(scene, call(client.sign("GET", ORDER, now=NOON - 299 * SECOND)), Code.TIMESTAMP)
    scene.clock.set(NOON)
    assert isinstance(decide(scene, call(client.sign("GET", ORDER, now=NOON - 298 * SECOND))), Admitted)


@pytest.mark.parametrize("wait", [waits_for_replay_memory, waits_for_its_key])
def test_a_key_that_expires_while_its_call_waits_is_refused(scene: Scene, wait: Callable[[Scene], None]) -> None:
    client = scene.add_key(not_after=NOON + SECOND)
    wait(scene)

    refused(scene, call(client.sign("GET", ORDER)), Code.EXPIRED)


def test_a_call_from_too_far_ahead_is_not_saved_by_waiting_for_the_replay_memory(scene: Scene) -> None:
    client = scene.add_key()
    waits_for_replay_memory(scene)

    refused(scene, call(client.sign("GET", ORDER, now=NOON + 301 * SECOND)), Code.TIMESTAMP)


def test_a_screened_call_is_refused_before_its_body_is_read_and_nothing_is_remembered(scene: Scene) -> None:
    client = scene.add_key()
    verifier = scene.verifier()
    scene.freshness.look()
    good = call(client.sign("POST", ORDER, b"{}"), method="POST", body_sha256=None, announces_body=True)
    bad = call(client.sign("PUT", ORDER, b"{}"), method="POST", body_sha256=None, announces_body=True)

    assert verifier.screen(good, now=NOON) is None
    assert verifier.screen(bad, now=NOON).code is Code.SIGNATURE
    assert isinstance(decide(scene, good), Admitted)


# ----------------------------------------------------------------------------------------------- the management API


def test_the_management_api_takes_an_account_key(scene: Scene) -> None:
    client = scene.add_key(kind="ACCOUNT_KEY", environment=None)
    url = f"https://{AUTHORITY}/developer/projects"

    decision = decide(scene, call(client.sign("GET", url), "/developer/projects", environment=None))

    assert isinstance(decision, Admitted)
    assert decision.route is None
    assert (decision.identity.project_id, decision.identity.environment) == (None, None)
    assert decision.identity.owner_id


def test_the_management_api_takes_no_key_of_a_project(scene: Scene) -> None:
    client = scene.add_key()
    url = f"https://{AUTHORITY}/developer/projects"

    asked = call(client.sign("GET", url), "/developer/projects", environment=None)

    refused(scene, asked, Code.WRONG_KIND)


@pytest.mark.parametrize("go", [Scene.disable_owner, Scene.remove_owner], ids=["disabled", "left"])
def test_an_account_key_ends_with_its_owner_s_place_in_the_organization(
    go: Callable[[Scene], None], scene: Scene
) -> None:
    client = scene.add_key(kind="ACCOUNT_KEY", environment=None)
    go(scene)
    url = f"https://{AUTHORITY}/developer/projects"

    decision = decide(scene, call(client.sign("GET", url), "/developer/projects", environment=None))

    assert isinstance(decision, Refused)
    assert decision.code == Code.REVOKED


# ------------------------------------------------------------------------------------------------------ explanations


@ALIKE
def test_the_explanation_tells_apart_what_looks_the_same(scene: Scene, make: Make, code: Code) -> None:
    explanation = explain(refused(scene, make(scene), code))

    assert code == explanation.code
    failed = [step for step in explanation.steps if step.ok is False]
    assert len(failed) == 1
    assert failed[0].expected
    assert failed[0].received
    assert failed[0].hint


def test_the_explanation_has_no_signature_beyond_its_beginning(scene: Scene) -> None:
    asked = _wrong_signature(scene)

    explanation = explain(refused(scene, asked, Code.SIGNATURE))

    signature = oauth1.parse(asked.authorization[0]).signature
    text = repr(explanation)
    assert asked.authorization[0] not in text
    assert b64encode(signature).decode()[:20] not in text


def test_the_explanation_has_the_base_strings_that_would_do_and_nothing_of_a_form(scene: Scene) -> None:
    with_query = explain(refused(scene, _wrong_signature(scene), Code.SIGNATURE))
    assert with_query.base_strings[0].reading == "mastercard"

    _, header = _form_call(scene.add_key(), b"secret=1")
    changed = explain(refused(scene, call(header, method="POST", body=b"secret=2", form=b"secret=2"), Code.SIGNATURE))
    assert changed.base_strings == ()
    assert "secret" not in repr(changed)

"""The token server gives a token to a client that has proven itself, bound to the key it has shown, and to nobody else.

FAPI 2.0 section 5.3.2.1 for client credentials with private_key_jwt and DPoP; RFC 6749, 7523, 9449, 9068.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.clock import NOON
from tests.gate.scene import PROJECT, SANDBOX, Client, furnished
from tests.gate.token_scene import ISSUER, NOW_S, PROOF_KEY, URI, Desk

from credenza.domain.token_keys import IssuerKind
from credenza.gate.issuers import Issuers
from credenza.gate.token_faults import RULINGS, Fault
from credenza.gate.token_server import Denial
from credenza.protocol import access_token, dpop, jose
from credenza.store import schema
from credenza.store.changes import ChangeKind


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with furnished(tmp_path) as scene:
        yield Desk(scene)


# ------------------------------------------------------------------------------------------------------------- granted


def test_a_client_gets_a_token_bound_to_the_key_it_has_shown(desk: Desk) -> None:
    granted = desk.granted()
    token, claims = access_token.parse(granted.access_token)

    key = desk.issuers.published(SANDBOX, IssuerKind.FAPI2, token.header.kid, now=NOON)
    assert key is not None
    jose.check(token, key, jose.Algorithm.ES256)
    client_id, key_id = desk.client.consumer_key.split("!")
    assert (claims.iss, claims.aud, claims.sub, claims.client_id) == (ISSUER, ISSUER, client_id, client_id)
    assert (claims.key_id, claims.cnf.jkt) == (key_id, jose.thumbprint(PROOF_KEY.public_key()))
    assert (granted.expires_in_s, claims.exp - claims.iat) == (900, 900)
    assert len(claims.jti) >= 32


def test_the_key_of_the_proof_may_be_the_clients_own(desk: Desk) -> None:
    desk.granted(desk.call(proofs=(desk.proof(key=desk.client.private_key),)))


@pytest.mark.parametrize(
    ("asked", "granted"),
    [("", ""), ("orders:read", "orders:read"), ("orders:write orders:read", "orders:read orders:write")],
)
def test_the_scope_asked_for_is_granted_exactly(desk: Desk, asked: str, granted: str) -> None:
    assert desk.granted(desk.call(form={"scope": asked})).scope == granted


@pytest.mark.parametrize("asked", ["payments:pay", "orders:read payments:pay", "nothing", "orders:read\torders:write"])
def test_a_scope_beyond_the_projects_services_is_refused_and_nothing_narrowed(desk: Desk, asked: str) -> None:
    assert desk.denied(desk.call(form={"scope": asked})) is Fault.SCOPE


def test_the_owner_of_the_key_is_told_which_scopes_there_are_and_the_caller_is_not(desk: Desk) -> None:
    refused = desk.ask(desk.call(form={"scope": "payments:pay"}))

    assert isinstance(refused, Denial)
    assert refused.detail == "Not granted: payments:pay. The project's services have: orders:read orders:write."
    assert refused.told == "A scope that was asked for is not granted."


# ------------------------------------------------------------------------------------------------- the form (RFC 6749)


@pytest.mark.parametrize(
    "changed",
    [
        {"query": "grant_type=client_credentials"},
        {"content_type": "application/json"},
        {"content_type": ""},
        {"body": b"grant_type=client_credentials&grant_type=client_credentials"},
        {"body": b"x=%ff"},
        {"body": b"x=" + b"y" * 40_000},
        {"body": b"&".join(b"x%d=y" % number for number in range(40))},
    ],
    ids=["query", "json", "no type", "twice", "not UTF-8", "long", "many"],
)
def test_what_is_not_one_form_with_each_parameter_once_is_an_invalid_request(
    desk: Desk, changed: dict[str, Any]
) -> None:
    answer = desk.ask(desk.call(**changed))

    assert isinstance(answer, Denial)
    assert (answer.ruling.error, answer.ruling.status) == ("invalid_request", 400)


def test_an_empty_parameter_is_as_one_that_was_not_sent(desk: Desk) -> None:
    desk.granted(desk.call(form={"client_id": "", "resource": ""}))


@pytest.mark.parametrize("grant_type", ["password", "authorization_code", "refresh_token", ""])
def test_no_other_grant_is_known(desk: Desk, grant_type: str) -> None:
    answer = desk.ask(desk.call(form={"grant_type": grant_type}))

    assert isinstance(answer, Denial)
    assert answer.ruling.error == "unsupported_grant_type"


def test_a_client_that_does_not_authenticate_is_an_invalid_client(desk: Desk) -> None:
    assert desk.denied(desk.call(form={"client_assertion": ""})) is Fault.NO_AUTHENTICATION


@pytest.mark.parametrize("changed", [{"authorization": ("Basic eDp5",)}, {"form": {"client_secret": "x"}}], ids=str)
def test_a_client_that_authenticates_in_two_ways_is_refused(desk: Desk, changed: dict[str, Any]) -> None:
    assert desk.denied(desk.call(**changed)) is Fault.TWO_AUTHENTICATIONS


# ---------------------------------------------------------------------------------------------- assertion (RFC 7523)


@pytest.mark.parametrize(
    "form",
    [
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
        {"client_assertion_type": ""},
        {"client_assertion": "not.a.token"},
        {"client_id": "somebody else"},
    ],
    ids=str,
)
def test_an_assertion_of_another_form_is_refused(desk: Desk, form: dict[str, str]) -> None:
    assert desk.denied(desk.call(form=form)) is Fault.ASSERTION


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"aud": URI}, Fault.AUDIENCE),
        ({"aud": ISSUER + "/"}, Fault.AUDIENCE),
        ({"aud": [ISSUER]}, Fault.ASSERTION),
        ({"exp": NOW_S - 300}, Fault.ASSERTION_EXPIRED),
        ({"exp": NOW_S + 301}, Fault.ASSERTION_TOO_LONG),
        ({"nbf": NOW_S + 61}, Fault.ASSERTION_NOT_YET),
        ({"iat": NOW_S + 61}, Fault.ASSERTION_NOT_YET),
    ],
    ids=str,
)
def test_an_assertion_for_another_issuer_or_time_is_refused(desk: Desk, claims: dict[str, Any], fault: Fault) -> None:
    assert desk.denied(desk.call(form={"client_assertion": desk.assertion(**claims)})) is fault


def test_clocks_10_seconds_apart_are_accepted(desk: Desk) -> None:
    for ahead in (-10, 10):
        claims = {"iat": NOW_S + ahead, "nbf": NOW_S + ahead, "exp": NOW_S + ahead + 90}
        desk.granted(desk.call(form={"client_assertion": desk.assertion(**claims)}))


def test_a_key_and_a_client_that_do_not_belong_together_are_nobodys(desk: Desk) -> None:
    other = f"{'x' * 48}!{desk.client.key_id}"
    assertion = desk.assertion(Client(other, desk.client.private_key))

    assert desk.denied(desk.call(form={"client_assertion": assertion})) is Fault.UNKNOWN_KEY


@pytest.mark.parametrize("kid", [None, "", "f" * 48, "../key", "'; DROP TABLE credentials --", "k\n", "k" * 5000])
def test_a_kid_that_is_no_key_of_the_client_is_refused(desk: Desk, kid: str | None) -> None:
    assertion = desk.assertion(header={"kid": kid})

    assert desk.denied(desk.call(form={"client_assertion": assertion})) is Fault.UNKNOWN_KEY


def test_an_assertion_signed_by_another_key_is_refused(desk: Desk) -> None:
    other = desk.scene.add_key()
    assertion = desk.assertion(Client(desk.client.consumer_key, other.private_key))

    assert desk.denied(desk.call(form={"client_assertion": assertion})) is Fault.SIGNATURE


def test_what_fails_about_the_client_looks_the_same_outside(desk: Desk) -> None:
    desk.scene.revoke(revoked := desk.scene.add_key())
    expired = desk.scene.add_key(not_after=NOON - timedelta(seconds=1))
    unknown = Client(f"{'x' * 48}!{'f' * 48}", desk.client.private_key)
    wrong = Client(desk.client.consumer_key, desk.scene.add_key().private_key)
    answers = [
        desk.ask(desk.call(form={"client_assertion": desk.assertion(each)}))
        for each in (revoked, expired, unknown, wrong)
    ]

    faults = [Fault.KEY_REVOKED, Fault.KEY_EXPIRED, Fault.UNKNOWN_KEY, Fault.SIGNATURE]
    assert [answer.fault for answer in answers] == faults
    assert len({(answer.ruling.error, answer.ruling.status, answer.told) for answer in answers}) == 1


def test_a_key_of_a_project_that_does_not_speak_oauth2_is_refused(desk: Desk) -> None:
    desk.granted()
    projects = schema.projects
    desk.scene.change(projects, projects.c.id == PROJECT, ChangeKind.PROJECT, PROJECT, dual=False)

    assert desk.denied(desk.call()) is Fault.WRONG_KIND


def test_a_revoked_key_gets_no_token_the_very_next_time(desk: Desk) -> None:
    desk.granted()
    desk.scene.revoke(desk.client)

    assert isinstance(desk.ask(), Denial)


def test_an_assertion_is_good_once(desk: Desk) -> None:
    assertion = desk.assertion()
    desk.granted(desk.call(form={"client_assertion": assertion}))

    assert desk.denied(desk.call(form={"client_assertion": assertion})) is Fault.ASSERTION_REPLAYED


def test_a_forger_cannot_use_an_assertion_up(desk: Desk) -> None:
    claims = {"jti": "the-same-jti-for-both"}
    forged = desk.assertion(Client(desk.client.consumer_key, desk.scene.add_key().private_key), **claims)

    assert desk.denied(desk.call(form={"client_assertion": forged})) is Fault.SIGNATURE
    desk.granted(desk.call(form={"client_assertion": desk.assertion(**claims)}))


def test_a_replay_memory_that_was_lost_refuses_what_it_may_have_forgotten(desk: Desk) -> None:
    desk.scene.forget_replays()
    desk.server = desk.make()

    assert desk.denied(desk.call()) is Fault.REPLAY_UNAVAILABLE


# -------------------------------------------------------------------------------------------------- proof (RFC 9449)


def test_without_exactly_one_proof_there_is_no_token(desk: Desk) -> None:
    assert desk.denied(desk.call(proofs=())) is Fault.PROOF_MISSING
    assert desk.denied(desk.call(proofs=(desk.proof(), desk.proof()))) is Fault.PROOF_MISSING
    assert desk.denied(desk.call(proofs=(f"{desk.proof()}, {desk.proof()}",))) is Fault.PROOF


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"htm": "GET"}, Fault.PROOF),
        ({"htu": f"{ISSUER}/oauth/introspect"}, Fault.PROOF),
        ({"htu": "https://other.example.com/oauth/token"}, Fault.PROOF),
        ({"iat": NOW_S - 121}, Fault.PROOF_TIME),
        ({"iat": NOW_S + 11}, Fault.PROOF_TIME),
        ({"ath": "x"}, Fault.PROOF),
    ],
    ids=str,
)
def test_a_proof_for_another_request_or_time_is_refused(desk: Desk, claims: dict[str, Any], fault: Fault) -> None:
    assert desk.denied(desk.call(proofs=(desk.proof(**claims),))) is fault


def test_a_proof_is_good_once(desk: Desk) -> None:
    proof = desk.proof()
    desk.granted(desk.call(proofs=(proof,)))

    assert desk.denied(desk.call(proofs=(proof,))) is Fault.PROOF_REPLAYED


def test_where_a_nonce_is_required_the_one_that_was_given_is_good_in_the_next_slice_too(desk: Desk) -> None:
    desk.server = desk.make(require_nonce=True)
    nonce = desk.server.nonce(now=NOON)

    assert desk.denied(desk.call()) is Fault.NONCE
    desk.granted(desk.call(proofs=(desk.proof(nonce=nonce),)))
    desk.scene.clock.advance(dpop.NONCE_LIFE)
    desk.granted(desk.call(proofs=(desk.proof(nonce=nonce),)))
    desk.scene.clock.advance(dpop.NONCE_LIFE)
    assert desk.denied(desk.call(proofs=(desk.proof(nonce=nonce),))) is Fault.NONCE


def test_a_nonce_that_was_never_given_is_refused_also_where_none_is_required(desk: Desk) -> None:
    assert desk.denied(desk.call(proofs=(desk.proof(nonce="made-up"),))) is Fault.NONCE


# ------------------------------------------------------------------------------------------------------- signing keys


def test_a_successor_signs_only_when_its_time_has_come_and_the_other_stays_published(desk: Desk) -> None:
    first, _ = access_token.parse(desk.granted().access_token)
    desk.scene.clock.advance(timedelta(days=31))
    second, _ = access_token.parse(desk.granted().access_token)

    later = desk.scene.clock.now()
    assert first.header.kid != second.header.kid
    assert desk.issuers.published(SANDBOX, IssuerKind.FAPI2, second.header.kid, now=later) is not None
    assert desk.issuers.published(SANDBOX, IssuerKind.FAPI2, second.header.kid, now=NOON) is not None


def test_a_gate_without_the_key_encryption_key_gives_no_token_and_knows_all_public_keys(desk: Desk) -> None:
    desk.issuers = Issuers()
    desk.load()
    desk.server = desk.make()

    assert desk.denied(desk.call()) is Fault.NO_SIGNING_KEY
    assert b'"kid"' in desk.issuers.key_set(SANDBOX, IssuerKind.FAPI2, now=NOON)
    assert b'"d"' not in desk.issuers.key_set(SANDBOX, IssuerKind.FAPI2, now=NOON)


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_ruling_whose_words_may_stand_in_an_answer(fault: Fault) -> None:
    told = RULINGS[fault].told

    # RFC 6749 5.2: error_description takes %x20-21 / %x23-5B / %x5D-7E.
    assert told
    assert all(" " <= character <= "~" and character not in '"\\' for character in told)

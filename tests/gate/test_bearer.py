"""A call with an access token is admitted for its holder, for what the live record allows, and for as long as it lives.

RFC 9068 section 4, RFC 9449 section 7, FAPI 2.0 section 5.3.4.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.clock import NOON
from tests.gate.scene import AUTHORITY, ORGANIZATION, PAYMENTS, PROJECT, SANDBOX, call, furnished
from tests.gate.token_scene import ISSUER, NONCE_SECRET, PROOF_KEY, Desk

from credenza.domain.token_keys import IssuerKind
from credenza.domain.tokens import hash_jti
from credenza.gate.answers import headers_of
from credenza.gate.bearer import Audience, TokenVerifier
from credenza.gate.decision import Admitted, Call, Code, Decision, Refused
from credenza.gate.oauth1 import Verifier
from credenza.gate.possession import Nonces
from credenza.protocol import access_token, dpop, jose
from credenza.store import schema
from credenza.store.changes import ChangeKind
from credenza.store.replay import LmdbReplay

TARGET = "/payments/42"
URI = f"https://{AUTHORITY}{TARGET}"


class SharedMemory:
    """The replay memory of several machines, which is waited for; `meanwhile` happens until it answers."""

    def __init__(self, memory: LmdbReplay, meanwhile: Callable[[], None]) -> None:
        self._memory = memory
        self._meanwhile = meanwhile

    @property
    def remembers_since(self) -> float:
        return self._memory.remembers_since

    async def first_seen(self, key: bytes, now: float) -> bool:
        await asyncio.sleep(0)
        self._meanwhile()
        return self._memory.first_seen(key, now)


class Street(Desk):
    """The token server, and the gate that its tokens are for."""

    def __init__(self, scene: Any) -> None:
        super().__init__(scene)
        self.memory: Any = scene.replay
        scene.entitle(PAYMENTS, SANDBOX)
        scene.note(ChangeKind.CATALOG, "entitled")
        scene.note(ChangeKind.PROJECT, PROJECT)
        self.server = self.make()
        self.verifier = self.gate()
        self.token = self.granted().access_token

    def gate(self, *, require_nonce: bool = False) -> Verifier:
        shared = {
            "keyring": self.scene.keyring,
            "routes": self.scene.routes,
            "freshness": self.scene.freshness,
            "replay": self.memory,
        }
        tokens = TokenVerifier(
            **shared,
            issuers=self.issuers,
            audiences=(Audience(SANDBOX, ISSUER),),
            nonces=Nonces(NONCE_SECRET, require_nonce),
        )
        return Verifier(**shared, tokens=tokens)

    def holding(self, token: str | None = None, *, key: jose.PrivateKey = PROOF_KEY, **claims: Any) -> str:
        usual = {"htm": "GET", "htu": URI, "ath": dpop.access_token_hash(token or self.token)}
        return self.proof(key=key, **{**usual, **claims})

    def wait_for_memory(self, meanwhile: Callable[[], None]) -> None:
        self.memory = SharedMemory(self.scene.replay, meanwhile)
        self.verifier = self.gate()

    def send(self, authorization: str | None = None, **changed: Any) -> Decision:
        proofs = changed.pop("proofs", None)
        made: Call = call(
            authorization or f"DPoP {self.token}",
            changed.pop("target", TARGET),
            proofs=(self.holding(),) if proofs is None else proofs,
            **changed,
        )
        return asyncio.run(self.verifier.decide(made, clock=self.scene.clock.now))

    def refused(self, authorization: str | None = None, **changed: Any) -> Refused:
        decision = self.send(authorization, **changed)
        assert isinstance(decision, Refused)
        return decision

    def challenge(self, refused: Refused) -> str:
        return dict(headers_of(refused))["WWW-Authenticate"]


def retire(street: Street) -> None:
    keys = schema.token_keys
    street.scene.change(keys, keys.c.environment == SANDBOX, ChangeKind.ISSUER, "all", retired_at=NOON)
    street.load()


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with furnished(tmp_path) as scene:
        yield Street(scene)


def test_the_holder_of_a_token_is_admitted_as_the_client_it_was_given_to(street: Street) -> None:
    decision = street.send()

    client_id, key_id = street.client.consumer_key.split("!")
    assert isinstance(decision, Admitted)
    assert (decision.identity.client_id, decision.identity.key_id) == (client_id, key_id)
    assert decision.identity.service_id == PAYMENTS


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
def test_the_scheme_is_read_in_any_case(street: Street, scheme: str) -> None:
    assert isinstance(street.send(f"{scheme} {street.token}"), Admitted)


def test_a_token_bound_to_a_key_is_not_taken_as_bearer(street: Street) -> None:
    refused = street.refused(f"Bearer {street.token}")

    assert (refused.code, refused.status) == (Code.TOKEN_BINDING, 401)
    assert street.challenge(refused) == 'DPoP error="invalid_token", algs="PS256 ES256"'


@pytest.mark.parametrize(
    "authorization", ["DPoP", "DPoP ", "DPoP a b", "DPoP not.a.token", "DPoP " + "x" * 9000, "Bearer x"], ids=len
)
def test_what_is_no_token_is_refused(street: Street, authorization: str) -> None:
    assert street.refused(authorization).status in (400, 401)


@pytest.mark.parametrize("changed", [{"typ": "JWT"}, {"typ": "dpop+jwt"}, {"kid": "unknown"}, {"kid": ""}], ids=str)
def test_a_token_of_another_type_or_key_is_refused(street: Street, changed: dict[str, str]) -> None:
    signing = street.issuers.signing(SANDBOX, IssuerKind.FAPI2, now=NOON)
    assert signing is not None
    assert signing.private is not None
    _, claims = access_token.parse(street.token)
    header = {"typ": "at+jwt", "kid": signing.key.kid} | changed
    token = jose.sign(header, msgspec.to_builtins(claims), signing.private)

    refused = street.refused(f"DPoP {token}", proofs=(street.holding(token),))
    assert (refused.code, refused.status) == (Code.INVALID_TOKEN, 401)


def test_a_token_signed_by_anybody_else_is_refused(street: Street) -> None:
    signing = street.issuers.signing(SANDBOX, IssuerKind.FAPI2, now=NOON)
    assert signing is not None
    _, claims = access_token.parse(street.token)
    forged = access_token.issue(claims, ec.generate_private_key(ec.SECP256R1()), kid=signing.key.kid)

    assert street.refused(f"DPoP {forged}", proofs=(street.holding(forged),)).code is Code.INVALID_TOKEN


@pytest.mark.parametrize("proofs", [(), ("a", "b"), ("",)], ids=["none", "two", "empty"])
def test_without_exactly_one_proof_a_token_admits_nobody(street: Street, proofs: tuple[str, ...]) -> None:
    refused = street.refused(proofs=proofs)

    assert (refused.status, refused.reason_code) == (400, "MALFORMED_OAUTH_REQ")


@pytest.mark.parametrize(
    "claims",
    [
        {"htm": "POST"},
        {"htu": f"https://{AUTHORITY}/payments/43"},
        {"htu": "https://other.example.com/payments/42"},
        {"ath": "x"},
        {"ath": None},
        {"iat": int(NOON.timestamp()) - 121},
        {"iat": int(NOON.timestamp()) + 11},
    ],
    ids=str,
)
def test_a_proof_for_another_request_token_or_time_is_refused(street: Street, claims: dict[str, Any]) -> None:
    refused = street.refused(proofs=(street.holding(**claims),))

    assert refused.code is Code.INVALID_PROOF
    assert street.challenge(refused) == 'DPoP error="invalid_dpop_proof", algs="PS256 ES256"'


def test_a_proof_by_another_key_than_the_token_is_bound_to_is_refused(street: Street) -> None:
    thief = ec.generate_private_key(ec.SECP256R1())

    assert street.refused(proofs=(street.holding(key=thief),)).code is Code.TOKEN_BINDING


def test_a_proof_is_good_once(street: Street) -> None:
    proof = street.holding()

    assert isinstance(street.send(proofs=(proof,)), Admitted)
    assert street.refused(proofs=(proof,)).code is Code.PROOF_REPLAYED


def test_the_nonce_of_the_token_server_is_good_at_the_gate(street: Street) -> None:
    street.verifier = street.gate(require_nonce=True)
    refused = street.refused()
    nonce = dict(refused.headers)["DPoP-Nonce"]

    assert street.challenge(refused) == 'DPoP error="use_dpop_nonce", algs="PS256 ES256"'
    assert nonce == street.server.nonce(now=NOON)
    assert isinstance(street.send(proofs=(street.holding(nonce=nonce),)), Admitted)


def test_a_token_dies_with_the_key_that_fetched_it(street: Street) -> None:
    assert isinstance(street.send(), Admitted)
    street.scene.revoke(street.client)

    refused = street.refused()
    assert (refused.code, refused.status) == (Code.TOKEN_REVOKED, 401)
    assert street.challenge(refused) == 'DPoP error="invalid_token", algs="PS256 ES256"'


def test_a_token_ends_at_its_time(street: Street) -> None:
    street.scene.clock.advance(timedelta(seconds=899))
    assert isinstance(street.send(), Admitted)
    street.scene.clock.advance(timedelta(seconds=1))
    assert street.refused().code is Code.TOKEN_EXPIRED


def test_a_token_that_was_revoked_is_refused_at_once(street: Street) -> None:
    _, claims = access_token.parse(street.token)
    assert isinstance(street.send(), Admitted)
    street.scene.add(
        schema.revoked_tokens,
        organization_id=ORGANIZATION,
        jti_hash=hash_jti(claims.jti),
        environment=SANDBOX,
        expires_at=claims.expires_at,
        revoked_at=NOON,
    )
    street.load()

    assert street.refused().code is Code.TOKEN_REVOKED


def test_a_token_of_a_retired_signing_key_is_refused(street: Street) -> None:
    assert isinstance(street.send(), Admitted)
    retire(street)

    assert street.refused().code is Code.INVALID_TOKEN


def test_a_project_that_speaks_oauth_1_only_again_has_no_tokens(street: Street) -> None:
    projects = schema.projects
    street.scene.change(projects, projects.c.id == PROJECT, ChangeKind.PROJECT, PROJECT, dual=False)

    assert street.refused().code is Code.TOKEN_REVOKED


@pytest.mark.parametrize(
    ("target", "code"),
    [("/orders/1", Code.NOT_ENTITLED), ("/nothing", Code.UNMAPPED_PATH), ("/vault/1", Code.NOT_ENTITLED)],
)
def test_a_token_opens_what_the_project_may_use_by_oauth_2(street: Street, target: str, code: Code) -> None:
    proof = street.holding(htu=f"https://{AUTHORITY}{target}")

    refused = street.refused(target=target, proofs=(proof,))
    assert (refused.code, refused.reason_code) == (code, "DECLINED")


def test_a_token_narrowed_to_another_service_is_refused_with_the_scope_that_is_missing(street: Street) -> None:
    token = street.granted(street.call(form={"scope": "orders:read"})).access_token

    refused = street.refused(f"DPoP {token}", proofs=(street.holding(token),))
    assert (refused.code, refused.status) == (Code.INSUFFICIENT_SCOPE, 403)
    assert "payments:pay" in refused.description
    assert street.challenge(refused).startswith('DPoP error="insufficient_scope"')


def test_two_authorization_headers_are_refused(street: Street) -> None:
    both = (f"DPoP {street.token}", f"Bearer {street.token}")

    decision = asyncio.run(
        street.verifier.decide(call("", TARGET, authorization=both, proofs=()), clock=street.scene.clock.now)
    )
    assert isinstance(decision, Refused)
    assert decision.code is Code.INVALID_HEADER


def test_a_signed_call_is_decided_as_before(street: Street) -> None:
    street.scene.entitle(PAYMENTS, "PRODUCTION")
    header = street.client.sign("GET", f"https://{AUTHORITY}/orders/1")

    assert isinstance(street.send(header, target="/orders/1", proofs=()), Admitted)


# ------------------------------------------------------------------------------------------------------------- waiting


def test_a_call_that_waited_is_admitted_and_its_proof_is_good_once(street: Street) -> None:
    street.wait_for_memory(lambda: None)
    proof = street.holding()

    assert isinstance(street.send(proofs=(proof,)), Admitted)
    assert street.refused(proofs=(proof,)).code is Code.PROOF_REPLAYED


@pytest.mark.parametrize(
    ("meanwhile", "code"),
    [
        (lambda street: street.scene.revoke(street.client), Code.TOKEN_REVOKED),
        (lambda street: street.scene.clock.advance(timedelta(seconds=121)), Code.INVALID_PROOF),
        (lambda street: street.scene.clock.advance(timedelta(seconds=901)), Code.TOKEN_EXPIRED),
        (retire, Code.INVALID_TOKEN),
    ],
    ids=["key revoked", "proof too old", "token ended", "signing key retired"],
)
def test_a_call_that_waited_is_judged_by_what_is_true_after_it(
    street: Street, meanwhile: Callable[[Street], None], code: Code
) -> None:
    street.wait_for_memory(lambda: meanwhile(street))

    assert street.refused().code is code


def test_a_signature_is_proven_once_however_long_its_call_waits(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.wait_for_memory(lambda: None)
    street.send()  # the token's own signature is remembered
    checked, check = [], jose.check
    monkeypatch.setattr(jose, "check", lambda *arguments: (checked.append(arguments), check(*arguments)))

    assert isinstance(street.send(), Admitted)
    assert len(checked) == 1


def test_a_change_of_another_key_costs_no_call_its_admission(street: Street) -> None:
    other = street.scene.add_key()
    street.wait_for_memory(lambda: street.scene.revoke(other))

    assert isinstance(street.send(), Admitted)

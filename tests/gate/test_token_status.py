"""What becomes of tokens that were given: only who may ask learns of them, and only their own client ends them."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.gate.scene import ORDERS, PROJECT, SANDBOX, furnished
from tests.gate.token_scene import ISSUER, NONCE_SECRET, Desk

from credenza.domain import secret_text
from credenza.domain.model import PLATFORM, EnvironmentName
from credenza.domain.tokens import SECRET_PREFIXES, RevokedToken
from credenza.gate.bearer import Audience, TokenVerifier
from credenza.gate.possession import Nonces
from credenza.gate.token_faults import Denied, Fault
from credenza.gate.token_server import TokenCall
from credenza.gate.token_status import INACTIVE, TokenStatus
from credenza.store import schema
from credenza.store.changes import ChangeKind

PEPPER = b"p" * 32
SECRET = secret_text.write(SECRET_PREFIXES[SANDBOX], b"s" * 32)


class Ledger:
    """Keeps what it is told to revoke; the pepper is its own."""

    def __init__(self) -> None:
        self.revoked: list[tuple[RevokedToken, str]] = []

    async def hash_secret(self, secret: str) -> str:
        return secret_text.keyed_hash(PEPPER, secret)

    async def revoke(self, token: RevokedToken, *, client_id: str) -> None:
        self.revoked.append((token, client_id))


class Counter(Desk):
    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.ledger = Ledger()
        self.scene.add(
            schema.resource_servers,
            organization_id=PLATFORM,
            id="ledger",
            environment=SANDBOX,
            name="Ledger",
            prefix=SECRET[:14],
            secret_hash=secret_text.keyed_hash(PEPPER, SECRET),
            created_at=self.scene.clock.now(),
        )
        self.load()
        verifier = TokenVerifier(
            keyring=self.scene.keyring,
            routes=self.scene.routes,
            freshness=self.scene.freshness,
            replay=self.scene.replay,
            issuers=self.issuers,
            audiences=(Audience(SANDBOX, ISSUER), Audience(EnvironmentName.PRODUCTION, "https://live.example.com")),
            nonces=Nonces(NONCE_SECRET),
        )
        self.status = TokenStatus(self.server, verifier, self.issuers, self.ledger)

    def introspect(self, token: str, name: str = "ledger", secret: str = SECRET, **changed: object) -> object:
        basic = "Basic " + b64encode(f"{name}:{secret}".encode()).decode()
        body = urlencode({"token": token}).encode()
        call: TokenCall = self.call(**{"body": body, "authorization": (basic,), "proofs": (), **changed})
        return asyncio.run(self.status.introspect(call, clock=self.scene.clock.now))

    def revoke(self, **form: str) -> None:
        call = self.call(form={"grant_type": "", **form}, proofs=())
        asyncio.run(self.status.revoke(call, clock=self.scene.clock.now))


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    with furnished(tmp_path) as scene:
        yield Counter(scene)


def refused(counter: Counter, **changed: object) -> Fault:
    with pytest.raises(Denied) as caught:
        counter.introspect("token", **changed)  # type: ignore[arg-type]
    return caught.value.fault


def test_a_good_token_is_described_with_what_it_is_good_for(counter: Counter) -> None:
    narrowed = counter.granted(counter.call(form={"scope": "orders:read"})).access_token
    told = counter.introspect(narrowed)

    assert isinstance(told, dict)
    assert (told["active"], told["iss"], told["scope"]) == (True, ISSUER, "orders:read")
    assert scope(counter, counter.granted().access_token) == "orders:read orders:write"


def test_a_service_that_a_project_has_lost_takes_its_scopes_along(counter: Counter) -> None:
    scene = counter.scene
    narrowed, whole = (
        counter.granted(counter.call(form={"scope": each})).access_token for each in ("orders:read", None)
    )
    places = schema.project_services
    scene.change(places, places.c.service_id == ORDERS, ChangeKind.PROJECT, PROJECT, status="PENDING_APPROVAL")

    assert [scope(counter, each) for each in (narrowed, whole)] == [None, None]


def scope(counter: Counter, token: str) -> object:
    told = counter.introspect(token)
    assert isinstance(told, dict)
    assert told["active"] is True
    return told.get("scope")


def test_of_a_token_that_is_not_good_here_and_now_nothing_is_said(counter: Counter) -> None:
    token = counter.granted().access_token
    production = secret_text.write(SECRET_PREFIXES[EnvironmentName.PRODUCTION], b"s" * 32)

    assert counter.introspect("no token") == INACTIVE
    assert counter.introspect(token[:-8] + "AAAAAAAA") == INACTIVE
    assert refused(counter, secret=production) is Fault.RESOURCE_SERVER
    counter.scene.clock.advance(timedelta(seconds=901))
    assert counter.introspect(token) == INACTIVE


def test_the_tokens_of_a_revoked_key_are_inactive_at_once(counter: Counter) -> None:
    token = counter.granted().access_token
    counter.scene.revoke(counter.client)

    assert counter.introspect(token) == INACTIVE


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "another"},
        {"secret": secret_text.write(SECRET_PREFIXES[SANDBOX], b"t" * 32)},
        {"secret": ""},
        {"authorization": ()},
        {"authorization": ("Bearer x",)},
        {"authorization": ("Basic !",)},
        {"authorization": ("Basic /w==",)},
        {"environment": EnvironmentName.PRODUCTION},
    ],
    ids=str,
)
def test_who_is_no_resource_server_here_is_refused(counter: Counter, changed: dict[str, object]) -> None:
    assert refused(counter, **changed) is Fault.RESOURCE_SERVER


def test_a_client_revokes_its_own_token_without_a_proof(counter: Counter) -> None:
    counter.revoke(token=counter.granted().access_token)

    ((token, client_id),) = counter.ledger.revoked
    assert (token.environment, client_id) == (SANDBOX, counter.client.consumer_key.partition("!")[0])


def test_an_unknown_token_is_revoked_already(counter: Counter) -> None:
    counter.revoke(token="unknown")

    assert counter.ledger.revoked == []


@pytest.mark.parametrize(("form", "fault"), [({"client_assertion": ""}, Fault.NO_AUTHENTICATION), ({}, Fault.REQUEST)])
def test_nobody_revokes_without_authentication_or_without_a_token(
    counter: Counter, form: dict[str, str], fault: Fault
) -> None:
    with pytest.raises(Denied) as caught:
        counter.revoke(**form)

    assert (caught.value.fault, counter.ledger.revoked) == (fault, [])

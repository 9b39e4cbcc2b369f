"""Tokens for client secrets: every form in which they are asked for, and everything for which there is none."""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import select, update
from tests.clock import NOON
from tests.gate.api_scene import (
    FORM,
    HERE,
    ISSUER,
    JSON,
    ORIGIN,
    OTHER_AUDIENCE,
    PROFILES,
    ApiGate,
    basic,
    entry,
)

from credenza.actions import api_credentials
from credenza.actions.api_credentials import IssuedApiCredential
from credenza.domain import secret_text
from credenza.domain.api_credentials import ApiGrant, OldSecret
from credenza.domain.catalog import RouteRule, ScopeLevel
from credenza.domain.model import EnvironmentName
from credenza.domain.token_keys import IssuerKind
from credenza.gate.api_clients import Name
from credenza.gate.compat_server import GUESSES_AT_ONCE, STRANGERS_AT_ONCE
from credenza.gate.token_faults import Fault
from credenza.gate.token_server import Denial, Granted, TokenCall
from credenza.store.engine import reading, writing
from credenza.store.schema import callers, credentials, refusals

pytestmark = pytest.mark.anyio

LATER = timedelta(days=1)
UNTOLD = "The client could not be authenticated."


@pytest.fixture
async def issued(gate: ApiGate) -> IssuedApiCredential:
    return await gate.create(gate.catalog.reads_profiles)


def claims_of(gate: ApiGate, granted: Granted) -> dict[str, Any]:
    """What an API reads, with a library that is not ours."""
    now = gate.stage.clock.now()
    keys = KeySet.import_key_set(json.loads(gate.issuers.key_set(EnvironmentName.SANDBOX, IssuerKind.COMPAT, now=now)))
    token = jwt.decode(granted.access_token, keys, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    return dict(token.claims)


def another_secret(secret: str) -> str:
    """A secret of the right shape, of nobody."""
    return secret_text.write(secret[: len("czs_sbx_")], bytes(range(32)))


# ------------------------------------------------------------------------------------------------------------- granted


async def test_each_form_of_a_request_gets_a_token(gate: ApiGate, issued: IssuedApiCredential) -> None:
    client_id = issued.view.credential.client_id
    by_basic = {"call": {"authorization": basic(client_id, issued.secret)}}
    for asked in (
        gate.asking(issued),
        gate.asking(issued, content_type=JSON, audience=ORIGIN),
        gate.asking(**by_basic),
        gate.asking(**by_basic, client_id=client_id),
        gate.asking(**by_basic, content_type=f"{JSON}; charset=utf-8"),
    ):
        granted = await gate.ask(asked)

        assert isinstance(granted, Granted), (granted.fault, granted.detail)
        assert (granted.token_type, granted.expires_in_s, granted.scope) == ("Bearer", 3600, None)
        assert granted.record.client_id == client_id


async def test_a_token_says_who_fetched_it_and_for_what(gate: ApiGate, issued: IssuedApiCredential) -> None:
    granted = await gate.ask(gate.asking(issued))
    assert isinstance(granted, Granted)

    claims = claims_of(gate, granted)

    now_s = int(NOON.timestamp())
    assert re.fullmatch("[0-9a-f]{32}", claims.pop("jti"))
    (secret,) = gate.catalog.get(issued).secrets
    assert claims == {
        "iss": ISSUER,
        "aud": ORIGIN,
        "sub": issued.view.credential.client_id,
        "client_id": issued.view.credential.client_id,
        "iat": now_s,
        "exp": now_s + 3600,
        "key_id": issued.view.credential.id,
        "secret_id": secret.id,
    }
    assert issued.secret not in granted.access_token


async def test_an_audience_is_the_origin_one_of_the_settings_or_one_of_a_service(
    gate: ApiGate, issued: IssuedApiCredential
) -> None:
    await gate.offer(entry(ScopeLevel.WORKSPACE, *PROFILES, audience="urn:example:profiles"), path="/own")

    for audience in (ORIGIN, OTHER_AUDIENCE, "urn:example:profiles"):
        granted = await gate.ask(gate.asking(issued, audience=audience))
        assert isinstance(granted, Granted), (granted.fault, granted.detail)
        assert claims_of(gate, granted)["aud"] == audience


async def test_an_unknown_audience_is_answered_with_those_that_are_known(
    gate: ApiGate, issued: IssuedApiCredential
) -> None:
    denial = await gate.ask(gate.asking(issued, audience="https://elsewhere.example"))

    assert isinstance(denial, Denial)
    assert (denial.fault, denial.ruling.status, denial.ruling.error) == (Fault.UNKNOWN_AUDIENCE, 403, "invalid_target")
    assert denial.told.endswith(f"Known: {ORIGIN}, {OTHER_AUDIENCE}")


async def test_whoever_is_not_authenticated_learns_no_audience(gate: ApiGate, issued: IssuedApiCredential) -> None:
    asked = gate.asking(issued, secret=another_secret(issued.secret), audience="https://elsewhere.example")

    assert await gate.denied(asked) is Fault.SECRET


async def test_a_token_lives_as_short_as_the_strictest_api_that_takes_it(gate: ApiGate) -> None:
    strict = await gate.offer(
        entry(ScopeLevel.ORGANIZATION, *_routes("read"), fixed=True, token_life_s=600), path="/strict"
    )
    lax = await gate.offer(
        entry(ScopeLevel.ORGANIZATION, *_routes("read"), fixed=True, token_life_s=28_800), path="/lax"
    )
    apart = await gate.offer(
        entry(ScopeLevel.ORGANIZATION, *_routes("read"), fixed=True, token_life_s=60, audience="urn:example:apart"),
        path="/apart",
    )
    grants = [ApiGrant(each.id, frozenset({"read"})) for each in (strict, lax, apart)]
    every, lax_alone = await gate.create(*grants), await gate.create(grants[1])

    async def life_s(issued: IssuedApiCredential, **form: str) -> int:
        granted = await gate.ask(gate.asking(issued, **form))
        assert isinstance(granted, Granted)
        return granted.expires_in_s

    assert await life_s(every) == 600
    assert await life_s(every, audience="urn:example:apart") == 60
    assert await life_s(lax_alone) == 28_800


async def test_no_token_outlives_its_credential_or_its_secret(gate: ApiGate) -> None:
    ends = await gate.create(gate.catalog.reads_profiles, ends_at=NOON + timedelta(seconds=100))
    granted = await gate.ask(gate.asking(ends))
    assert isinstance(granted, Granted)
    assert granted.expires_in_s == 100

    rotated = await gate.create(gate.catalog.reads_profiles)
    gate.stage.clock.advance(timedelta(seconds=50))
    await gate.act(api_credentials.issue_secret, rotated.view.credential.id, keep_old=OldSecret.HOUR)
    gate.stage.clock.advance(timedelta(minutes=50))
    granted = await gate.ask(gate.asking(rotated))
    assert isinstance(granted, Granted)
    assert granted.expires_in_s == 600


async def test_an_empty_scope_is_no_scope(gate: ApiGate, issued: IssuedApiCredential) -> None:
    for scope in ("", " "):
        assert isinstance(await gate.ask(gate.asking(issued, scope=scope)), Granted)


async def test_a_scope_is_never_granted(gate: ApiGate, issued: IssuedApiCredential) -> None:
    denial = await gate.ask(gate.asking(issued, scope="read"))

    assert isinstance(denial, Denial)
    assert (denial.ruling.status, denial.ruling.error) == (400, "invalid_scope")


# -------------------------------------------------------------------------------------------------------------- denied


async def test_outside_every_reason_looks_the_same(gate: ApiGate, issued: IssuedApiCredential) -> None:
    elsewhere = await gate.create(gate.catalog.reads_profiles, networks=("198.51.100.0/24",))
    off = await gate.create(gate.catalog.reads_profiles)
    await gate.act(api_credentials.deactivate, off.view.credential.id)
    over = await gate.create(gate.catalog.reads_profiles, ends_at=NOON + LATER)
    gone = await gate.create(gate.catalog.reads_profiles)
    await gate.act(api_credentials.delete, gone.view.credential.id)
    rotated = await gate.create(gate.catalog.reads_profiles)
    await gate.act(api_credentials.issue_secret, rotated.view.credential.id, keep_old=OldSecret.HOUR)
    gate.stage.clock.advance(LATER)

    wrong = {
        Fault.UNKNOWN_CLIENT: gate.asking(issued, client_id="n" * 48),
        Fault.SECRET: gate.asking(issued, secret=another_secret(issued.secret)),
        Fault.SECRET_FORM: gate.asking(issued, secret=issued.secret[:-1] + ("0" if issued.secret[-1] != "0" else "1")),
        Fault.ADDRESS: gate.asking(elsewhere),
        Fault.CREDENTIAL_INACTIVE: gate.asking(off),
        Fault.CREDENTIAL_EXPIRED: gate.asking(over),
        Fault.SECRET_ENDED: gate.asking(rotated),
    }
    told = set()
    for fault, asked in wrong.items():
        denial = await gate.ask(asked)
        assert isinstance(denial, Denial)
        assert denial.fault is fault
        told.add((denial.ruling.status, denial.ruling.error, denial.told))
    assert await gate.denied(gate.asking(gone)) is Fault.UNKNOWN_CLIENT
    assert told == {(401, "invalid_client", UNTOLD)}


async def test_a_secret_of_the_other_environment_gets_no_token(gate: ApiGate) -> None:
    production = await gate.create(gate.catalog.reads_profiles, environment=EnvironmentName.PRODUCTION)
    sandbox = await gate.create(gate.catalog.reads_profiles)

    assert await gate.denied(gate.asking(production)) is Fault.SECRET_FORM
    asked = gate.asking(production, secret=sandbox.secret)
    assert await gate.denied(asked) is Fault.SECRET, "the halves belong together"


async def test_an_address_within_the_networks_is_as_good_as_any(gate: ApiGate) -> None:
    issued = await gate.create(gate.catalog.reads_profiles, networks=("192.0.2.0/24", "2001:db8::/32"))

    for address in (HERE, "2001:db8::7", f"::ffff:{HERE}"):
        assert isinstance(await gate.ask(gate.asking(issued, call={"address": address})), Granted)
    for address in ("192.0.3.7", "2001:db9::7", "", "unix"):
        assert await gate.denied(gate.asking(issued, call={"address": address})) is Fault.ADDRESS


async def test_two_secrets_side_by_side_are_both_good(gate: ApiGate, issued: IssuedApiCredential) -> None:
    assert isinstance(await gate.ask(gate.asking(issued)), Granted)
    second = await gate.act(api_credentials.issue_secret, issued.view.credential.id, keep_old=OldSecret.UNTIL_DELETED)

    for secret in (issued.secret, second.issued.secret):
        assert isinstance(await gate.ask(gate.asking(issued, secret=secret)), Granted)


async def test_the_owner_reads_the_true_reason(gate: ApiGate, issued: IssuedApiCredential) -> None:
    await gate.act(api_credentials.deactivate, issued.view.credential.id)
    denial = await gate.ask(gate.asking(issued))
    assert isinstance(denial, Denial)
    await gate.tokens._refusals.flush()

    with reading(gate.stage.platform.database.traces) as connection:
        row = connection.execute(select(refusals).where(refusals.c.id == denial.id)).one()
    steps = {step["name"]: step for step in json.loads(row.explanation)["steps"]}
    assert (row.code, row.credential_id) == ("token_credential_inactive", issued.view.credential.id)
    assert steps["secret"]["ok"] is True
    assert steps["credential"]["ok"] is False
    assert "switched off" in steps["credential"]["hint"]
    assert issued.secret not in row.explanation


async def test_a_token_counts_as_a_use_by_secret(gate: ApiGate, issued: IssuedApiCredential) -> None:
    await gate.token(issued)
    await gate.tokens._usage.flush()

    with reading(gate.stage.platform.database.traces) as connection:
        row = connection.execute(select(callers)).one()
    assert (row.credential_id, row.scheme, row.address) == (issued.view.credential.id, "secret", HERE)


# ------------------------------------------------------------------------------------------------------------- hostile


_UNREADABLE = (
    (JSON, b'{"client_id":"a","client_id":"b","grant_type":"client_credentials"}', ""),
    (JSON, b'{"client_id":["a"]}', ""),
    (JSON, b"[]", ""),
    (JSON, b"{", ""),
    (JSON, b"\xff", ""),
    (JSON, b'{"a":' * 5000, ""),
    (JSON, json.dumps({str(number): "x" for number in range(40)}).encode(), ""),
    (JSON, b'{"a":"' + b"x" * 40_000 + b'"}', ""),
    (FORM, b"client_id=a&client_id=b", ""),
    (FORM, b"a=" + b"x" * 40_000, ""),
    (FORM, b"client_id=%ff", ""),
    ("text/plain", b"{}", ""),
    ("", b"{}", ""),
    (f"{JSON},{FORM}", b"{}", ""),
    ("multipart/form-data; boundary=x", b"--x--", ""),
    (FORM, b"grant_type=client_credentials", "client_secret=czs_sbx_x"),
)


async def test_what_can_be_read_in_two_ways_or_in_none_is_refused(gate: ApiGate) -> None:
    for content_type, body, query in _UNREADABLE:
        asked = gate.asking(content_type=content_type, body=body, call={"query": query})

        assert await gate.denied(asked) is Fault.REQUEST


async def test_a_client_proves_itself_in_one_way(gate: ApiGate, issued: IssuedApiCredential) -> None:
    client_id = issued.view.credential.client_id
    both = {"authorization": basic(client_id, issued.secret)}

    assert await gate.denied(gate.asking(issued, call=both)) is Fault.TWO_AUTHENTICATIONS
    assert await gate.denied(gate.asking(call=both, client_id="other")) is Fault.TWO_AUTHENTICATIONS
    assert await gate.denied(gate.asking(issued, client_assertion="a.b.c")) is Fault.TWO_AUTHENTICATIONS
    twice = {"authorization": basic(client_id, issued.secret) * 2}
    assert await gate.denied(gate.asking(call=twice)) is Fault.NO_AUTHENTICATION


async def test_what_is_no_basic_authentication_is_none(gate: ApiGate) -> None:
    for authorization in ("Basic", "Basic !", "Basic YQ==", "Bearer x", "Digest a=b", "Basic /w=="):
        assert await gate.denied(gate.asking(call={"authorization": (authorization,)})) is Fault.NO_AUTHENTICATION


async def test_half_of_a_pair_is_none(gate: ApiGate, issued: IssuedApiCredential) -> None:
    assert await gate.denied(gate.asking()) is Fault.NO_AUTHENTICATION
    assert await gate.denied(gate.asking(client_secret=issued.secret)) is Fault.NO_AUTHENTICATION
    assert await gate.denied(gate.asking(client_id="a")) is Fault.NO_AUTHENTICATION


async def test_another_grant_type_is_refused(gate: ApiGate, issued: IssuedApiCredential) -> None:
    for grant_type in (None, "password", "authorization_code"):
        assert await gate.denied(gate.asking(issued, grant_type=grant_type)) is Fault.GRANT_TYPE


# ------------------------------------------------------------------------------------------------------------- guesses


async def test_guessing_slows_down_and_locks_nobody_out_elsewhere(gate: ApiGate, issued: IssuedApiCredential) -> None:
    wrong = gate.asking(issued, secret=another_secret(issued.secret))
    for _ in range(GUESSES_AT_ONCE):
        assert await gate.denied(wrong) is Fault.SECRET

    denial = await gate.ask(gate.asking(issued))

    assert isinstance(denial, Denial)
    assert (denial.fault, denial.ruling.status, denial.retry_after_s) == (Fault.GUESSES, 429, 10)
    assert isinstance(await gate.ask(gate.asking(issued, call={"address": "192.0.2.8"})), Granted)
    gate.monotonic += denial.retry_after_s
    assert isinstance(await gate.ask(gate.asking(issued)), Granted)


async def test_guesses_of_one_network_of_ipv6_are_counted_together(gate: ApiGate, issued: IssuedApiCredential) -> None:
    for number in range(GUESSES_AT_ONCE):
        asked = gate.asking(issued, secret=another_secret(issued.secret), call={"address": f"2001:db8::{number:x}"})
        assert await gate.denied(asked) is Fault.SECRET

    assert await gate.denied(gate.asking(issued, call={"address": "2001:db8::ffff"})) is Fault.GUESSES
    assert isinstance(await gate.ask(gate.asking(issued, call={"address": "2001:db8:1::1"})), Granted)


async def test_guesses_for_nobody_are_counted_as_for_anybody(gate: ApiGate, issued: IssuedApiCredential) -> None:
    asked = gate.asking(issued, client_id="n" * 48)
    for _ in range(GUESSES_AT_ONCE):
        assert await gate.denied(asked) is Fault.UNKNOWN_CLIENT

    assert await gate.denied(asked) is Fault.GUESSES


async def test_a_mistyped_secret_is_no_guess_and_looks_nothing_up(gate: ApiGate, issued: IssuedApiCredential) -> None:
    for _ in range(3 * GUESSES_AT_ONCE):
        assert await gate.denied(gate.asking(issued, secret=issued.secret[:-6] + "000000")) is Fault.SECRET_FORM

    assert len(gate.clients) == 0
    assert isinstance(await gate.ask(gate.asking(issued)), Granted)


@pytest.mark.parametrize("client_id", ["n" * 65, "n" * 20_000, "a\0b", "a b", "\u00fc"], ids=ascii)
async def test_what_is_no_client_id_is_unknown_and_looks_nothing_up(
    gate: ApiGate, issued: IssuedApiCredential, monkeypatch: pytest.MonkeyPatch, client_id: str
) -> None:
    """Whoever can make up secrets of the right form would fill the memory with what they call their ids."""
    looked_up: list[Name] = []
    monkeypatch.setattr(gate.clients, "peek", looked_up.append)

    for content_type in (FORM, JSON):
        asked = gate.asking(issued, content_type=content_type, client_id=client_id)
        assert await gate.denied(asked) is Fault.UNKNOWN_CLIENT
    assert looked_up == []


# ----------------------------------------------------------------------------------------------------------- strangers


async def test_whoever_makes_up_client_ids_is_stopped_before_the_database_is_asked(
    gate: ApiGate, issued: IssuedApiCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up, peek = [], gate.clients.peek
    monkeypatch.setattr(gate.clients, "peek", lambda name: looked_up.append(name) or peek(name))

    faults = Counter([await gate.denied(_stranger(gate, issued)) for _ in range(2 * STRANGERS_AT_ONCE)])

    assert faults == {Fault.UNKNOWN_CLIENT: STRANGERS_AT_ONCE, Fault.GUESSES: STRANGERS_AT_ONCE}
    assert len(looked_up) == STRANGERS_AT_ONCE
    gate.monotonic += 1.0
    assert await gate.denied(_stranger(gate, issued)) is Fault.UNKNOWN_CLIENT


async def test_ids_that_were_made_here_are_looked_up_among_all_that_are_made_up(
    gate: ApiGate, issued: IssuedApiCredential
) -> None:
    await _exhaust(gate, issued)

    assert isinstance(await gate.ask(gate.asking(issued)), Granted), "from the same network, and not in memory before"


async def test_an_id_of_another_making_is_good_where_nobody_makes_ids_up(
    gate: ApiGate, issued: IssuedApiCredential
) -> None:
    """One that was adopted from elsewhere, or made before ids were marked."""
    adopted = _adopt(gate, issued)
    await _exhaust(gate, issued)

    assert await gate.denied(gate.asking(issued, client_id=adopted)) is Fault.GUESSES
    asked = gate.asking(issued, client_id=adopted, call={"address": "192.0.2.8"})
    assert isinstance(await gate.ask(asked), Granted)
    assert isinstance(await gate.ask(gate.asking(issued, client_id=adopted)), Granted), "remembered: nothing to look up"


async def test_where_ids_are_made_up_nobody_learns_which_of_another_making_there_are(
    gate: ApiGate, issued: IssuedApiCredential
) -> None:
    adopted = _adopt(gate, issued)
    assert isinstance(await gate.ask(gate.asking(issued, client_id=adopted)), Granted)
    await _exhaust(gate, issued)

    wrong = gate.asking(issued, client_id=adopted, secret=another_secret(issued.secret))

    assert await gate.denied(wrong) is Fault.GUESSES is await gate.denied(_stranger(gate, issued))


async def test_callers_of_ipv4_are_told_apart_behind_a_socket_of_ipv6(
    gate: ApiGate, issued: IssuedApiCredential
) -> None:
    await _exhaust(gate, issued, address="::ffff:192.0.2.7")

    assert await gate.denied(_stranger(gate, issued, address="::ffff:192.0.2.8")) is Fault.UNKNOWN_CLIENT
    assert await gate.denied(_stranger(gate, issued, address="192.0.2.7")) is Fault.GUESSES


def _stranger(gate: ApiGate, issued: IssuedApiCredential, *, address: str = HERE) -> TokenCall:
    """Somebody with a client id that nobody has, and a secret that could be one."""
    return gate.asking(issued, client_id=secrets.token_urlsafe(36), call={"address": address})


async def _exhaust(gate: ApiGate, issued: IssuedApiCredential, *, address: str = HERE) -> None:
    while await gate.denied(_stranger(gate, issued, address=address)) is not Fault.GUESSES:
        pass


def _adopt(gate: ApiGate, issued: IssuedApiCredential) -> str:
    """Give a credential a client id that was not made here."""
    adopted = "adopted-" + "a" * 40
    with writing(gate.stage.platform.database.records) as connection:
        statement = update(credentials).where(credentials.c.id == issued.view.credential.id)
        connection.execute(statement.values(client_id=adopted))
    return adopted


async def test_a_new_credential_is_known_within_a_second_of_being_asked_for(gate: ApiGate) -> None:
    """Nobody can ask for a client id before it is made: what is remembered as unknown was never given out."""
    issued = await gate.create(gate.catalog.reads_profiles)

    assert isinstance(await gate.ask(gate.asking(issued)), Granted)


def _routes(permission: str) -> tuple[RouteRule, ...]:
    return (RouteRule("GET", "/v1/things", permission),)

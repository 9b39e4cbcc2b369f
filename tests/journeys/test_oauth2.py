"""OAuth 2.0 end to end: programs that exist get a token over TLS, call an API with it, and lose both at once."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import update
from tests.installation import SANDBOX
from tests.journeys.oauth2_street import CLIENTS_PYTHON, SCOPES, Partner, Street, now, open_street
from tests.servers import PostgreSQLServer

from credenza.actions import resource_servers, token_keys, upgrades
from credenza.cli import local
from credenza.cli.main import main
from credenza.client.auth import OAuth1Auth
from credenza.client.errors import TokenRefused
from credenza.domain.model import PLATFORM, EnvironmentName, ProjectType
from credenza.domain.token_keys import ROTATION
from credenza.protocol import access_token, client_assertion
from credenza.protocol.jose import PrivateKey
from credenza.store import changes, schema
from credenza.store import token_keys as store
from credenza.store.changes import ChangeKind
from credenza.store.engine import writing

needs_library = pytest.mark.skipif(
    not CLIENTS_PYTHON.exists(),
    reason="the client libraries need Python 3.11 or 3.12 (make setup says which was found)",
)
READ = "parcels:read"


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL, nonce required"])
def street(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQLServer
) -> Iterator[Street]:
    changed = (
        {} if request.param == "SQLite" else {"database_url": postgresql.create_database(), "require_dpop_nonce": True}
    )
    with open_street(tmp_path_factory.mktemp("street"), **changed) as street:
        yield street


@needs_library
@pytest.mark.parametrize("one_key", [False, True], ids=["a key of its own for DPoP", "one key for both"])
@pytest.mark.parametrize("through", ["requests", "httpx"])
@pytest.mark.parametrize("new_key", [rsa_key, ec_key], ids=["RSA", "EC"])
def test_mastercards_own_client_gets_one_token_and_calls_with_it(
    street: Street, new_key: Callable[[], PrivateKey], through: str, one_key: bool
) -> None:
    with street.library(street.partner(new_key()), scopes=sorted(SCOPES), through=through, one_key=one_key) as library:
        answers = [library.call(f"{street.parcel}?page=2", method) for method in ("GET", "POST", "GET")]

    assert [answer.get("status") for answer in answers] == [200, 200, 200], answers
    assert [token["scopes"] for token in answers[-1]["tokens"]] == [sorted(SCOPES)]


@needs_library
def test_mastercards_own_client_asks_for_no_scope_and_gets_all(street: Street) -> None:
    with street.library(street.partner(ec_key())) as library:
        answers = [library.call(street.parcel) for _ in range(2)]

    assert [answer.get("status") for answer in answers] == [200, 200], answers
    assert len(answers[-1]["tokens"]) == 1


@pytest.mark.parametrize("one_key", [False, True], ids=["a key of its own for DPoP", "one key for both"])
@pytest.mark.parametrize("new_key", [rsa_key, ec_key], ids=["RSA", "EC"])
def test_openid_client_of_npm_finds_the_issuer_gets_one_token_and_calls_with_it(
    street: Street, new_key: Callable[[], PrivateKey], one_key: bool
) -> None:
    algorithm = "PS256" if new_key is rsa_key else "ES256"
    asked = sorted(SCOPES, reverse=True)
    with street.openid_client(street.partner(new_key()), scopes=asked, algorithm=algorithm, one_key=one_key) as library:
        answers = [library.call(f"{street.parcel}?page=2", method) for method in ("GET", "POST", "GET")]

    assert [answer.get("status") for answer in answers] == [200, 200, 200], answers
    (token,) = answers[-1]["tokens"]
    assert (token["type"].lower(), token["expiresIn"]) == ("dpop", 900)
    assert sorted(token["scope"].split(" ")) == sorted(SCOPES)


@pytest.mark.parametrize("ahead_s", [10, -10])
def test_a_client_whose_clock_is_10_seconds_off_is_served(street: Street, ahead_s: int) -> None:
    with street.openid_client(street.partner(ec_key()), ahead_s=ahead_s) as library:
        assert library.call(street.parcel).get("status") == 200


@pytest.mark.parametrize("ahead_s", [61, 3600, -300], ids=["61 s ahead", "1 h ahead", "ended"])
def test_a_client_whose_clock_is_61_seconds_ahead_or_whose_assertion_has_ended_gets_no_token(
    street: Street, ahead_s: int
) -> None:
    with street.openid_client(street.partner(ec_key()), ahead_s=ahead_s) as library:
        answer = library.call(street.parcel)

    assert (answer["status"], answer["tokens"]) == (401, [])
    assert "invalid_client" in answer["error"]


def test_openid_client_of_npm_reads_why_it_gets_no_token_and_why_a_token_is_refused(street: Street) -> None:
    partner = street.partner(ec_key())
    with street.openid_client(partner, scopes=[READ, "letters:read"]) as library:
        beyond = library.call(street.parcel)
    with street.openid_client(partner, scopes=[READ]) as library:
        before = library.call(street.parcel)
        street.revoke(partner)
        after = library.call(street.parcel)

    assert "invalid_scope" in beyond["error"]
    assert (before["status"], after["status"]) == (200, 401), after
    assert "invalid_token" in after["error"]


@needs_library
def test_a_token_stops_with_the_very_next_call_after_its_key_was_revoked(street: Street) -> None:
    partner = street.partner(ec_key())
    with street.library(partner, scopes=[READ]) as library:
        before = library.call(street.parcel)
        street.revoke(partner)
        after = library.call(street.parcel)

    assert (before["status"], after["status"]) == (200, 401)
    assert (
        'error="invalid_token"' in {name.lower(): value for name, value in after["headers"].items()}["www-authenticate"]
    )


@pytest.mark.parametrize("new_key", [rsa_key, ec_key], ids=["RSA", "EC"])
def test_our_own_client_gets_a_token_and_calls(street: Street, new_key: Callable[[], PrivateKey]) -> None:
    partner = street.partner(new_key())
    with street.sdk(partner, scopes=[READ], dpop_key=partner.private_key) as http:
        answers = [http.get(street.parcel), http.post(street.parcel, json={"weight": 3})]

    assert [each.status_code for each in answers] == [200, 200]
    told = dict(answers[0].json()["headers"])
    assert told["x-credenza-client-id"] == partner.client_id
    assert "authorization" not in told


def test_a_scope_that_is_not_granted_is_refused_and_nothing_narrowed(street: Street) -> None:
    partner = street.partner(ec_key())
    with street.sdk(partner, scopes=[READ, "letters:read"]) as http, pytest.raises(TokenRefused) as caught:
        http.get(street.parcel)

    assert caught.value.error == "invalid_scope"


def test_a_project_that_is_upgraded_calls_both_ways_with_the_key_it_has(street: Street) -> None:
    partner = street.partner(rsa_key(), ProjectType.OAUTH10A)
    assert isinstance(partner.private_key, rsa.RSAPrivateKey)
    oauth1 = OAuth1Auth(partner.consumer_key, partner.private_key)
    with street.sdk(partner) as http, pytest.raises(TokenRefused):
        http.get(street.parcel)

    made = street.installation
    upgrades.upgrade_to_oauth2(made.platform, made.actor, partner.project.id, now=now())

    with street.sdk(partner) as new, street.client(oauth1) as old:
        statuses = [http.get(street.parcel).status_code for http in (new, old, new, old)]
    assert statuses == [200, 200, 200, 200]


# ------------------------------------------------------------------------------------------- introspection, revocation


def asking(street: Street, environment: EnvironmentName = SANDBOX) -> httpx.BasicAuth:
    """A resource server of an environment."""
    platform = street.installation.platform
    added = resource_servers.add(
        platform, local.OPERATOR, environment=environment, name=f"ledger {secrets.token_hex(4)}", now=now()
    )
    auth = httpx.BasicAuth(added.server.id, added.secret)
    # On PostgreSQL a gate hears of it a moment later; only taking rights away is waited for.
    while environment is SANDBOX and introspect(street, auth, "unknown").status_code == 401:
        time.sleep(0.02)
    return auth


def introspect(street: Street, auth: httpx.Auth | None, token: str) -> httpx.Response:
    with street.client(auth) as http:
        return http.post(f"{street.server.origin}/oauth/introspect", data={"token": token})


def revoke(street: Street, partner: Partner, token: str) -> httpx.Response:
    form = {
        "token": token,
        "token_type_hint": "access_token",
        "client_assertion_type": client_assertion.ASSERTION_TYPE,
        "client_assertion": client_assertion.write(
            client_id=partner.client_id,
            kid=partner.key_id,
            issuer=street.server.origin,
            key=partner.private_key,
            jti=secrets.token_urlsafe(),
            now=now(),
        ),
    }
    with street.client() as http:
        return http.post(f"{street.server.origin}/oauth/revoke", data=form)


def test_a_resource_server_learns_what_a_token_is_good_for_and_when_it_is_no_more(street: Street) -> None:
    partner, auth = street.partner(ec_key()), asking(street)
    with street.client() as http:
        token = street.auth(partner, scopes=[READ]).get_token(http).access_token

    before = introspect(street, auth, token)
    street.revoke(partner)
    after = introspect(street, auth, token)

    told = before.json()
    assert (told["active"], told["client_id"], told["scope"], told["token_type"]) == (
        True, partner.client_id, READ, "DPoP",
    )  # fmt: skip
    assert set(told["cnf"]) == {"jkt"}
    assert (after.status_code, after.content) == (200, b'{"active":false}')
    assert after.headers["cache-control"] == "no-store"


def test_who_is_no_resource_server_of_the_environment_learns_nothing(street: Street) -> None:
    right, of_production = asking(street), asking(street, EnvironmentName.PRODUCTION)

    assert introspect(street, right, "unknown").content == b'{"active":false}'
    for auth in (None, of_production, httpx.BasicAuth("x", "y")):
        answer = introspect(street, auth, "unknown")
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic ")


def test_a_client_revokes_its_token_and_the_next_call_with_it_is_refused(street: Street) -> None:
    partner, auth = street.partner(ec_key()), asking(street)
    with street.sdk(partner) as http:
        token = http.get(street.parcel).request.headers["authorization"].partition(" ")[2]
        answer = revoke(street, partner, token)
        # A client whose token has died gets another one, once, before its caller hears of it.
        next_token = http.get(street.parcel).request.headers["authorization"].partition(" ")[2]

    assert answer.status_code == 200, answer.text
    assert introspect(street, auth, token).content == b'{"active":false}'
    assert next_token != token
    assert revoke(street, partner, token).status_code == 200


def test_nobody_revokes_the_token_of_another_client(street: Street) -> None:
    partner, other, auth = street.partner(ec_key()), street.partner(ec_key()), asking(street)
    with street.client() as http:
        token = street.auth(partner).get_token(http).access_token

    answer = revoke(street, other, token)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert introspect(street, auth, token).json()["active"] is True
    assert revoke(street, other, "unknown").status_code == 200


def test_the_metadata_name_where_to_ask_and_to_revoke(street: Street) -> None:
    with street.client() as http:
        told = http.get(f"{street.server.origin}/.well-known/oauth-authorization-server").json()

    assert told["introspection_endpoint"] == f"{street.server.origin}/oauth/introspect"
    assert told["revocation_endpoint"] == f"{street.server.origin}/oauth/revoke"


# -------------------------------------------------------------------------------------------------------- command line


def test_the_command_line_gets_a_token_and_calls(
    street: Street, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    partner, key = street.partner(ec_key()), tmp_path / "key.pem"
    key.write_text(partner.pem)
    of = ["--consumer-key", partner.consumer_key, "--key", str(key), "--ca", str(street.authority)]

    got = main(["token", "get", "--issuer", street.server.origin, "--scope", READ, *of])
    token = capfdbinary.readouterr().out.decode().strip()
    called = main(["call", "GET", street.parcel, "--auth", "oauth2", *of])

    assert (got, called) == (0, 0)
    assert introspect(street, asking(street), token).json()["scope"] == READ
    assert json.loads(capfdbinary.readouterr().out)["target"] == "/parcels/7"


# ------------------------------------------------------------------------------------------------ keys that sign tokens


def let_keys_be_older(street: Street, by: timedelta) -> None:
    """As if the installation had been made so much earlier."""
    ends = ("published_at", "signs_from", "signs_until", "published_until")
    with writing(street.installation.platform.database.records) as connection:
        for key in store.list_all(connection):
            times = {name: at - by for name in ends if (at := getattr(key, name)) is not None}
            connection.execute(update(schema.token_keys).where(schema.token_keys.c.kid == key.kid).values(times))
            changes.record(connection, PLATFORM, ChangeKind.ISSUER, key.kid)


def test_a_signing_key_gives_way_to_its_successor_while_requests_flow(tmp_path: Path, postgresql_url: str) -> None:
    with open_street(tmp_path, database_url=postgresql_url) as street:
        partner = street.partner(ec_key())
        signed_by: list[str] = []
        with street.client() as http:
            while len(set(signed_by)) < 2 or signed_by.count(signed_by[-1]) < 20:
                published = {each["kid"] for each in http.get(f"{street.server.origin}/oauth/jwks").json()["keys"]}
                with street.sdk(partner) as calling:
                    answer = calling.get(street.parcel)
                token, _ = access_token.parse(answer.request.headers["authorization"].partition(" ")[2])
                assert (answer.status_code, token.header.kid in published) == (200, True)
                signed_by.append(token.header.kid or "")
                if len(signed_by) == 1:
                    let_keys_be_older(street, ROTATION - timedelta(seconds=1))
                if len(signed_by) % 10 == 0:
                    token_keys.rotate_due(street.installation.platform, now=now())

    assert len(set(signed_by)) == 2

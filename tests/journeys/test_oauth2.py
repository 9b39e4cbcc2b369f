"""OAuth 2.0 end to end: programs that exist get a token over TLS, call an API with it, and lose both at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.journeys.oauth2_street import CLIENTS_PYTHON, SCOPES, Street, now, open_street
from tests.servers import PostgreSQLServer

from credenza.actions import upgrades
from credenza.client.auth import OAuth1Auth
from credenza.client.errors import TokenRefused
from credenza.domain.model import ProjectType
from credenza.protocol.jose import PrivateKey

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

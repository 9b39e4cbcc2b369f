"""API credentials end to end: programs that exist fetch tokens with a client secret over TLS and call the three APIs of
the demo with them, until somebody switches the credential off."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.forked import ForkedServer
from tests.gate.street import Upstream, served
from tests.installation import Installation, furnish, settings, upgrade
from tests.journeys.oauth2_street import CLIENTS_PYTHON, PATIENCE_S, now
from tests.servers import PostgreSQLServer, find_program

from credenza.actions import accounts, api_credentials, services, workspaces
from credenza.actions.api_credentials import IssuedApiCredential, NewApiCredential
from credenza.cli import demo_catalog, demo_tls, local
from credenza.client.auth import ClientSecretAuth
from credenza.client.errors import TokenRefused
from credenza.client.middleware import CredenzaMiddleware
from credenza.client.oauth2 import Token
from credenza.domain.api_credentials import ApiGrant, OldSecret
from credenza.domain.catalog import CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.model import AuthenticationType, EnvironmentName, ServiceEnvironment

needs_library = pytest.mark.skipif(
    not CLIENTS_PYTHON.exists(),
    reason="the client libraries need Python 3.11 or 3.12 (make setup says which was found)",
)


@dataclass(frozen=True, slots=True)
class Street:
    server: ForkedServer
    made: Installation
    upstream: Upstream
    authority: Path
    eu: str
    us: str
    account: str

    @property
    def token_url(self) -> str:
        return f"{self.server.origin}/sso/oauth/token"

    def issue(self) -> IssuedApiCredential:
        """A credential that reads profiles in one workspace, sees accounts, and writes plans in one workspace."""
        place = (self.made.platform, self.made.actor, self.made.organization_id)
        offers = {each.name: each for each in api_credentials.list_choices(*place, now=now()).offers}
        eu = frozenset({self.eu})
        grants = (
            ApiGrant(offers["Profile API"].service_id, frozenset({"read"}), eu),
            ApiGrant(offers["Platform API"].service_id, frozenset({"user"})),
            ApiGrant(offers["Data Planning API"].service_id, frozenset({"write"}), eu),
        )
        new = NewApiCredential(f"Analytics {os.urandom(4).hex()}", EnvironmentName.SANDBOX, grants)
        return api_credentials.create(*place, new, now=now())

    @property
    def calls(self) -> list[tuple[str, str, int]]:
        """What the credential calls, and what it is answered."""
        return [
            ("GET", f"/profile/v1/workspaces/{self.eu}/profiles", 200),
            ("GET", f"/profile/v1/workspaces/{self.us}/profiles", 403),
            ("GET", "/profile/v1/workspaces/00000000-0000-4000-8000-000000000000/profiles", 404),
            ("GET", f"/platform/v1/accounts/{self.account}", 200),
            ("GET", f"/platform/v1/accounts/{self.account}/settings", 403),
            ("POST", f"/planning/v1/workspaces/{self.eu}/plans", 200),
            ("GET", f"/planning/v1/workspaces/{self.eu}/plans", 403),
            ("GET", "/planning/v2", 403),
        ]

    def client(self) -> httpx.Client:
        return httpx.Client(
            verify=ssl.create_default_context(cafile=self.authority), timeout=PATIENCE_S, trust_env=False
        )


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def street(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQLServer
) -> Iterator[Street]:
    directory = tmp_path_factory.mktemp("secrets")
    changed = {} if request.param == "SQLite" else {"database_url": postgresql.create_database()}
    tls = demo_tls.make(directory, now=now())
    chosen = settings(directory, tls_certificate=tls.certificate, tls_private_key=tls.private_key, **changed)
    if chosen.database_url:
        upgrade(chosen.database_url)
    upstream = Upstream()
    with (
        served(upstream) as port,
        ForkedServer(chosen) as server,
        furnish(chosen, upstream=f"http://127.0.0.1:{port}") as made,
    ):
        demo_catalog.seed(made.platform, upstream=f"http://127.0.0.1:{port}", now=now())
        place = (made.platform, made.actor, made.organization_id)
        account = accounts.create(*place, name="Stores", now=now())
        eu, us = (workspaces.create(*place, account_id=account.id, name=name, now=now()) for name in ("EU", "US"))
        yield Street(server, made, upstream, tls.authority, eu.id, us.id, account.id)


def run(street: Street, issued: IssuedApiCredential, library: str, form: str) -> dict[str, Any]:
    who = {
        "library": library,
        "form": form,
        "client_id": issued.view.credential.client_id,
        "secret": issued.secret,
        "token_url": street.token_url,
        "audience": street.server.origin,
        "authority": str(street.authority),
        "calls": [(method, f"{street.server.origin}{path}") for method, path, _ in street.calls],
    }
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_CA_BUNDLE")}
    done = subprocess.run(
        [str(CLIENTS_PYTHON), str(Path(__file__).with_name("secret_program.py"))],
        input=json.dumps(who) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@needs_library
@pytest.mark.parametrize("form", ["basic", "post"])
@pytest.mark.parametrize("library", ["requests-oauthlib", "authlib"])
def test_libraries_get_a_token_in_each_form_and_call_what_was_ticked(street: Street, library: str, form: str) -> None:
    told = run(street, street.issue(), library, form)

    assert (told["token"]["token_type"], told["token"]["expires_in"]) == ("Bearer", 3600)
    assert [each["status"] for each in told["answers"]] == [expected for *_, expected in street.calls]
    assert told["answers"][0]["headers"]["x-ratelimit-limit"] == "600"


def test_curl_gets_a_token_with_json_and_calls_until_it_is_switched_off(street: Street) -> None:
    issued = street.issue()
    body = {
        "client_id": issued.view.credential.client_id,
        "client_secret": issued.secret,
        "audience": street.server.origin,
        "grant_type": "client_credentials",
    }
    told = json.loads(_curl(street, street.token_url, "--json", json.dumps(body)))
    assert sorted(told) == ["access_token", "expires_in", "token_type"]
    bearer = ("-H", f"Authorization: Bearer {told['access_token']}", "-o", "/dev/null", "-w", "%{http_code}")
    url = f"{street.server.origin}{street.calls[0][1]}"

    assert _curl(street, url, *bearer) == "200"
    received = dict(map(tuple, street.upstream.seen[-1]["headers"]))
    assert received["x-credenza-workspace-id"] == street.eu
    assert received["x-credenza-permission"] == "read"
    assert "authorization" not in received
    place = (street.made.platform, street.made.actor, street.made.organization_id, issued.view.credential.id)
    api_credentials.deactivate(*place, now=now())
    assert _curl(street, url, *bearer) == "401"
    assert json.loads(_curl(street, street.token_url, "--json", json.dumps(body)))["error"] == "invalid_client"


class Counted(dict[Any, Token]):
    """A memory of tokens that counts those it was given."""

    given = 0

    def __setitem__(self, place: Any, token: Token) -> None:
        self.given += 1
        super().__setitem__(place, token)


def test_the_sdk_fetches_one_token_for_all_calls_and_another_when_its_secret_was_replaced(street: Street) -> None:
    issued, tokens = street.issue(), Counted()
    issuer, client_id = f"{street.server.origin}/sso", issued.view.credential.client_id
    url = f"{street.server.origin}{street.calls[0][1]}"
    with street.client() as client, ThreadPoolExecutor(8) as threads:
        client.auth = ClientSecretAuth(issuer, client_id, issued.secret, audience=street.server.origin, tokens=tokens)
        statuses = list(threads.map(lambda _: client.get(url).status_code, range(16)))
        assert (statuses, tokens.given) == ([200] * 16, 1)
        assert issued.secret not in repr(client.auth)

        place = (street.made.platform, street.made.actor, street.made.organization_id, issued.view.credential.id)
        second = api_credentials.issue_secret(*place, keep_old=OldSecret.UNTIL_DELETED, now=now()).issued
        client.auth = ClientSecretAuth(issuer, client_id, second.secret, tokens=tokens)
        assert client.get(url).status_code == 200
        api_credentials.deactivate(*place, now=now())
        with pytest.raises(TokenRefused, match="invalid_client"):
            client.get(url)
        api_credentials.activate(*place, now=now())
        assert client.get(url).status_code == 200


# ------------------------------------------------------------------------------------------------ behind the middleware


@dataclass(frozen=True, slots=True)
class Shop:
    """A Python API that asks the gate about every call itself (docs/guide/gate.md), and what has reached it."""

    url: str
    reached: Upstream


@pytest.fixture
def shop(street: Street) -> Iterator[Shop]:
    reached = Upstream()
    gate = f"http://127.0.0.1:{street.server.decision_port}"
    middleware = CredenzaMiddleware(reached, gate=gate, environment="SANDBOX")
    with served(middleware, aclosing(middleware)) as port:
        yield Shop(f"http://127.0.0.1:{port}", reached)


def test_a_python_api_behind_the_middleware_admits_and_refuses_as_the_gateway_does(street: Street, shop: Shop) -> None:
    issued = street.issue()
    with street.client() as client:
        bearer = {"Authorization": f"Bearer {_token(street, client, issued)}"}
        for method, path, expected in street.calls:
            answers = [client.request(method, f"{at}{path}", headers=bearer) for at in (street.server.origin, shop.url)]
            assert [each.status_code for each in answers] == [expected] * 2
            if expected != 200:
                assert _told(answers[0]) == _told(answers[1])
        first = street.calls[0][1]
        for headers in ({}, {"Authorization": "Bearer a.b.c"}):
            answers = [client.get(f"{at}{first}", headers=headers) for at in (street.server.origin, shop.url)]
            assert [each.status_code for each in answers] == [401] * 2
            assert _told(answers[0]) == _told(answers[1])

        received = dict(map(tuple, shop.reached.seen[0]["headers"]))
        assert len(shop.reached.seen) == sum(expected == 200 for *_, expected in street.calls)
        assert (received["x-credenza-workspace-id"], received["x-credenza-permission"]) == (street.eu, "read")
        assert "authorization" not in received
        place = (street.made.platform, street.made.actor, street.made.organization_id, issued.view.credential.id)
        api_credentials.deactivate(*place, now=now())
        assert client.get(f"{shop.url}{first}", headers=bearer).status_code == 401


def test_a_limit_is_one_for_the_gateway_and_the_middleware(street: Street, shop: Shop) -> None:
    place = (street.made.platform, street.made.actor, street.made.organization_id)
    prefix = f"/limited-{os.urandom(4).hex()}"
    entry = CatalogEntry(
        scope_level=ScopeLevel.ORGANIZATION,
        scope_fixed=True,
        calls_per_minute=4,
        permissions=(Permission("read"),),
        routes=(RouteRule("GET", "/things", "read"),),
    )
    where = (ServiceEnvironment(EnvironmentName.SANDBOX, prefix, "http://127.0.0.1:9", 13, None),)
    new = services.NewService(f"Limited {prefix}", AuthenticationType.CLIENT_SECRET, "", where, entry=entry)
    limited = services.create(street.made.platform, local.OPERATOR, new, now=now())
    grant = ApiGrant(limited.id, frozenset({"read"}))
    issued = api_credentials.create(*place, NewApiCredential("Busy", EnvironmentName.SANDBOX, (grant,)), now=now())

    with street.client() as client:
        bearer = {"Authorization": f"Bearer {_token(street, client, issued)}"}
        deadline = time.monotonic() + 60
        while client.get(f"{shop.url}{prefix}/nothing", headers=bearer).status_code != 403:
            assert time.monotonic() < deadline, "the gate does not hear of the new API"
            time.sleep(0.02)
        admitted = [client.get(f"{shop.url}{prefix}/things", headers=bearer) for _ in range(3)]
        assert [each.status_code for each in admitted] == [200] * 3
        assert [each.headers["X-RateLimit-Remaining"] for each in admitted] == ["3", "2", "1"]
        client.get(f"{street.server.origin}{prefix}/things", headers=bearer)

        refused = client.get(f"{shop.url}{prefix}/things", headers=bearer)

    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 15
    assert _told(refused)[0] == "RATE_LIMIT_EXCEEDED"
    assert "4 calls a minute" in _told(refused)[1]


def _token(street: Street, client: httpx.Client, issued: IssuedApiCredential) -> str:
    pair = (issued.view.credential.client_id, issued.secret)
    answer = client.post(street.token_url, data={"grant_type": "client_credentials"}, auth=pair)
    return str(answer.json()["access_token"])


def _told(answer: httpx.Response) -> tuple[str, str, str | None]:
    """What a refusal says to people and programs."""
    (error,) = answer.json()["Errors"]["Error"]
    return error["ReasonCode"], error["Description"], answer.headers.get("WWW-Authenticate")


def test_the_fapi_issuer_takes_no_secret_and_names_none(street: Street) -> None:
    issued = street.issue()
    pair = {"client_id": issued.view.credential.client_id, "client_secret": issued.secret}
    with street.client() as client:
        well_known = f"{street.server.origin}/.well-known/oauth-authorization-server"
        fapi, compat = client.get(well_known).json(), client.get(f"{well_known}/sso").json()
        form = {"grant_type": "client_credentials", **pair}
        answers = [
            client.post(fapi["token_endpoint"], data=form),
            client.post(fapi["token_endpoint"], json=form),
            client.post(fapi["token_endpoint"], data={"grant_type": "client_credentials"}, auth=tuple(pair.values())),
        ]

        assert [each.status_code for each in answers] == [401, 400, 401]
        assert "client_secret_post" not in fapi["token_endpoint_auth_methods_supported"]
        assert compat["issuer"] == f"{street.server.origin}/sso"
        assert compat["token_endpoint"] == street.token_url
        assert compat["token_endpoint_auth_methods_supported"] == ["client_secret_basic", "client_secret_post"]
        kids = [{key["kid"] for key in client.get(each["jwks_uri"]).json()["keys"]} for each in (fapi, compat)]
        assert len(kids[1]) == 2
        assert kids[0].isdisjoint(kids[1])


def test_hostile_requests_over_http_are_answered_and_get_nothing(street: Street) -> None:
    issued = street.issue()
    pair = {"client_id": issued.view.credential.client_id, "client_secret": issued.secret}
    good = {"grant_type": "client_credentials", **pair}
    doubled = json.dumps(good)[:-1] + f', "client_id": "{"x" * 48}"}}'
    with street.client() as client:
        url = street.token_url
        answers = {
            "get": client.get(url),
            "query": client.post(f"{url}?client_secret=x", data=good),
            "doubled": client.post(url, content=doubled, headers={"Content-Type": "application/json"}),
            "twice": client.post(url, data=good, auth=tuple(pair.values())),
            "huge": client.post(url, content=b"a" * 100_000, headers={"Content-Type": "application/json"}),
            "type": client.post(url, content=json.dumps(good), headers={"Content-Type": "text/plain"}),
            "wrong": client.post(url, auth=(pair["client_id"], issued.secret[:-6] + "000000"), json={}),
        }

    assert {name: each.status_code for name, each in answers.items()} == {
        "get": 405,
        "query": 400,
        "doubled": 400,
        "twice": 400,
        "huge": 400,
        "type": 400,
        "wrong": 401,
    }
    assert answers["wrong"].headers["WWW-Authenticate"] == 'Basic realm="token"'
    assert all(issued.secret not in each.text for each in answers.values())


def _curl(street: Street, *arguments: str) -> str:
    command = [find_program("curl", "curl"), "-sS", "--cacert", str(street.authority), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout

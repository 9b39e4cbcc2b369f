"""OAuth 2.0 through the recipes of docs/guide, as they stand there: a token from the token server behind nginx or
Caddy, and calls with it that the proxy asks the gate about. `credenza serve` wants DPoP nonces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.forked import ForkedServer
from tests.gate.street import Upstream, served
from tests.gate.test_recipes import recipe
from tests.installation import SANDBOX, Installation, furnish, request_for, settings
from tests.journeys.oauth2_street import PATIENCE_S, Partner, now
from tests.servers import HOST, CaddyServer, NginxServer, Server, free_port

from credenza.actions import oauth_keys, projects, services
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewProject
from credenza.actions.services import NewService
from credenza.cli import local
from credenza.client.auth import PrivateKeyJwtAuth
from credenza.client.errors import TokenRefused
from credenza.client.keys import ClientKey, GivenKey
from credenza.domain.model import AuthenticationType, ProjectType, ServiceEnvironment

Make: TypeAlias = Callable[[dict[str, int]], Server]


def nginx(ports: dict[str, int]) -> Server:
    return NginxServer(recipe("nginx.md", "nginx", ports).replace("127.0.0.1:8081", "127.0.0.1:{port}"))


def caddy(ports: dict[str, int]) -> Server:
    return CaddyServer(recipe("caddy.md", "caddyfile", ports).replace(":8081", ":{port}", 1))


@dataclass
class Front:
    origin: str
    upstream: Upstream
    installation: Installation
    partner: Partner

    def sdk(self) -> httpx.Client:
        partner = self.partner
        key = GivenKey(ClientKey(partner.private_key, partner.key_id))
        auth = PrivateKeyJwtAuth(self.origin, partner.client_id, key, scopes=["parcels:read"])
        return httpx.Client(base_url=self.origin, auth=auth, timeout=PATIENCE_S, trust_env=False)

    def anybody(self) -> httpx.Client:
        return httpx.Client(base_url=self.origin, timeout=PATIENCE_S, trust_env=False)


@contextmanager
def opened(directory: Path, make: Make) -> Iterator[Front]:
    upstream, gate, decisions = Upstream(), free_port(), free_port()
    with served(upstream) as api:
        proxy = make({"127.0.0.1:8443": gate, "127.0.0.1:8082": decisions, "127.0.0.1:9000": api})
        origin, chosen = f"http://{HOST}:{proxy.port}", settings(directory, require_dpop_nonce=True)
        binds = {"sandbox_bind": f"{HOST}:{gate}", "decision_bind": f"{HOST}:{decisions}"}
        with ForkedServer(chosen, sandbox_origin=origin, **binds), furnish(chosen) as made, proxy:
            yield Front(origin, upstream, made, partner_of(made))


def partner_of(made: Installation) -> Partner:
    place = ServiceEnvironment(SANDBOX, "/parcels", "http://127.0.0.1:9", 13, None)
    new = NewService("Parcels", AuthenticationType.DUAL_OAUTH, "", (place,), frozenset({"parcels:read"}))
    parcels = services.create(made.platform, local.OPERATOR, new, now=now())
    private_key = ec.generate_private_key(ec.SECP256R1())
    key = NewKey("partner", request_for(private_key))
    project = NewProject(ProjectType.OAUTH2_FAPI, "Partner", "EU", parcels.id, SANDBOX, key)
    view = projects.create(made.platform, made.actor, made.organization_id, project, now=now())
    return Partner(view.project, view.credentials[0].client_id, view.credentials[0].id, private_key)


@pytest.fixture(scope="module", params=[nginx, caddy], ids=lambda make: make.__name__)
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with opened(tmp_path_factory.mktemp("front"), request.param) as front:
        yield front


def test_a_token_is_fetched_and_shown_through_the_proxy(front: Front) -> None:
    sent: list[str] = []
    with front.sdk() as http:
        http.event_hooks["request"].append(lambda each: sent.append(each.url.path))
        answers = [http.get("/parcels/7"), http.get("/parcels/8?full=yes")]

    received = dict(map(tuple, front.upstream.seen[-1]["headers"]))
    assert [each.status_code for each in answers] == [200, 200]
    assert all(each.headers["dpop-nonce"] for each in answers)
    assert (received["x-credenza-client-id"], received["x-credenza-key-id"]) == (
        front.partner.client_id,
        front.partner.key_id,
    )
    # The token server asks for a nonce once, and the gate takes the same: nobody is challenged again.
    assert sent == [
        "/.well-known/oauth-authorization-server",
        "/oauth/token",
        "/oauth/token",
        "/parcels/7",
        "/parcels/8",
    ]


def test_what_the_token_server_publishes_leads_back_to_the_proxy(front: Front) -> None:
    with front.anybody() as http:
        metadata = http.get("/.well-known/oauth-authorization-server").json()
        keys = http.get(metadata["jwks_uri"])

    places = [value for name, value in metadata.items() if name.endswith(("_endpoint", "_uri"))]
    assert metadata["issuer"] == front.origin
    assert len(places) == 4
    assert all(each.startswith(f"{front.origin}/oauth/") for each in places)
    assert keys.json()["keys"]


def test_the_token_servers_no_arrives_as_it_was_said(front: Front) -> None:
    with front.anybody() as http:
        answer = http.post("/oauth/token", data={"grant_type": "password"})

    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["correlation-id"]


@pytest.mark.parametrize("path", ["/oauth", "/oauth/../parcels/7", "/oauth/%2e%2e/parcels/7", "/oauthx/token"])
def test_no_spelling_of_the_token_servers_place_opens_the_api(front: Front, path: str) -> None:
    front.upstream.seen.clear()
    with front.anybody() as http:
        answer = http.send(http.build_request("GET", httpx.URL(front.origin).copy_with(raw_path=path.encode())))

    assert 400 <= answer.status_code < 500
    assert front.upstream.seen == []


def test_a_token_of_a_key_that_is_revoked_is_refused_at_the_proxy(front: Front) -> None:
    made, partner = front.installation, front.partner
    with front.sdk() as http:
        assert http.get("/parcels/7").status_code == 200
        front.upstream.seen.clear()
        oauth_keys.revoke(
            made.platform, made.actor, partner.project.id, partner.key_id, keep_last=False, reason="lost", now=now()
        )
        with pytest.raises(TokenRefused):  # the gate has refused the token, and the token server the next one
            http.get("/parcels/7")

    assert front.upstream.seen == []

"""The recipes of docs/guide, as they stand there: real nginx and Caddy in front of a real gate and a real upstream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from tests.actions.stage import Stage, know_the_timeline, new_platform
from tests.clock import Clock
from tests.gate.api_scene import PROFILES, entry, standing
from tests.gate.scene import AUTHORITY, ORDER, PRODUCTION, SANDBOX, Client, Scene, another_key, desk, furnished
from tests.gate.street import Response, Upstream, request, send_raw, served
from tests.gate.token_scene import ISSUER
from tests.gate.token_street import TARGET, TokenStreet
from tests.servers import CaddyServer, NginxServer, Server

from credenza.domain.api_credentials import ApiGrant
from credenza.domain.catalog import ScopeLevel
from credenza.gate.app import Origin
from credenza.gate.check import DecisionApp
from credenza.protocol import dpop
from credenza.store.engine import Database

GUIDE = Path(__file__).parents[2] / "docs" / "guide"

SPELLINGS = [
    "X-Credenza-Key-Id",
    "x-credenza-key-id",
    "X-CREDENZA-KEY-ID",
    "X_Credenza_Key_Id",
    "x_credenza_key_id",
    "X-Credenza_Key-Id",
    "X_Credenza-Key_Id",
    "X.Credenza.Key.Id",
    "X-Credenza-Client-Id",
    "X-Credenza-Project-Id",
    "X-Credenza-Organization-Id",
    "X-Credenza-Environment",
    "X-Credenza-Service-Id",
    "X-Credenza-Request-Id",
    "X-Credenza-Identity",
    "X-Credenza-Payload",
    "x_credenza_identity",
    "X-Credenza-Body",
    "X-Credenza-Claimed-Body-Hash",
    "X-Credenza-Permission",
    "X-Credenza-Account-Id",
    "x_credenza_workspace_id",
    "X-Credenza-Workspace-Id",
    "X_Credenza_Body",
]


def recipe(name: str, language: str, ports: dict[str, int]) -> str:
    """Take the one configuration out of a page of the guide, and put this test's ports into it."""
    text = (GUIDE / name).read_text()
    (config,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    for there, here in ports.items():
        assert there in config
        config = config.replace(there, there.rpartition(":")[0] + f":{here}")
    return config


def nginx(decisions: int, upstream: int) -> Server:
    ports = {"127.0.0.1:8082": decisions, "127.0.0.1:9000": upstream}
    return NginxServer(recipe("nginx.md", "nginx", ports).replace("127.0.0.1:8081", "127.0.0.1:{port}"))


def caddy(decisions: int, upstream: int) -> Server:
    ports = {"127.0.0.1:8082": decisions, "127.0.0.1:9000": upstream}
    return CaddyServer(recipe("caddy.md", "caddyfile", ports).replace(":8081", ":{port}", 1))


@dataclass
class Front:
    scene: Scene
    upstream: Upstream
    port: int

    def call(
        self,
        client: Client,
        method: str = "GET",
        target: str = "/orders/1",
        body: bytes | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Response:
        signed = ("Authorization", client.sign(method, f"https://{AUTHORITY}{target}", body or b""))
        return request(self.port, method, target, [signed, *headers], body)

    @property
    def received(self) -> dict[str, str]:
        return dict(map(tuple, self.upstream.seen[-1]["headers"]))


@contextmanager
def opened(directory: Path, make: type[Server]) -> Iterator[Front]:
    upstream = Upstream()
    origins = {each: Origin.parse(each, f"https://{AUTHORITY}") for each in (SANDBOX, PRODUCTION)}
    with (
        served(upstream) as upstream_port,
        furnished(directory) as scene,
        served(DecisionApp(origins, desk(scene))) as decisions,
        make(decisions, upstream_port) as server,
    ):
        yield Front(scene, upstream, server.port)


@pytest.fixture(scope="module", params=[nginx, caddy], ids=lambda make: make.__name__)
def common_front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with opened(tmp_path_factory.mktemp("front"), request.param) as front:
        yield front


@pytest.fixture
def front(common_front: Front) -> Front:
    common_front.upstream.seen.clear()
    return common_front


def test_an_admitted_call_reaches_the_api_with_who_calls_and_header_only(front: Front) -> None:
    client = front.scene.add_key()

    response = front.call(client, "POST", body=b"{}")

    assert response.status == 200
    assert front.received["x-credenza-key-id"] == client.key_id
    assert front.received["x-credenza-environment"] == "SANDBOX"
    assert front.received["x-credenza-body"] == "unchecked"
    assert front.received["x-credenza-claimed-body-hash"] == "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="
    assert "authorization" not in front.received
    assert response.json()["body"] == "{}"


@pytest.mark.parametrize("target", ["/orders/a%2fb;v=1?x=%7e&y=a:b", "/orders/1?a=b+c", "/orders/%C3%A9//x?a=1&a=2"])
def test_the_target_is_verified_and_passed_on_as_it_was_signed(front: Front, target: str) -> None:
    response = front.call(front.scene.add_key(), target=target)

    assert response.status == 200
    assert response.json()["target"] == target


@pytest.mark.parametrize("name", SPELLINGS)
def test_identity_headers_of_a_client_never_arrive(front: Front, name: str) -> None:
    response = front.call(front.scene.add_key(), headers=((name, "evil"), (name, "evil too"), ("X-Mine", "stays")))

    values = list(front.received.values())
    assert response.status == 200
    assert not [value for value in values if "evil" in value]
    assert "stays" in values


@pytest.mark.parametrize(
    "name",
    [
        "X-Original-URI",
        "X-Original-Method",
        "X_Original_URI",
        "X-Forwarded-Uri",
        "X-Forwarded-Method",
        "X-Original-Url",
    ],
)
def test_a_client_cannot_have_another_target_verified(front: Front, name: str) -> None:
    header = front.scene.add_key().sign("GET", ORDER)

    response = request(
        front.port, "GET", "/payments/1", [("Authorization", header), (name, "GET"), (name, "/orders/1")]
    )

    assert response.status == 403
    assert front.upstream.seen == []


@pytest.mark.parametrize(
    "name", ["X-Original-Content-Length", "X-Original-Transfer-Encoding", "Credenza-Gate-Secret", "X-Forwarded-For"]
)
def test_what_the_proxy_tells_the_gate_cannot_be_told_by_a_client(front: Front, name: str) -> None:
    client = front.scene.add_key()

    assert front.call(client, headers=((name, "7"),)).status == 200


def test_a_refusal_has_its_true_status_and_envelope(front: Front) -> None:
    response = request(front.port, "GET", "/orders/1")

    assert response.status == 400
    assert response.error == {
        "Source": "Gateway",
        "ReasonCode": "INVALID_AUTH_HEADER",
        "Description": "The Authorization header is missing.",
        "Recoverable": False,
        "Details": None,
    }
    assert len(response.header("credenza-refusal-id") or "") == 32
    assert (response.header("content-type") or "").startswith("application/json")
    assert response.header("cache-control") == "no-store"
    assert front.upstream.seen == []


def test_a_wrong_signature_is_403_with_the_base_string(front: Front) -> None:
    client = front.scene.add_key()

    response = front.call(Client(client.consumer_key, another_key()), target="/orders/1?a=%22b%5C&" + "c" * 3000)

    assert response.status == 403
    assert response.error["ReasonCode"] == "AUTHENTICATION_FAILED"
    assert "GET&https%3A%2F%2Fapi.example.com%2Forders%2F1&a%3D%2522b%255C" in response.error["Description"]


def test_a_call_that_is_not_allowed_is_401(front: Front) -> None:
    response = front.call(front.scene.add_key(), target="/payments/1")

    assert response.status == 401
    assert response.error["ReasonCode"] == "DECLINED"
    assert response.error["Description"] == "The project may not use Payments in SANDBOX."


def test_dot_segments_never_reach_the_api(front: Front) -> None:
    response = front.call(front.scene.add_key(), target="/orders/../payments/1")

    assert response.status == 400
    assert front.upstream.seen == []


def test_a_call_is_admitted_once(front: Front) -> None:
    headers = [("Authorization", front.scene.add_key().sign("GET", ORDER))]

    statuses = [request(front.port, "GET", "/orders/1", headers).status for _ in range(2)]

    assert statuses == [200, 403]


def test_two_authorization_headers_are_refused(front: Front) -> None:
    client = front.scene.add_key()

    response = front.call(client, headers=(("Authorization", client.sign("GET", ORDER)),))

    assert response.status == 400
    assert front.upstream.seen == []


@pytest.mark.parametrize("framing", ["Content-Length: 2", "Transfer-Encoding: chunked"])
def test_a_body_that_no_hash_covers_is_refused(front: Front, framing: str) -> None:
    header = front.scene.add_key().sign_form("POST", "/orders/1", b"")
    body = "{}" if "Length" in framing else "2\r\n{}\r\n0\r\n\r\n"

    response = send_raw(
        front.port, f"POST /orders/1 HTTP/1.1\r\nHost: a\r\nAuthorization: {header}\r\n{framing}\r\n\r\n{body}".encode()
    )

    assert response.status == 400
    assert response.error["ReasonCode"] == "INVALID_OAUTH_SBS"


@pytest.mark.parametrize("make", [nginx, caddy], ids=lambda make: make.__name__)
def test_a_closed_gate_is_503_and_so_is_one_that_is_gone(make: type[Server], tmp_path: Path) -> None:
    upstream = Upstream()
    origins = {SANDBOX: Origin.parse(SANDBOX, f"https://{AUTHORITY}")}
    with served(upstream) as upstream_port, furnished(tmp_path) as scene:
        client = scene.add_key()
        with served(DecisionApp(origins, desk(scene))) as decisions:
            server = make(decisions, upstream_port)
            with server:
                front = Front(scene, upstream, server.port)
                assert front.call(client).status == 200
                scene.reader.close()
                closed = front.call(client)
                gone = _after_the_gate_has_gone(make, upstream_port, scene, client)

    assert (closed.status, closed.error["ReasonCode"]) == (503, "SERVICE_UNAVAILABLE")
    assert (gone.status, gone.error["ReasonCode"]) == (503, "SERVICE_UNAVAILABLE")
    assert len(upstream.seen) == 1


def _after_the_gate_has_gone(make: type[Server], upstream_port: int, scene: Scene, client: Client) -> Response:
    with make(1, upstream_port) as server:
        return Front(scene, Upstream(), server.port).call(client)


# --------------------------------------------------------------------------------------------------- client secrets


@pytest.mark.anyio
@pytest.mark.parametrize("make", [nginx, caddy], ids=lambda make: make.__name__)
async def test_a_call_with_a_client_secret_has_its_true_status_limit_and_envelope(
    make: type[Server], sqlite_database: Database, clock: Clock
) -> None:
    know_the_timeline(sqlite_database.records)
    async with standing(Stage(new_platform(sqlite_database, now=clock.now()), clock)) as gate:
        service = await gate.offer(entry(ScopeLevel.WORKSPACE, *PROFILES, calls_per_minute=1), path="/shop")
        eu = gate.catalog.eu.id
        issued = await gate.create(ApiGrant(service.id, frozenset({"read"}), frozenset({eu})))
        bearer = [("Authorization", f"Bearer {await gate.token(issued)}")]
        places = (uuid4(), eu, eu)
        origins = {SANDBOX: Origin.parse(SANDBOX, f"https://{AUTHORITY}")}
        with (
            served(Upstream()) as upstream_port,
            served(DecisionApp(origins, gate.desk)) as decisions,
            make(decisions, upstream_port) as server,
        ):
            unknown, admitted, limited = (
                request(server.port, "GET", f"/shop/v1/workspaces/{each}/profiles/1", bearer) for each in places
            )

    assert (unknown.status, unknown.error["ReasonCode"], unknown.error["Recoverable"]) == (404, "NOT_FOUND", False)
    assert (admitted.status, admitted.header("x-ratelimit-remaining")) == (200, "0")
    assert (limited.status, limited.error["ReasonCode"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert limited.error["Recoverable"] is True
    assert limited.header("retry-after") == "60"
    assert limited.header("x-ratelimit-used-percent") == "100"


# -------------------------------------------------------------------------------------------------------- OAuth 2.0


@dataclass
class TokenFront:
    street: TokenStreet
    upstream: Upstream
    port: int


@pytest.fixture(scope="module", params=[nginx, caddy], ids=lambda make: make.__name__)
def token_front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenFront]:
    """A platform that wants nonces and hands on who calls, signed."""
    upstream = Upstream()
    with served(upstream) as upstream_port, furnished(tmp_path_factory.mktemp("front")) as scene:
        street = TokenStreet(scene)
        decider = street.desk_of(street.issuers, require_nonce=True)
        with (
            served(DecisionApp({SANDBOX: Origin.parse(SANDBOX, ISSUER)}, decider)) as decisions,
            request.param(decisions, upstream_port) as server,
        ):
            yield TokenFront(street, upstream, server.port)


def test_a_nonce_is_asked_for_in_the_words_that_clients_look_for(token_front: TokenFront) -> None:
    response = request(token_front.port, "GET", TARGET, token_front.street.oauth2())

    assert response.status == 401
    assert response.header("www-authenticate") == 'DPoP error="use_dpop_nonce", algs="PS256 ES256"'
    assert len(response.header("dpop-nonce") or "") > 16
    assert response.error["ReasonCode"] == "INVALID_TOKEN"


def test_a_token_with_the_nonce_is_admitted_and_ends_at_the_proxy(token_front: TokenFront) -> None:
    street = token_front.street
    nonce = request(token_front.port, "GET", TARGET, street.oauth2()).header("dpop-nonce")

    response = request(token_front.port, "GET", TARGET, street.oauth2(nonce=nonce))

    received = dict(map(tuple, token_front.upstream.seen[-1]["headers"]))
    assert response.status == 200
    assert street.check(received["x-credenza-identity"])["jti"] == received["x-credenza-request-id"]
    assert {"authorization", "dpop"}.isdisjoint(received)


def test_an_admitted_call_brings_the_nonce_of_the_next_one(token_front: TokenFront) -> None:
    street = token_front.street
    nonce = request(token_front.port, "GET", TARGET, street.oauth2()).header("dpop-nonce")

    answers = [request(token_front.port, "GET", TARGET, street.oauth2(nonce=nonce)) for _ in range(2)]

    assert [each.status for each in answers] == [200, 200]
    assert {each.header("dpop-nonce") for each in answers} == {nonce}


def test_an_admitted_call_of_oauth_1_brings_none(token_front: TokenFront) -> None:
    answer = request(token_front.port, "GET", TARGET, token_front.street.oauth1())

    assert answer.status == 200
    assert "dpop-nonce" not in dict(answer.headers)


def test_a_token_that_is_not_bound_to_the_caller_is_refused_with_its_challenge(token_front: TokenFront) -> None:
    ((_, credentials), *_) = token_front.street.oauth2()

    response = request(token_front.port, "GET", TARGET, [("Authorization", credentials.replace("DPoP", "Bearer"))])

    assert response.status == 401
    assert response.header("www-authenticate") == 'DPoP error="invalid_token", algs="PS256 ES256"'
    assert response.header("dpop-nonce") is None


def test_a_token_without_the_scope_is_403_with_its_challenge(token_front: TokenFront) -> None:
    street = token_front.street
    narrowed = street.granted(street.call(form={"scope": "orders:read"})).access_token
    nonce = request(token_front.port, "GET", TARGET, street.oauth2()).header("dpop-nonce")
    _, proof = street.oauth2(nonce=nonce, ath=dpop.access_token_hash(narrowed))

    response = request(token_front.port, "GET", TARGET, [("Authorization", f"DPoP {narrowed}"), proof])

    assert response.status == 403
    assert 'error="insufficient_scope"' in (response.header("www-authenticate") or "")

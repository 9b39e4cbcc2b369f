"""The ASGI middleware in front of FastAPI, asking a real gate: over HTTP and over a unix socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI, Request
from tests.gate import certificate_scene
from tests.gate.scene import AUTHORITY, ORDER, PRODUCTION, SANDBOX, Client, Scene, another_key, desk, furnished
from tests.gate.street import HOST, Response, request, send_raw, served, served_on
from tests.gate.test_mtls import desk as certificate_desk
from tests.servers import free_port

from credenza.client.middleware import ClaimedBodyMiddleware, CredenzaMiddleware
from credenza.gate.app import Origin
from credenza.gate.check import DecisionApp
from credenza.wire.decisions import Answer, Question

ORIGINS = {
    SANDBOX: Origin.parse(SANDBOX, f"https://{AUTHORITY}"),
    PRODUCTION: Origin.parse(PRODUCTION, "https://live.example.com"),
}


def application() -> FastAPI:
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def tell(asked: Request) -> dict[str, Any]:
        return {
            "identity": msgspec.to_builtins(asked.scope.get("credenza")),
            "headers": dict(asked.headers),
            "body": (await asked.body()).decode(),
        }

    return app


@dataclass
class Shop:
    scene: Scene
    port: int

    def call(
        self,
        client: Client,
        method: str = "GET",
        body: bytes | None = None,
        headers: list[tuple[str, str]] | None = None,
    ) -> Response:
        signed = ("Authorization", client.sign(method, ORDER, body or b""))
        return request(self.port, method, "/orders/1", [signed, *(headers or [])], body)


@contextmanager
def gate_over_http(scene: Scene, directory: Path) -> Iterator[str]:
    with served(DecisionApp(ORIGINS, desk(scene), secret="between us")) as port:
        yield f"http://{HOST}:{port}"


@contextmanager
def gate_over_unix_socket(scene: Scene, directory: Path) -> Iterator[str]:
    path = directory / "gate.socket"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        bound.listen()
        with served_on(bound, DecisionApp(ORIGINS, desk(scene), secret="between us")):
            yield f"unix:{path}"


@pytest.fixture(scope="module", params=[gate_over_http, gate_over_unix_socket], ids=["http", "unix"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("shop")
    with furnished(directory) as scene, request.param(scene, directory) as gate:
        app = CredenzaMiddleware(
            application(), gate=gate, environment="SANDBOX", secret="between us", body_limit_bytes=100_000
        )
        with served(app, aclosing(app)) as port:
            yield Shop(scene, port)


def test_an_admitted_call_reaches_the_application_with_who_calls(shop: Shop) -> None:
    client = shop.scene.add_key()

    response = shop.call(client, "POST", b'{"amount":1}')

    assert response.status == 200
    told = response.json()
    assert told["body"] == '{"amount":1}'
    assert told["identity"]["keyId"] == client.key_id
    assert told["identity"]["projectName"] == "Shop"
    assert told["headers"]["x-credenza-key-id"] == client.key_id
    assert told["headers"]["x-credenza-environment"] == "SANDBOX"
    assert len(told["headers"]["x-credenza-request-id"]) == 32
    assert "authorization" not in told["headers"]


def test_a_changed_body_never_reaches_the_application(shop: Shop) -> None:
    header = shop.scene.add_key().sign("POST", ORDER, b'{"amount":1}')

    response = request(shop.port, "POST", "/orders/1", [("Authorization", header)], b'{"amount":9}')

    assert response.status == 403
    assert response.error["ReasonCode"] == "AUTHENTICATION_FAILED"
    assert "body hash" in response.error["Description"] or "oauth_body_hash" in response.error["Description"]


def test_a_refusal_is_the_gates_own_answer(shop: Shop) -> None:
    response = shop.call(Client(shop.scene.add_key().consumer_key, another_key()))

    assert response.status == 403
    assert response.error["Source"] == "Gateway"
    assert len(response.header("credenza-refusal-id") or "") == 32
    assert response.header("www-authenticate") == "OAuth"
    assert response.header("cache-control") == "no-store"


def test_a_key_of_the_other_environment_is_declined(shop: Shop) -> None:
    assert shop.call(shop.scene.add_key(environment=PRODUCTION)).status == 401


def test_a_call_is_admitted_once(shop: Shop) -> None:
    headers = [("Authorization", shop.scene.add_key().sign("GET", ORDER))]

    assert request(shop.port, "GET", "/orders/1", headers).status == 200
    assert request(shop.port, "GET", "/orders/1", headers).status == 403


def test_a_form_without_body_hash_is_admitted_by_its_fields(shop: Shop) -> None:
    client = shop.scene.add_key()
    content_type = ("Content-Type", "application/x-www-form-urlencoded")
    signed = ("Authorization", client.sign_form("POST", "/orders/1", b"a=1"))

    assert request(shop.port, "POST", "/orders/1", [signed, content_type], b"a=2").status == 403
    assert request(shop.port, "POST", "/orders/1", [signed, content_type], b"a=1").status == 200


@pytest.mark.parametrize(
    "name", ["X-Credenza-Key-Id", "x_credenza_key_id", "X-CREDENZA_PROJECT-ID", "X.Credenza.Key.Id", "Credenza-Status"]
)
def test_what_a_client_says_in_the_gates_name_never_arrives(shop: Shop, name: str) -> None:
    response = shop.call(shop.scene.add_key(), headers=((name, "evil"),))

    assert response.status == 200
    assert "evil" not in response.json()["headers"].values()


def test_a_chunked_body_is_hashed_whole(shop: Shop) -> None:
    header = shop.scene.add_key().sign("POST", ORDER, b"abcdef")
    head = f"POST /orders/1 HTTP/1.1\r\nHost: a\r\nAuthorization: {header}\r\nTransfer-Encoding: chunked\r\n\r\n"

    response = send_raw(shop.port, head.encode() + b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")

    assert response.json()["body"] == "abcdef"


def test_a_body_above_the_limit_is_413(shop: Shop) -> None:
    response = shop.call(shop.scene.add_key(), "POST", b"x" * 100_001)

    assert response.status == 413
    assert response.error["ReasonCode"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.anyio
@pytest.mark.parametrize("gate", [f"http://{HOST}:{{port}}", "unix:/nonexistent/socket"], ids=["port", "socket"])
async def test_while_the_gate_cannot_be_asked_nobody_is_admitted(gate: str) -> None:
    gate = gate.format(port=free_port())
    app = CredenzaMiddleware(application(), gate=gate, environment="SANDBOX")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://api.example.com") as client:
        response = await client.get("/orders/1")
    await app.aclose()

    assert response.status_code == 503
    assert response.json()["Errors"]["Error"][0]["Recoverable"] is True


@pytest.mark.parametrize("secret", [None, "wrong"])
def test_without_the_gates_secret_nobody_is_admitted(tmp_path: Path, secret: str | None) -> None:
    with furnished(tmp_path) as scene, gate_over_http(scene, tmp_path) as gate:
        app = CredenzaMiddleware(application(), gate=gate, environment="SANDBOX", secret=secret)
        with served(app, aclosing(app)) as port:
            assert Shop(scene, port).call(scene.add_key()).status == 503


@pytest.mark.anyio
async def test_the_end_of_the_applications_lifespan_closes_the_connections_to_the_gate(tmp_path: Path) -> None:
    app = CredenzaMiddleware(application(), environment="SANDBOX")
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        assert message["type"].endswith(".complete")

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    with pytest.raises(RuntimeError, match="closed"):
        await app(_scope(), receive=_no_body, send=send)


async def _no_body() -> dict[str, Any]:
    return {"type": "http.request"}


def _scope() -> dict[str, Any]:
    path = {"method": "GET", "scheme": "http", "path": "/", "raw_path": b"/", "query_string": b""}
    return {"type": "http", "headers": [], "client": None, "root_path": "", "http_version": "1.1", **path}


@pytest.mark.anyio
async def test_a_websocket_is_closed() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    app = CredenzaMiddleware(application(), environment="SANDBOX")
    await app({"type": "websocket"}, receive, send)
    await app.aclose()

    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "Calls have to be signed."}]


def test_questions_and_answers_survive_the_wire() -> None:
    question = Question(
        method="POST",
        scheme="https",
        authority=AUTHORITY,
        path="/a%2Fb",
        query="x=%7e",
        authorization=("OAuth a",),
        body_sha256=sha256(b"").digest(),
        form=b"a=1",
    )
    answer = Answer("0" * 32, status=403, headers=(("WWW-Authenticate", "OAuth"),), body="{}")

    assert msgspec.json.decode(msgspec.json.encode(question), type=Question) == question
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer


# ---------------------------------------------------------------------------------------------- client certificates


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("extension", "headers", "status"),
    [
        pytest.param(["held"], (), 200, id="proven by the server"),
        pytest.param([], (), 422, id="none"),
        pytest.param([], ((b"client-cert", b"held"), (b"x-client-cert", b"held")), 422, id="in headers"),
    ],
)
async def test_a_certificate_counts_that_the_applications_own_server_has_proven(
    tmp_path: Path, extension: list[str], headers: tuple[tuple[bytes, bytes], ...], status: int
) -> None:
    with furnished(tmp_path) as scene:
        holder = certificate_scene.hold(scene, certificate_scene.leaf(certificate_scene.own(scene)))
        pem = holder.certificate.public_bytes(certificate_scene.Encoding.PEM).decode()
        scope = {
            **_scope(),
            "raw_path": b"/vault/1",
            "path": "/vault/1",
            "headers": [(b"host", AUTHORITY.encode()), *((name, holder.named.encode()) for name, _ in headers)],
            "extensions": {"tls": {"client_cert_chain": [pem for _ in extension], "client_cert_error": None}},
        }
        origins = {SANDBOX: Origin.parse(SANDBOX, f"https://{AUTHORITY}")}
        with served(DecisionApp(origins, certificate_desk(scene))) as port:
            app = CredenzaMiddleware(application(), gate=f"http://127.0.0.1:{port}", environment="SANDBOX")
            answered = await _call(app, scope)
            await app.aclose()

    assert answered["status"] == status


async def _call(app: CredenzaMiddleware, scope: dict[str, Any]) -> dict[str, Any]:
    """Call an application as a server does; the beginning of its answer."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, _no_body, send)
    return sent[0]


# ------------------------------------------------------------------------------------- behind a sub-request's verdict


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "claimed", "status"),
    [
        (b"{}", ["RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="], 200),
        (b"", [], 200),
        (b"", ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="], 200),
        (b"{ }", ["RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="], 403),
        (b"{}", [], 403),
        (b"{}", ["RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="] * 2, 403),
        (b"x" * 1001, [], 413),
    ],
    ids=["proven", "no body", "no body, hash of none", "changed", "no hash", "two hashes", "too large"],
)
async def test_the_body_is_checked_against_the_hash_that_the_sub_request_proved(
    body: bytes, claimed: list[str], status: int
) -> None:
    app = ClaimedBodyMiddleware(application(), body_limit_bytes=1000)
    headers = [("X-Credenza-Claimed-Body-Hash", value) for value in claimed]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://api.example.com") as client:
        response = await client.post("/orders/1", content=body, headers=headers)

    assert response.status_code == status


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("said", "status"), [(["unsigned"], 200), (["unchecked"], 403), (["unsigned", "unsigned"], 403)], ids=repr
)
async def test_a_body_that_no_signature_covers_is_taken_where_the_proxy_says_so(said: list[str], status: int) -> None:
    app = ClaimedBodyMiddleware(application())
    headers = [("X-Credenza-Body", value) for value in said]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://api.example.com") as client:
        response = await client.post("/orders/1", content=b"{}", headers=headers)

    assert response.status_code == status

"""The gate as a reverse proxy: real uvicorn, a real upstream behind it, real SQLite and LMDB below it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from tests.gate.scene import AUTHORITY, ORDER, PRODUCTION, SANDBOX, Client, Scene, another_key, desk, furnished
from tests.gate.street import Response, Upstream, request, send_raw, served

from credenza.gate.app import GateApp, Limits, Origin
from credenza.gate.desk import Desk
from credenza.gate.forward import Forwarder
from credenza.store import schema
from credenza.store.engine import reading


@dataclass
class Street:
    scene: Scene
    upstream: Upstream
    desk: Desk
    port: int

    def call(
        self, client: Client, method: str = "GET", target: str = "/orders/1", body: bytes | None = None, **more: Any
    ) -> Response:
        headers = [("Authorization", client.sign(method, f"https://{AUTHORITY}{target}", body or b""))]
        return request(self.port, method, target, [*headers, *more.pop("headers", [])], body, **more)


@contextmanager
def opened(directory: Path) -> Iterator[Street]:
    upstream = Upstream()
    with served(upstream) as upstream_port, furnished(directory, f"http://127.0.0.1:{upstream_port}") as scene:
        forwarder = Forwarder(timeout=timedelta(seconds=60))
        front = desk(scene)
        app = GateApp(
            Origin.parse(SANDBOX, f"https://{AUTHORITY}"),
            front,
            forwarder,
            limits=Limits(body_bytes=300_000, body_memory_bytes=100_000, body_deadline_s=2),
        )
        with served(app, forwarder) as port:
            yield Street(scene, upstream, front, port)


@pytest.fixture(scope="module")
def common_street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with opened(tmp_path_factory.mktemp("street")) as street:
        yield street


@pytest.fixture
def street(common_street: Street) -> Street:
    common_street.upstream.seen.clear()
    return common_street


@pytest.fixture
def own_street(tmp_path: Path) -> Iterator[Street]:
    """For tests that break something, or count."""
    with opened(tmp_path) as street:
        yield street


# --------------------------------------------------------------------------------------------------------- admitted


def test_an_admitted_call_reaches_its_upstream_with_who_calls(street: Street) -> None:
    client = street.scene.add_key()

    response = street.call(client, headers=[("User-Agent", "shop/1"), ("Accept", "application/json")])

    assert response.status == 200
    received = dict(map(tuple, response.json()["headers"]))
    assert received["x-credenza-key-id"] == client.key_id
    assert received["x-credenza-client-id"] == client.consumer_key.partition("!")[0]
    assert received["x-credenza-environment"] == "SANDBOX"
    assert received["x-credenza-service-id"] == "1"
    assert len(received["x-credenza-request-id"]) == 32
    assert received["x-forwarded-for"] == "127.0.0.1"
    assert received["x-forwarded-proto"] == "https"
    assert received["x-forwarded-host"] == AUTHORITY
    assert received["user-agent"] == "shop/1"
    assert received["accept"] == "application/json"
    assert "authorization" not in received


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"])
def test_every_method_goes_through(street: Street, method: str) -> None:
    response = street.call(street.scene.add_key(), method)

    assert response.status == 200
    assert street.upstream.seen[-1]["method"] == method


@pytest.mark.parametrize(
    "target", ["/orders/a%2fb;v=1//c?x=%7e&y=a:b&z", "/orders/%C3%A9?a=b?c", "/orders/a|b?q=[1]", "/orders/x?a=%20+&&b"]
)
def test_the_target_goes_through_byte_for_byte(street: Street, target: str) -> None:
    response = street.call(street.scene.add_key(), "GET", target)

    assert response.status == 200
    assert response.json()["target"] == target


@pytest.mark.parametrize("length", [0, 1000, 90_000, 150_000, 300_000])
def test_a_body_goes_through_whole_whether_in_memory_or_in_a_file(street: Street, length: int) -> None:
    body = bytes(range(32, 127)) * (length // 95 + 1)

    response = street.call(street.scene.add_key(), "POST", "/orders/1", body[:length])

    assert response.status == 200
    assert response.json()["body"].encode() == body[:length]
    assert ["content-length", str(length)] in response.json()["headers"]


@pytest.mark.parametrize("size", [10, 70_000])
def test_a_chunked_body_is_hashed_without_its_transfer_coding(street: Street, size: int) -> None:
    body = b"x" * size
    header = street.scene.add_key().sign("POST", ORDER, body)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    head = (
        f"POST /orders/1 HTTP/1.1\r\nHost: {AUTHORITY}\r\nAuthorization: {header}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    response = send_raw(street.port, head.encode() + chunks + b"0\r\n\r\n")

    assert response.status == 200
    assert response.json()["body"].encode() == body


def test_a_content_coding_is_hashed_and_passed_on_as_it_is(street: Street) -> None:
    body = b"\x1f\x8b not really gzip"

    response = street.call(street.scene.add_key(), "POST", "/orders/1", body, headers=[("Content-Encoding", "gzip")])

    assert response.json()["body"].encode("latin-1") == body
    assert ["content-encoding", "gzip"] in response.json()["headers"]


def test_a_client_that_expects_100_continue_is_told_to_go_on(street: Street) -> None:
    header = street.scene.add_key().sign("PUT", ORDER, b"abc")
    head = (
        f"PUT /orders/1 HTTP/1.1\r\nHost: {AUTHORITY}\r\nAuthorization: {header}\r\nContent-Length: 3\r\n"
        "Expect: 100-continue\r\n\r\n"
    )

    response = send_raw(street.port, head.encode(), body_later=b"abc")

    assert response.status == 200
    assert "expect" not in dict(map(tuple, response.json()["headers"]))


def test_a_long_body_of_a_caller_who_proves_nothing_is_refused_before_it_is_sent(street: Street) -> None:
    head = (
        f"PUT /orders/1 HTTP/1.1\r\nHost: {AUTHORITY}\r\nAuthorization: OAuth nonsense\r\nContent-Length: 200000\r\n"
        "Expect: 100-continue\r\n\r\n"
    )

    response = send_raw(street.port, head.encode(), body_later=b"x" * 200_000)

    assert response.status == 400
    assert response.header("connection") == "close"


def test_a_form_without_body_hash_goes_through(street: Street) -> None:
    client = street.scene.add_key()
    header = client.sign_form("POST", "/orders/1", b"a=1&b=2")

    headers = [("Authorization", header), ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]
    response = request(street.port, "POST", "/orders/1", headers, b"a=1&b=2")

    assert response.status == 200
    assert response.json()["body"] == "a=1&b=2"


# --------------------------------------------------------------------------------------------------------- answers


def test_the_answer_comes_back_with_its_status_and_headers_but_those_of_the_connection(street: Street) -> None:
    response = street.call(street.scene.add_key(), "GET", "/orders/status/418")

    assert response.status == 418
    assert response.header("x-from-upstream") == "yes"
    assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert response.header("x-hop") is None
    assert response.header("keep-alive") is None
    assert response.header("date")


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_content_stays_one(street: Street, status: int) -> None:
    response = street.call(street.scene.add_key(), "GET", f"/orders/status/{status}")

    assert response.status == status
    assert response.header("transfer-encoding") is None


def test_head_keeps_the_length_that_get_would_have(street: Street) -> None:
    response = street.call(street.scene.add_key(), "HEAD", "/orders/1")

    assert response.status == 200
    assert int(response.header("content-length") or 0) > 100


def test_a_redirect_is_the_clients_to_follow(street: Street) -> None:
    response = street.call(street.scene.add_key(), "GET", "/orders/redirect")

    assert response.status == 302
    assert response.header("location") == "/elsewhere"


def test_an_encoded_answer_is_not_decoded(street: Street) -> None:
    response = street.call(street.scene.add_key(), "GET", "/orders/gzip")

    assert response.header("content-encoding") == "gzip"
    assert response.body.startswith(b"{")


def test_a_streamed_answer_comes_whole(street: Street) -> None:
    assert street.call(street.scene.add_key(), "GET", "/orders/stream").body == b"one,two,three"


def test_an_answer_that_breaks_off_is_not_taken_for_whole(street: Street) -> None:
    response = street.call(street.scene.add_key(), "GET", "/orders/breaks")

    assert response.header("content-length") == "100"
    assert response.body == b"half"


def test_a_client_that_hangs_up_ends_the_upstreams_work(street: Street) -> None:
    header = street.scene.add_key().sign("GET", f"https://{AUTHORITY}/orders/slow")

    with pytest.raises(TimeoutError):
        _hang_up_when_working(street, header)

    assert street.upstream.cancelled.wait(60)


def _hang_up_when_working(street: Street, header: str) -> None:
    async def go() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", street.port)
        writer.write(f"GET /orders/slow HTTP/1.1\r\nHost: {AUTHORITY}\r\nAuthorization: {header}\r\n\r\n".encode())
        await asyncio.to_thread(street.upstream.working.wait, 60)
        writer.close()
        raise TimeoutError

    asyncio.run(go())


# -------------------------------------------------------------------------------------------------- spoofed headers


@pytest.mark.parametrize(
    "name",
    [
        "X-Credenza-Key-Id",
        "x-credenza-key-id",
        "X_Credenza_Key_Id",
        "X-Credenza_Key-Id",
        "X.Credenza.Key.Id",
        "X-CREDENZA-PROJECT-ID",
        "X-Credenza-Anything",
        "Credenza-Status",
        "Forwarded",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X-Forwarded-Host",
        "X-Forwarded-Scheme",
        "X-Forwarded-Client-Cert",
        "X-Real-Ip",
        "True-Client-IP",
        "Client-Cert",
        "X-HTTP-Method-Override",
        "X-Original-URL",
        "X-Rewrite-Url",
        "Proxy",
        "Proxy-Authorization",
        "Keep-Alive",
        "TE",
    ],
)
def test_headers_that_pretend_to_come_from_the_gate_end_here(street: Street, name: str) -> None:
    response = street.call(street.scene.add_key(), headers=[(name, "evil"), ("X-Mine", "stays")])

    values = [value for _, value in response.json()["headers"]]
    assert "evil" not in values
    assert "stays" in values


def test_headers_named_by_connection_end_here(street: Street) -> None:
    response = street.call(
        street.scene.add_key(), headers=[("Connection", "x-secret, keep-alive"), ("X-Secret", "evil")]
    )

    assert "evil" not in [value for _, value in response.json()["headers"]]


def test_a_trailer_is_no_header(street: Street) -> None:
    header = street.scene.add_key().sign("POST", ORDER, b"abc")
    head = (
        f"POST /orders/1 HTTP/1.1\r\nHost: {AUTHORITY}\r\nAuthorization: {header}\r\n"
        "Transfer-Encoding: chunked\r\nTrailer: X-Credenza-Key-Id\r\n\r\n"
    )

    response = send_raw(street.port, head.encode() + b"3\r\nabc\r\n0\r\nX-Credenza-Key-Id: evil\r\n\r\n")

    assert "evil" not in [value for _, value in response.json()["headers"]]


def test_a_tunnel_is_refused_though_its_path_was_signed(street: Street) -> None:
    """To the upstream CONNECT would name a host, which nobody has signed."""
    response = street.call(street.scene.add_key(), "CONNECT")

    assert response.status == 400
    assert response.error["Description"] == "The target is not a path."
    assert street.upstream.seen == []


def test_a_trace_is_refused_though_it_was_signed(street: Street) -> None:
    """The upstream would answer with the identity headers that the gate adds (RFC 9110 9.3.8)."""
    response = street.call(street.scene.add_key(), "TRACE")

    assert response.status == 400
    assert street.upstream.seen == []


@pytest.mark.parametrize("origin", [f"https://{AUTHORITY}", f"HTTPS://{AUTHORITY.upper()}:443"])
def test_an_absolute_target_of_the_gate_s_own_origin_is_its_path(street: Street, origin: str) -> None:
    """RFC 9112 3.2.2: a server has to take absolute targets, though only proxies are sent them."""
    header = street.scene.add_key().sign("GET", f"https://{AUTHORITY}/orders/1?a=b")

    response = request(street.port, "GET", f"{origin}/orders/1?a=b", [("Authorization", header)])

    assert (response.status, response.json()["target"]) == (200, "/orders/1?a=b")


@pytest.mark.parametrize(
    "origin",
    [
        "https://other.example",
        f"http://{AUTHORITY}",
        f"https://{AUTHORITY}:8443",
        f"https://user@{AUTHORITY}",
        f"https://{AUTHORITY}.",
    ],
)
@pytest.mark.parametrize("host", [AUTHORITY, "other.example"])
def test_an_absolute_target_of_another_origin_is_refused_though_its_path_was_signed(
    street: Street, origin: str, host: str
) -> None:
    header = street.scene.add_key().sign("GET", ORDER)

    response = request(street.port, "GET", f"{origin}/orders/1", [("Authorization", header)], host=host)

    assert response.status == 400
    assert response.error["Description"] == "The target names another origin than the one it came to."
    assert street.upstream.seen == []


def test_the_public_authority_is_the_configured_one_whatever_host_says(street: Street) -> None:
    response = street.call(street.scene.add_key(), host="evil.example")

    assert response.status == 200
    assert ["x-forwarded-host", AUTHORITY] in response.json()["headers"]


# --------------------------------------------------------------------------------------------------------- refusals


def test_a_refusal_has_the_envelope_an_id_and_the_headers_that_caches_and_clients_need(street: Street) -> None:
    response = request(street.port, "GET", "/orders/1")

    assert response.status == 400
    assert response.error == {
        "Source": "Gateway",
        "ReasonCode": "INVALID_AUTH_HEADER",
        "Description": "The Authorization header is missing.",
        "Recoverable": False,
        "Details": None,
    }
    assert response.header("content-type") == "application/json"
    assert response.header("cache-control") == "no-store"
    assert len(response.header("credenza-refusal-id") or "") == 32
    assert response.header("date")
    assert street.upstream.seen == []


def test_what_is_unknown_revoked_expired_or_wrongly_signed_is_answered_alike(street: Street) -> None:
    scene = street.scene
    good = scene.add_key()
    clients = [
        Client(good.consumer_key, another_key()),
        Client(good.consumer_key.replace(good.key_id, "f" * 32 + "0" * 16), good.private_key),
        scene.add_key(status="REVOKED"),
        scene.add_key(status="INACTIVE"),
        scene.add_key(not_after=scene.clock.now() - timedelta(seconds=1)),
        scene.add_key(kind="ACCOUNT_KEY", environment=None),
    ]

    answers = [_comparable(street.call(client)) for client in clients]

    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 403


def _comparable(response: Response) -> Any:
    """All of an answer but what belongs to the one call: the id, the base string and the length it has."""
    own = ("credenza-refusal-id", "content-length", "date")
    headers = [(name, "" if name in own else value) for name, value in response.headers]
    error = response.error
    error["Description"] = error["Description"].partition("base string: ")[0]
    return response.status, headers, error


def test_a_declined_call_is_401(street: Street) -> None:
    response = street.call(street.scene.add_key(environment=PRODUCTION))

    assert response.status == 401
    assert response.error["ReasonCode"] == "DECLINED"
    assert response.header("www-authenticate") == "OAuth"


def test_a_changed_body_never_reaches_the_upstream(street: Street) -> None:
    header = street.scene.add_key().sign("POST", ORDER, b'{"amount":1}')

    response = request(street.port, "POST", "/orders/1", [("Authorization", header)], b'{"amount":9}')

    assert response.status == 403
    assert street.upstream.seen == []


def test_a_replayed_call_never_reaches_the_upstream(street: Street) -> None:
    header = street.scene.add_key().sign("GET", ORDER)

    first = request(street.port, "GET", "/orders/1", [("Authorization", header)])
    second = request(street.port, "GET", "/orders/1", [("Authorization", header)])

    assert (first.status, second.status) == (200, 403)
    assert len(street.upstream.seen) == 1


def test_two_authorization_headers_are_refused(street: Street) -> None:
    client = street.scene.add_key()

    response = street.call(client, headers=[("authorization", client.sign("GET", ORDER))])

    assert response.status == 400


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ("Host: a\r\nHost: b\r\n", "/orders/1"),
        ("", "/orders/1"),
        ("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n", "/orders/1"),
        ("Host: a\r\n", "*"),
        ("Host: a\r\n", "/" + "x" * 9000),
        ("Host: a\r\nX-Long: " + "x" * 70_000 + "\r\n", "/orders/1"),
    ],
    ids=["two hosts", "no host", "another transfer coding", "no path", "long target", "long headers"],
)
def test_a_request_that_could_be_read_in_two_ways_is_refused(street: Street, fields: str, target: str) -> None:
    response = send_raw(street.port, f"GET {target} HTTP/1.1\r\n{fields}\r\n".encode())

    assert response.status == 400
    assert response.error["ReasonCode"] == "BAD_REQUEST"
    assert street.upstream.seen == []


def test_dot_segments_are_refused_with_400(street: Street) -> None:
    response = street.call(street.scene.add_key(), "GET", "/orders/../payments/1")

    assert response.status == 400
    assert response.error["ReasonCode"] == "BAD_REQUEST"


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_body_above_the_limit_is_413(street: Street, announced: bool) -> None:
    body = b"x" * 300_001
    header = street.scene.add_key().sign("POST", ORDER, body)
    framing = f"Content-Length: {len(body)}" if announced else "Transfer-Encoding: chunked"
    head = f"POST /orders/1 HTTP/1.1\r\nHost: {AUTHORITY}\r\nAuthorization: {header}\r\n{framing}\r\n\r\n"
    content = body if announced else b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    response = send_raw(street.port, head.encode(), body_later=None) if announced else None
    response = response or send_raw(street.port, head.encode() + content)

    assert response.status == 413
    assert response.error["ReasonCode"] == "PAYLOAD_TOO_LARGE"
    assert street.upstream.seen == []


def test_a_body_that_never_comes_is_408(street: Street) -> None:
    header = street.scene.add_key().sign("POST", ORDER, b"abc")
    head = f"POST /orders/1 HTTP/1.1\r\nHost: {AUTHORITY}\r\nAuthorization: {header}\r\nContent-Length: 3\r\n\r\n"

    response = send_raw(street.port, head.encode())

    assert response.status == 408


def test_a_gate_that_cannot_look_answers_503(own_street: Street) -> None:
    own_street.scene.reader.close()

    response = own_street.call(own_street.scene.add_key())

    assert response.status == 503
    assert response.error["Recoverable"] is True
    assert response.header("retry-after") == "1"


# ----------------------------------------------------------------------------------------------------- what is left


def test_calls_are_counted_for_the_owner_and_for_prometheus(own_street: Street) -> None:
    client = own_street.scene.add_key()
    own_street.call(client, headers=[("User-Agent", "shop/1")])
    own_street.call(client, "GET", "/nothing", headers=[("User-Agent", "shop/1")])
    own_street.call(Client(client.consumer_key, another_key()), headers=[("User-Agent", "stranger")])

    asyncio.run(own_street.desk.usage.flush())

    with reading(own_street.scene.database.traces) as connection:
        rows = connection.execute(schema.callers.select()).all()
    assert {(row.user_agent, row.service_id, row.admitted, row.refused) for row in rows} == {
        ("shop/1", 1, 1, 0),
        ("shop/1", 0, 0, 1),
    }
    count = own_street.desk.metrics.registry.get_sample_value
    labels = {"environment": "SANDBOX"}
    assert count("credenza_gate_decisions_total", {**labels, "outcome": "admitted"}) == 1
    assert count("credenza_gate_decisions_total", {**labels, "outcome": "unmapped_path"}) == 1
    assert count("credenza_gate_decisions_total", {**labels, "outcome": "signature"}) == 1


def test_a_refusal_is_kept_with_its_explanation_under_the_id_the_caller_was_given(own_street: Street) -> None:
    client = own_street.scene.add_key()
    response = own_street.call(Client(client.consumer_key, another_key()))

    asyncio.run(own_street.desk.refusals.flush())

    with reading(own_street.scene.database.traces) as connection:
        row = connection.execute(schema.refusals.select()).one()
    assert row.id == response.header("credenza-refusal-id")
    assert (row.credential_id, row.code) == (client.key_id, "signature")
    explanation = json.loads(row.explanation)
    assert [step["name"] for step in explanation["steps"] if step["ok"] is False] == ["signature"]
    assert explanation["baseStrings"][0]["reading"] == "mastercard"


def test_a_refusal_of_nobodys_key_is_not_kept(own_street: Street) -> None:
    """Nobody may look at it, and whoever makes keys up could fill the disk with explanations."""
    response = own_street.call(Client(f"{'A' * 48}!{'b' * 32}{'0' * 16}", another_key()))

    asyncio.run(own_street.desk.refusals.flush())

    assert response.status == 403
    with reading(own_street.scene.database.traces) as connection:
        assert connection.execute(schema.refusals.select()).all() == []


def test_the_address_is_a_trusted_proxys_word_and_nobody_elses(tmp_path: Path) -> None:
    upstream = Upstream()
    with served(upstream) as upstream_port, furnished(tmp_path, f"http://127.0.0.1:{upstream_port}") as scene:
        forwarder = Forwarder(timeout=timedelta(seconds=60))
        app = GateApp(
            Origin(SANDBOX),
            desk(scene),
            forwarder,
            trusted_proxies=[ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")],
        )
        with served(app, forwarder) as port:
            header = scene.add_key().sign("GET", "http://api.example.com/orders/1")
            response = request(
                port,
                "GET",
                "/orders/1",
                [
                    ("Authorization", header),
                    ("X-Forwarded-For", "6.6.6.6, 203.0.113.9"),
                    ("X-Forwarded-For", "10.1.2.3"),
                ],
            )

    assert response.status == 200
    assert ["x-forwarded-for", "203.0.113.9"] in response.json()["headers"]

"""OCSP answers that need no scope: the same as by the usual road, or none."""

from __future__ import annotations

import base64
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from cryptography.x509 import ocsp
from sqlalchemy.exc import OperationalError
from tests.api.desk import Desk
from tests.api.test_authorities import OCSP, in_path, request_for

from credenza.api.rate_limits import Rates
from credenza.api.status_answers import StatusAtOnce
from credenza.gate.answers import Reply

pytestmark = pytest.mark.anyio

CLIENT = ("192.0.2.7", 40_000)


def quick(desk: Desk, **more: Any) -> StatusAtOnce:
    return desk.build(**more).state.at_once


async def warm(road: StatusAtOnce, *encoded: bytes) -> None:
    transport = httpx.ASGITransport(road, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http:
        for each in encoded:
            assert (await http.post("/pki/ocsp", content=each, headers=OCSP)).status_code == 200


def posted(road: StatusAtOnce, encoded: bytes, *headers: tuple[bytes, bytes], scheme: str = "http") -> Reply | None:
    return road.form_at_once(b"/pki/ocsp", [(b"host", b"a"), *headers], encoded, scheme, CLIENT)


def got(road: StatusAtOnce, target: str) -> Reply | None:
    return road.get_at_once(target.encode(), [(b"host", b"a")], "http", CLIENT)


def status_of(reply: Reply | None) -> str:
    assert reply is not None
    return ocsp.load_der_ocsp_response(reply.body).certificate_status.name


def headers_of(reply: Reply) -> dict[str, str]:
    return dict(line.decode().split(": ", 1) for line in reply.fields.split(b"\r\n") if line)


async def test_what_was_answered_is_answered_at_once_and_what_was_not_is_not(desk: Desk) -> None:
    road, encoded = quick(desk), request_for(desk)
    assert posted(road, encoded) is None

    await warm(road, encoded)

    assert (status_of(posted(road, encoded)), status_of(got(road, in_path(encoded)))) == ("GOOD", "GOOD")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("nonce", [None, b"n" * 32])
async def test_it_says_what_the_usual_road_says(desk: Desk, scheme: str, nonce: bytes | None) -> None:
    road, encoded = quick(desk), request_for(desk, nonce)
    await warm(road, encoded)
    transport = httpx.ASGITransport(road)

    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://desk.test") as http:
        usual = [await http.post("/pki/ocsp", content=encoded), await http.get(in_path(encoded))]
    at_once = [
        road.form_at_once(b"/pki/ocsp", [], encoded, scheme, CLIENT),
        road.get_at_once(in_path(encoded).encode(), [], scheme, CLIENT),
    ]

    for there, here in zip(usual, at_once, strict=True):
        assert here is not None
        told = headers_of(here)
        assert len(told.pop("credenza-request-id")) == len(there.headers["Credenza-Request-Id"])
        assert int(told["content-length"]) == len(here.body)
        del told["content-length"], there.headers["Credenza-Request-Id"], there.headers["Content-Length"]
        assert told == dict(there.headers)


async def test_a_revocation_turns_the_answer_on_every_database(any_desk: Desk) -> None:
    road = quick(any_desk)
    plain, with_nonce, another = (request_for(any_desk, each) for each in (None, b"a" * 32, b"b" * 32))
    await warm(road, plain, with_nonce)
    assert {status_of(posted(road, each)) for each in (plain, with_nonce, another)} == {"GOOD"}
    assert status_of(got(road, in_path(plain))) == "GOOD"

    async with any_desk.http("owner") as http:
        await http.delete(f"/api/projects/{any_desk.project_id}/credentials/{any_desk.key_id}")

    assert [posted(road, each) for each in (plain, with_nonce, another)] == [None] * 3
    assert got(road, in_path(plain)) is None
    await warm(road, plain, with_nonce)
    assert {status_of(posted(road, each)) for each in (plain, with_nonce, another)} == {"REVOKED"}


async def test_while_nothing_is_known_for_certain_the_usual_road_says_so(desk: Desk) -> None:
    known = True

    def change_number() -> int:
        if not known:
            raise OperationalError("", {}, Exception("the lease is over"))
        return 1

    road = quick(desk, change_number=change_number)
    await warm(road, request_for(desk))
    assert posted(road, request_for(desk)) is not None

    known = False

    assert posted(road, request_for(desk)) is None


async def test_no_answer_with_a_nonce_is_given_twice(desk: Desk) -> None:
    road, encoded = quick(desk), request_for(desk, b"n" * 32)
    await warm(road, encoded)

    first, second = posted(road, encoded), posted(road, encoded)

    assert first is not None
    assert second is not None
    assert first.body != second.body  # ECDSA draws a number for every signature
    assert headers_of(first)["cache-control"] == headers_of(second)["cache-control"] == "no-store"


@pytest.mark.parametrize("length", [0, 1, 15, 16, 31, 32, 33, 100, 20_000])
async def test_whatever_is_not_byte_for_byte_what_was_asked_takes_the_usual_road(desk: Desk, length: int) -> None:
    road, encoded, with_nonce = quick(desk), request_for(desk), request_for(desk, b"n" * 32)
    await warm(road, encoded, with_nonce)

    for hostile in (
        bytes(length),
        encoded + bytes(length + 1),
        encoded[: -1 - length],
        with_nonce + b"n" * (length + 1),
    ):
        assert posted(road, hostile) is None
    for cut in range(1, len(with_nonce)):
        assert posted(road, with_nonce[:-cut]) is None


@pytest.mark.parametrize(
    "target", ["/pki/ocsp", "/pki/ocsp/", "/pki/ocsp/%", "/pki/ocsp/=", "/pki/ocsp/" + "A" * 5_000]
)
async def test_a_target_without_a_request_takes_the_usual_road(desk: Desk, target: str) -> None:
    road = quick(desk)
    await warm(road, request_for(desk))

    assert got(road, target) is None
    assert got(road, in_path(request_for(desk)) + "?again") is None
    assert got(road, "/else" + in_path(request_for(desk))) is None
    assert got(road, "/pki/ocsp/" + base64.b64encode(request_for(desk)).decode() + "\u00e9") is None


async def test_who_has_asked_too_often_is_sent_to_the_usual_road_which_refuses(desk: Desk) -> None:
    road = quick(desk, rates=Rates(requests_per_minute=5, attempts_per_minute=1), seconds=lambda: 0.0)
    encoded = request_for(desk)
    await warm(road, encoded)  # from another address

    assert [posted(road, encoded) is not None for _ in range(6)] == [True] * 5 + [False]
    transport = httpx.ASGITransport(road, client=CLIENT)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http:
        assert (await http.post("/pki/ocsp", content=encoded)).status_code == 429


async def test_behind_a_trusted_proxy_its_clients_are_limited_and_not_the_proxy(desk: Desk) -> None:
    road = quick(
        desk,
        rates=Rates(requests_per_minute=1, attempts_per_minute=1),
        seconds=lambda: 0.0,
        trusted_proxies=(ip_network("192.0.2.7/32"),),
    )
    encoded = request_for(desk)
    await warm(road, encoded)
    ada, bob = (b"x-forwarded-for", b"198.51.100.1"), (b"x-forwarded-for", b"198.51.100.2")

    assert [posted(road, encoded, each) is not None for each in (ada, ada, bob)] == [True, False, True]


async def test_it_is_counted_like_any_other(desk: Desk) -> None:
    app = desk.build()
    road = app.state.at_once
    await warm(road, request_for(desk))
    for _ in range(3):
        posted(road, request_for(desk))
        got(road, in_path(request_for(desk)))

    async with desk.http(app=app) as http:
        text = (await http.get("/metrics")).text

    assert 'operation="askCertificateStatus",status="200"} 4.0' in text
    assert 'operation="getCertificateStatus",status="200"} 3.0' in text

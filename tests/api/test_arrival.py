"""The door: what every request passes through, whatever it asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import generate_latest
from tests.api.desk import Desk

from credenza.api.arrival import LARGEST_BODY_BYTES

pytestmark = pytest.mark.anyio

PAGES = ["/first-admin"]
PATHS = ["/health", "/metrics", "/openapi.json", "/pki/sandbox/root.pem", "/api/me", "/nothing", *PAGES]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_the_headers_that_keep_browsers_and_caches_in_order(desk: Desk, path: str) -> None:
    async with desk.http("owner") as http:
        headers = (await http.get(path)).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    # The portal's forms name their page, for the way back to it; to other sites nothing is named.
    assert headers["Referrer-Policy"] == ("same-origin" if path in PAGES else "no-referrer")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Credenza-Request-Id"]
    assert headers["Cache-Control"] == ("public, max-age=3600" if path.startswith("/pki") else "no-store")
    assert "Strict-Transport-Security" not in headers


async def test_over_tls_browsers_are_told_to_stay_there(desk: Desk) -> None:
    async with httpx.AsyncClient(transport=desk.transport(), base_url="https://desk.test") as http:
        headers = (await http.get("/health")).headers

    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")


async def test_request_ids_differ_and_tell_the_time(desk: Desk) -> None:
    async with desk.http() as http:
        ids = [(await http.get("/health")).headers["Credenza-Request-Id"] for _ in range(2)]

    assert ids[0] != ids[1]
    assert {each.partition("-")[0] for each in ids} == {str(int(desk.clock.now().timestamp() * 1000))}


async def test_a_body_of_exactly_a_mebibyte_is_read(desk: Desk) -> None:
    async with desk.http("owner") as http:
        response = await http.post("/api/csr-checks", content=b" " * LARGEST_BODY_BYTES)

    assert response.status_code == 400


async def test_a_body_that_grows_too_large_on_the_way_is_refused(desk: Desk) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * 65_536

    async with desk.http("owner") as http:
        response = await http.post("/api/csr-checks", content=endless())

    assert response.status_code == 413


async def test_the_length_of_a_body_is_refused_before_anybody_signs_in(desk: Desk) -> None:
    async with desk.http() as http:
        response = await http.post("/api/csr-checks", content=b" " * (LARGEST_BODY_BYTES + 1))

    assert response.status_code == 413


async def test_a_client_that_hangs_up_is_no_fault_of_ours(desk: Desk) -> None:
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    path = "/api/csr-checks"
    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "scheme": "http", "client": None}
    await desk.app(scope, receive, send)

    assert sent == []


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic b3duZXI6b3duZXI=", "Bearer", "Bearer ", "Bearer x", "czp_", "Digest a=b", "Bearer\tczp_"],
)
async def test_what_is_no_valid_token_is_unauthorized_in_the_same_words(desk: Desk, authorization: str) -> None:
    async with desk.http() as http:
        response = await http.get("/api/me", headers={"Authorization": authorization})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_mistyped_an_unknown_and_an_expired_token_look_alike(desk: Desk) -> None:
    token = desk.tokens["owner"]
    swapped = token[:-7] + ("a" if token[-7] != "a" else "b") + token[-6:]
    foreign = "czp_" + "0" * 43 + "000000"
    desk.clock.set(desk.clock.now().replace(year=2027))
    async with desk.http() as http:
        answers = [
            (await http.get("/api/me", headers={"Authorization": f"Bearer {each}"})).json()
            for each in (swapped, foreign, token)
        ]

    assert answers[0] == answers[1] == answers[2]


async def test_the_scheme_of_a_token_is_case_insensitive(desk: Desk) -> None:
    async with desk.http() as http:
        response = await http.get("/api/me", headers={"Authorization": f"bEARER {desk.tokens['owner']}"})

    assert response.status_code == 200


async def test_two_authorization_headers_are_one_too_many(desk: Desk) -> None:
    async with desk.http() as http:
        header = ("Authorization", f"Bearer {desk.tokens['owner']}")
        response = await http.get("/api/me", headers=[header, header])

    assert response.status_code == 401


async def test_the_authority_certificates_are_there_in_both_forms(desk: Desk) -> None:
    async with desk.http() as http:
        pem = await http.get("/pki/production/issuing.pem")
        der = await http.get("/pki/production/issuing.cer")
        none = await http.get("/pki/staging/issuing.cer")

    assert pem.text.startswith("-----BEGIN CERTIFICATE-----")
    assert (der.headers["Content-Type"], der.content[0]) == ("application/pkix-cert", 0x30)
    assert none.status_code == 400


async def test_metrics_name_operations_and_never_paths_that_strangers_make_up(desk: Desk) -> None:
    async with desk.http("owner") as http:
        await http.get(f"/api/projects/{desk.project_id}")
        await http.get("/made-up-by-a-stranger")
        text = (await http.get("/metrics")).text

    assert 'operation="getProjectDetails",status="200"' in text
    assert 'operation="none",status="404"' in text
    assert desk.project_id not in text
    assert "made-up" not in text


async def test_metrics_count_a_failure_once(desk: Desk) -> None:
    async with desk.http("stranger") as http:
        await http.get(f"/api/projects/{desk.project_id}")
    text = generate_latest(desk.app.state.metrics.registry).decode()

    assert 'credenza_management_requests_total{operation="getProjectDetails",status="404"} 1.0' in text


async def test_requests_at_once_do_not_mix_up_their_callers(desk: Desk) -> None:
    async def whoami(name: str) -> tuple[str, str]:
        async with desk.http(name) as http:
            return name, (await http.get("/api/me")).json()["userId"]

    found = await asyncio.gather(*(whoami(name) for name in ("owner", "reader", "stranger") * 5))

    assert set(found) == {(name, desk.users[name].id) for name in ("owner", "reader", "stranger")}

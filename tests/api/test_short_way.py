"""The short way of ordinary requests ends where the framework's does: an unknown query makes a request unordinary, and
changes nothing else."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.api.desk import Desk, request_for

pytestmark = pytest.mark.anyio

# Made anew for every request, and the milliseconds that it took to reach the gates.
_OWN = ("credenza-request-id", "credenza-reach-milliseconds")


def told(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in answer.headers.items() if name not in _OWN}
    return answer.status_code, headers, answer.content


async def both_ways(desk: Desk, method: str, path: str, **more: Any) -> list[httpx.Response]:
    async with desk.http("owner") as http:
        return [await http.request(method, f"{path}{query}", **more) for query in ("", "?unordinary")]


async def test_both_ways_answer_the_same(desk: Desk) -> None:
    body = {"type": "SIGNING", "alias": "next", "csr": request_for(1)}
    added = f"/api/projects/{desk.project_id}/credentials"
    for method, path, more in (
        ("GET", f"/developer/projects/{desk.project_id}", {}),
        ("GET", f"/api/organizations/{desk.organization.id}/members", {}),
        ("GET", "/api/organizations/0b0b0b0b-0000-4000-8000-000000000000", {}),
        ("POST", added, {"json": body, "headers": {"Idempotency-Key": "one"}}),
        ("DELETE", f"/developer/projects/{desk.project_id}/credentials/{desk.key_id}", {}),
    ):
        short, long = await both_ways(desk, method, path, **more)

        assert told(short) == told(long)


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/api/projects/NO-UUID/credentials", {"json": {}}),
        ("/api/csr-checks", {"json": {"csr": 1}}),
        ("/api/csr-checks", {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}),
        ("/api/csr-checks", {"content": b'{"csr":', "headers": {"Content-Type": "application/json"}}),
        ("/api/csr-checks", {"content": b'{"csr": ""}', "headers": {"Content-Type": "text/plain"}}),
        ("/api/csr-checks", {}),
        ("/api/organizations", {"json": {"name": "Other"}, "headers": {"Idempotency-Key": b"\xe4"}}),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused_in_the_words_of_the_framework(
    desk: Desk, path: str, more: dict[str, Any]
) -> None:
    short, long = await both_ways(desk, "POST", path, **more)

    assert short.status_code == 400
    assert told(short) == told(long)


async def test_an_idempotency_key_that_is_sent_twice_is_refused(desk: Desk) -> None:
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    async with desk.http("owner") as http:
        refused = await http.post("/api/organizations", json={"name": "Other"}, headers=headers)

    assert refused.status_code == 400
    assert "more than once" in refused.text


async def test_ordinary_requests_never_reach_the_framework(desk: Desk) -> None:
    app = desk.build()
    app.router.routes.clear()
    body = {"type": "SIGNING", "alias": "next", "csr": request_for(1)}
    path = f"/developer/projects/{desk.project_id}/credentials"
    async with desk.http("owner", app=app) as http:
        short = await http.post(path, json=body)
        long = await http.post(f"{path}?unordinary", json=body)

    assert (short.status_code, long.status_code) == (200, 404)

"""The management API called with OAuth 1.0a and an account-level key (contracts 1.1, item 15)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.api.desk import OPERATOR, ORIGIN, Desk, key_pair, request_for

from credenza.actions import account_keys, people
from credenza.api.app import create_app
from credenza.client import operations
from credenza.client.auth import OAuth1Auth
from credenza.client.errors import ApiError
from credenza.domain.model import OrganizationRole
from credenza.protocol import oauth1
from credenza.wire.credentials import AddSigningCredential

pytestmark = pytest.mark.anyio

CLIENTS = Path(__file__).parents[2] / ".clients/bin/python"


async def test_an_account_level_key_does_what_its_owner_may(desk: Desk) -> None:
    key = desk.account_key("owner", number=1)
    async with desk.signer(key, number=1) as client:
        new = AddSigningCredential(type="SIGNING", alias="by machine", csr=request_for(2))
        added = await client.send(operations.add_credential_to_project(desk.project_id, new))
        me = await client.send(operations.get_me())

    assert added.alias == "by machine"
    assert (me.kind, me.id, me.user_id) == ("account_key", key.id, desk.users["owner"].id)


async def test_a_key_of_a_project_does_not_open_the_management_api(desk: Desk) -> None:
    async with desk.signer(desk.view.credentials[0], number=0) as client:
        with pytest.raises(ApiError) as caught:
            await client.send(operations.get_me())

    assert (caught.value.status, caught.value.reason_code) == (403, "AUTHENTICATION_FAILED")


async def test_a_signed_call_is_admitted_once(desk: Desk) -> None:
    key = desk.account_key("owner", number=1)
    header = oauth1.sign(
        consumer_key=key.consumer_key,
        key=key_pair(1),
        method="GET",
        url=f"{ORIGIN}/api/me",
        timestamp=int(desk.clock.now().timestamp()),
        nonce="once-and-only-once",
    )
    async with desk.http() as http:
        answers = [(await http.get("/api/me", headers={"Authorization": header})).status_code for _ in range(3)]

    assert answers == [200, 403, 403]


@pytest.mark.parametrize("changed", ["body", "method", "path", "query", "host"])
async def test_a_signature_covers_the_whole_request(desk: Desk, changed: str) -> None:
    key = desk.account_key("owner", number=1)
    auth = OAuth1Auth(key.consumer_key, key_pair(1), clock=desk.clock.now)
    request = httpx.Request("POST", f"{ORIGIN}/api/csr-checks?a=b", json={"csr": "x"})
    signed = next(auth.auth_flow(request))
    parts = {"method": "POST", "path": "/api/csr-checks", "query": "a=b", "host": "desk.test", "body": request.content}
    parts[changed] = {"method": "PUT", "path": "/api/csr-check", "query": "a=c", "host": "other.test", "body": b"{}"}[
        changed
    ]
    async with desk.http() as http:
        response = await http.request(
            parts["method"],
            f"http://{parts['host']}{parts['path']}?{parts['query']}",
            content=parts["body"],
            headers={"Authorization": signed.headers["Authorization"], "Content-Type": "application/json"},
        )

    assert response.status_code == 403
    assert response.json()["Errors"]["Error"][0]["Source"] == "Gateway"


async def test_behind_a_proxy_the_signature_is_over_the_public_origin(desk: Desk) -> None:
    key = desk.account_key("owner", number=1)
    app = create_app(
        desk.platform, desk, clock=desk.clock.now, ready=lambda: None, public_url="https://desk.example.com"
    )
    header = oauth1.sign(
        consumer_key=key.consumer_key,
        key=key_pair(1),
        method="GET",
        url="https://desk.example.com/api/me",
        timestamp=int(desk.clock.now().timestamp()),
        nonce="behind-a-proxy",
    )
    async with desk.http(app=app) as http:
        response = await http.get("/api/me", headers={"Authorization": header, "Host": "10.0.0.7:8080"})

    assert response.status_code == 200


async def test_a_revoked_account_level_key_opens_nothing_at_once(desk: Desk) -> None:
    key = desk.account_key("owner", number=1)
    async with desk.signer(key, number=1) as client:
        await client.send(operations.get_me())
        account_keys.revoke(desk.platform, desk.actor("owner"), desk.organization.id, key.id, now=desk.clock.now())
        with pytest.raises(ApiError) as caught:
            await client.send(operations.get_me())

    assert caught.value.status == 403


async def test_a_disabled_person_is_out_with_token_and_key(desk: Desk) -> None:
    key = desk.account_key("owner", number=1)
    async with desk.signer(key, number=1) as signer, desk.client("owner") as bearer:
        await signer.send(operations.get_me())
        people.disable_user(desk.platform, OPERATOR, "owner@example.com", now=desk.clock.now())
        statuses = []
        for client in (signer, bearer):
            with pytest.raises(ApiError) as caught:
                await client.send(operations.get_me())
            statuses.append(caught.value.status)

    assert statuses == [403, 401]


async def test_who_left_the_organization_has_lost_its_projects(desk: Desk) -> None:
    people.set_member(
        desk.platform,
        OPERATOR,
        desk.other.id,
        email="owner@example.com",
        role=OrganizationRole.USER,
        now=desk.clock.now(),
    )
    people.remove_member(desk.platform, OPERATOR, desk.organization.id, desk.users["owner"].id, now=desk.clock.now())
    async with desk.http("owner") as http:
        response = await http.get(f"/developer/projects/{desk.project_id}")

    assert response.status_code in (401, 404)


@asynccontextmanager
async def live(desk: Desk) -> AsyncIterator[str]:
    """The desk on a real port of this machine; its base URL."""
    server = uvicorn.Server(uvicorn.Config(desk.app, log_level="warning", lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


async def run_script(script: str, told: dict[str, Any]) -> list[tuple[int, str]]:
    """Run it where the client libraries are; it reads JSON and prints JSON."""
    process = await asyncio.create_subprocess_exec(
        str(CLIENTS),
        "-c",
        script,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin"},
    )
    printed, _ = await process.communicate(json.dumps(told).encode())
    answers: list[tuple[int, str]] = json.loads(printed)
    return answers


SCRIPT = """
import json, sys
import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from oauth1.oauth_ext import OAuth1RSA

told = json.loads(sys.stdin.read())
auth = OAuth1RSA(told["consumer_key"], load_pem_private_key(told["pem"].encode(), None))
base = told["base"] + "/developer"
project = f"{base}/projects/{told['project']}"
answers = []
for method, url, body in (
    ("GET", f"{base}/services", None),
    ("POST", f"{base}/projects", told["new_project"]),
    ("GET", f"{base}/projects?limit=1", None),
    ("POST", f"{project}/credentials", told["new_key"]),
    ("PUT", project, {"name": "Renamed", "commercialCountries": ["IRL"]}),
    ("DELETE", f"{project}/credentials/{told['key']}", None),
    ("GET", project, None),
):
    data = None if body is None else json.dumps(body)
    headers = {"Content-Type": "application/json"} if body else {}
    answer = requests.request(method, url, data=data, headers=headers, auth=auth, timeout=60)
    answers.append([answer.status_code, answer.text])
print(json.dumps(answers))
"""


async def test_the_unmodified_python_signer_drives_the_api_on_a_live_server(desk: Desk) -> None:
    desk.clock.set(datetime.now(UTC))  # the signer reads the real clock
    desk.join("machinist", OrganizationRole.ADMIN)
    key = desk.account_key("machinist", number=1)
    told = {
        "consumer_key": key.consumer_key,
        "pem": key_pair(1).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "project": desk.project_id,
        "key": desk.key_id,
        "new_key": {"type": "SIGNING", "alias": "second", "csr": request_for(2)},
        "new_project": {
            "type": "OAUTH10A",
            "name": "By machine",
            "service": {"serviceId": desk.services[0].id},
            "environment": "SANDBOX",
            "credential": {"type": "SIGNING", "description": "keyalias", "csr": request_for(3)},
        },
    }
    async with live(desk) as base:
        answers = await run_script(SCRIPT, {**told, "base": base})

    assert [status for status, _ in answers] == [200, 200, 200, 200, 200, 204, 200], answers
    assert '"REVOKED"' in answers[-1][1]

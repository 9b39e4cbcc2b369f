"""The name that a project's TLS clients are known by, over HTTP and driven by our own SDK, on both databases."""

from __future__ import annotations

from uuid import uuid4

import pytest
from tests.api.desk import Desk
from tests.api.test_certificates import new_project, request

from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.wire.projects import NewTlsClientName

pytestmark = pytest.mark.anyio

DN = NewTlsClientName(kind="subject_dn", value="CN=till 7,O=Acme")
DNS = NewTlsClientName(kind="san_dns", value="till7.acme.example")


async def fapi_project(desk: Desk) -> str:
    first = {"type": "MTLS_CSR", "description": "first", "csr": request(f"first-{uuid4()}")}
    async with desk.client("owner") as client:
        new = new_project(desk, first, type_="OAUTH2_FAPI", service=1)
        return (await client.send(operations.create_project(new))).id


async def test_a_name_is_registered_replaced_and_removed(any_desk: Desk) -> None:
    project_id = await fapi_project(any_desk)
    async with any_desk.client("owner") as client:
        first = await client.send(operations.register_tls_client_name(project_id, "SANDBOX", DN))
        second = await client.send(operations.register_tls_client_name(project_id, "SANDBOX", DNS))
        found = await client.send(operations.get_tls_client_name(project_id, "SANDBOX"))
        reach = await client.send(operations.remove_tls_client_name(project_id, "SANDBOX"))
        with pytest.raises(ApiError) as caught:
            await client.send(operations.get_tls_client_name(project_id, "SANDBOX"))

    assert [(each.kind, each.value) for each in (first, second)] == [(each.kind, each.value) for each in (DN, DNS)]
    assert found == second
    assert reach.lapsed == 0
    assert (caught.value.status, caught.value.reason_code) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind": "subject_dn"}',
        b'{"value": "CN=a"}',
        b'{"kind": "subject_dn", "value": "CN=a", "san_dns": "b.example"}',
        b'[{"kind": "subject_dn", "value": "CN=a"}, {"kind": "san_dns", "value": "b.example"}]',
        b'{"kind": "common_name", "value": "a"}',
        b'{"kind": "san_ip", "value": "b.example"}',
        b"{}",
    ],
)
async def test_no_name_and_two_names_are_refused(desk: Desk, body: bytes) -> None:
    project_id = await fapi_project(desk)
    async with desk.http("owner") as http:
        path = f"/api/projects/{project_id}/environments/SANDBOX/tls-client-name"
        answer = await http.put(path, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["Errors"]["Error"][0]["ReasonCode"] == "BAD_REQUEST"


async def test_an_outsider_does_not_learn_that_there_is_a_name(desk: Desk) -> None:
    project_id = await fapi_project(desk)
    async with desk.client("owner") as client:
        await client.send(operations.register_tls_client_name(project_id, "SANDBOX", DN))
    async with desk.client("stranger") as client:
        with pytest.raises(ApiError) as caught:
            await client.send(operations.get_tls_client_name(project_id, "SANDBOX"))

    assert (caught.value.status, caught.value.reason_code) == (404, "PROJECT_NOT_FOUND")

"""Idempotency-Key over HTTP (settled 29): the same request is done once and answered the same."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.api.desk import Desk, request_for

from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.wire.credentials import AddSigningCredential
from credenza.wire.tokens import NewAccessToken

pytestmark = pytest.mark.anyio


def signing(number: int) -> AddSigningCredential:
    return AddSigningCredential(type="SIGNING", alias="next", csr=request_for(number))


async def test_the_same_request_is_done_once_and_answered_the_same(any_desk: Desk) -> None:
    operation = operations.add_credential(any_desk.project_id, signing(1))
    async with any_desk.client("owner") as client:
        first = await client.send(operation, idempotency_key="one")
        again = await client.send(operation, idempotency_key="one")
        listed = await client.send(operations.list_credentials(any_desk.project_id))

    assert first == again
    assert len(listed.items) == 2


async def test_requests_of_two_callers_with_one_key_are_two_requests(desk: Desk) -> None:
    added = []
    for number, name in enumerate(("owner", "colleague"), start=1):
        async with desk.client(name) as client:
            operation = operations.add_credential(desk.project_id, signing(number))
            added.append(await client.send(operation, idempotency_key="one"))

    assert added[0].id != added[1].id


async def test_twins_at_the_same_moment_make_one_key(any_desk: Desk) -> None:
    operation = operations.add_credential(any_desk.project_id, signing(1))

    async def add() -> str:
        async with any_desk.client("owner") as client:
            try:
                return (await client.send(operation, idempotency_key="one")).id
            except ApiError as error:
                return error.reason_code

    outcomes = set(await asyncio.gather(*(add() for _ in range(4)))) - {"IDEMPOTENCY_IN_PROGRESS"}
    async with any_desk.client("owner") as client:
        listed = await client.send(operations.list_credentials(any_desk.project_id))

    assert len(outcomes) == 1
    assert len(listed.items) == 2


async def test_a_secret_can_be_asked_for_again_for_ten_minutes(desk: Desk) -> None:
    operation = operations.create_access_token(
        desk.organization.id, NewAccessToken(name="ci", scopes=("read",), days=9)
    )
    async with desk.client("owner") as client:
        first = await client.send(operation, idempotency_key="one")
        desk.clock.advance(timedelta(minutes=9))
        again = await client.send(operation, idempotency_key="one")
        listed = await client.send(operations.list_access_tokens(desk.organization.id))

    assert first == again
    assert first.token.startswith("czp_")
    assert first.token not in repr(first)
    assert {each.name for each in listed} == {"test", "ci"}


@pytest.mark.parametrize("key", ["", "x" * 256, "with blank", "smörgås", "\x7f"])
async def test_a_key_is_visible_ascii_of_bounded_length(desk: Desk, key: str) -> None:
    async with desk.http("owner") as http:
        response = await http.post(
            f"/api/organizations/{desk.organization.id}/access-tokens",
            json={"name": "ci", "scopes": ["read"]},
            headers={"Idempotency-Key": key.encode("latin-1")},
        )

    assert response.status_code == 400
    assert response.json()["Errors"]["Error"][0]["Details"] == "Idempotency-Key"


async def test_a_key_sent_twice_is_refused(desk: Desk) -> None:
    async with desk.http("owner") as http:
        response = await http.post(
            f"/api/organizations/{desk.organization.id}/access-tokens",
            json={"name": "ci", "scopes": ["read"]},
            headers=[
                *http.headers.items(),
                ("Idempotency-Key", "one"),
                ("Idempotency-Key", "two"),
            ],
        )

    assert response.status_code == 400

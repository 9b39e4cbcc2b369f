"""Invitations over HTTP: the link is in the mail alone, and nobody learns who has an account."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.desk import OPERATOR, Desk

from credenza.actions import people

pytestmark = pytest.mark.anyio


async def send(desk: Desk, method: str, path: str, body: Any = None, *, name: str = "admin") -> Any:
    async with desk.http(name) as http:
        return await http.request(method, f"/api/organizations/{desk.organization.id}/{path}", json=body)


async def test_an_invitation_is_sent_listed_and_withdrawn(desk: Desk) -> None:
    sent = await send(desk, "POST", "invitations", {"email": "Eve@example.com", "role": "user"})
    listed = await send(desk, "GET", "invitations")
    withdrawn = await send(desk, "DELETE", f"invitations/{sent.json()['id']}")

    assert (sent.status_code, withdrawn.status_code) == (201, 204)
    assert listed.json() == [sent.json()]
    assert sent.json() == {
        "id": sent.json()["id"],
        "email": "eve@example.com",
        "role": "user",
        "customRoleId": None,
        "customRole": "",
        "projectId": None,
        "projectRole": None,
        "invitedBy": desk.users["admin"].id,
        "createdAt": sent.json()["createdAt"],
        "expiresAt": sent.json()["expiresAt"],
    }
    assert (await send(desk, "GET", "invitations")).json() == []


async def test_addresses_with_and_without_an_account_get_the_same_answers(desk: Desk) -> None:
    people.create_user(desk.platform, OPERATOR, email="known@example.com", name="K", now=desk.clock.now())
    told = []

    for who in ("known", "strange"):
        body = {"email": f"{who}@example.com", "role": "user"}
        answers = [await send(desk, "POST", path, body) for path in ("members", "invitations", "invitations")]
        texts = [each.text.replace(who, "…") for each in answers]
        told.append((answers[0].status_code, texts[0], answers[1].status_code, answers[2].status_code, texts[2]))

    assert told[0] == told[1]
    assert [told[0][0], told[0][2], told[0][3]] == [404, 201, 409]


async def test_an_invitation_onto_a_project_names_both(desk: Desk) -> None:
    body = {"email": "eve@example.com", "role": "user", "projectId": desk.project_id, "projectRole": "read_only"}
    half = await send(desk, "POST", "invitations", {**body, "projectRole": None})
    owner = await send(desk, "POST", "invitations", {**body, "projectRole": "owner"})
    whole = await send(desk, "POST", "invitations", body)

    assert (half.status_code, owner.status_code, whole.status_code) == (400, 400, 201)
    assert (whole.json()["projectId"], whole.json()["projectRole"]) == (desk.project_id, "read_only")

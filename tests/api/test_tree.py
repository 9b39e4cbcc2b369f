"""Accounts, workspaces and roles over HTTP, by the SDK."""

from __future__ import annotations

import pytest
from tests.api.desk import Desk

from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.wire.people import NewInvitation, NewMember
from credenza.wire.roles import RoleContent
from credenza.wire.tree import AccountEdit, NewAccount, NewWorkspace, WorkspaceEdit, WorkspaceMove

pytestmark = pytest.mark.anyio

VIEWERS = RoleContent(name="Viewers", actions=("api_credential.view", "api_credential.list"))


async def test_the_tree_grows_moves_and_is_archived(desk: Desk) -> None:
    organization = desk.organization.id
    async with desk.client("admin") as client:
        europe = await client.send(operations.create_account(organization, NewAccount(name="Europe")))
        asia = await client.send(operations.create_account(organization, NewAccount(name="Asia")))
        new = NewWorkspace(accountId=europe.id, name="Web")
        web = await client.send(operations.create_workspace(organization, new))
        renamed = await client.send(operations.rename_workspace(organization, web.id, WorkspaceEdit(name="Shop")))
        moved = await client.send(operations.move_workspace(organization, web.id, WorkspaceMove(accountId=asia.id)))
        emea = await client.send(operations.rename_account(organization, europe.id, AccountEdit(name="EMEA")))
        listed = await client.send(operations.list_workspaces(organization))
        await client.send(operations.archive_workspace(organization, web.id))
        await client.send(operations.archive_account(organization, asia.id))
        accounts = await client.send(operations.list_accounts(organization))

    assert (web.account_id, renamed.name, moved.account_id, emea.name) == (europe.id, "Shop", asia.id, "EMEA")
    assert moved in listed
    assert [each.name for each in accounts if each.id in (europe.id, asia.id)] == ["EMEA"]


async def test_a_taken_name_is_a_conflict_and_what_is_not_there_is_not_found(desk: Desk) -> None:
    organization = desk.organization.id
    async with desk.client("admin") as client:
        europe = await client.send(operations.create_account(organization, NewAccount(name="Europe")))
        with pytest.raises(ApiError) as taken:
            await client.send(operations.create_account(organization, NewAccount(name="Europe")))
        await client.send(operations.archive_account(organization, europe.id))
        with pytest.raises(ApiError) as gone:
            await client.send(operations.create_workspace(organization, NewWorkspace(accountId=europe.id, name="Web")))

    assert (taken.value.status, taken.value.reason_code, taken.value.details) == (409, "NAME_ALREADY_EXISTS", "name")
    assert (gone.value.status, gone.value.reason_code, gone.value.details) == (404, "NOT_FOUND", "accountId")


async def test_a_role_is_made_given_edited_and_removed(desk: Desk) -> None:
    organization, bystander = desk.organization.id, desk.users["bystander"]
    async with desk.client("admin") as client:
        role = await client.send(operations.create_role(organization, VIEWERS))
        given = NewMember(email=bystander.email, role="custom", customRoleId=role.id)
        member = await client.send(operations.set_member(organization, given))
        guest = NewInvitation(email="eve@example.com", role="custom", customRoleId=role.id)
        invited = await client.send(operations.invite_member(organization, guest))
        with pytest.raises(ApiError) as held:
            await client.send(operations.remove_role(organization, role.id))
        narrow = RoleContent(name="Lookers", actions=("api_credential.view",))
        edited = await client.send(operations.edit_role(organization, role.id, narrow))
        await client.send(operations.set_member(organization, NewMember(email=bystander.email, role="user")))
        await client.send(operations.withdraw_invitation(organization, invited.id))
        await client.send(operations.remove_role(organization, role.id))
        roles = await client.send(operations.list_roles(organization))

    assert role.actions == ("api_credential.list", "api_credential.view")
    assert (member.role, member.custom_role_id, member.custom_role) == ("custom", role.id, "Viewers")
    assert (invited.role, invited.custom_role_id, invited.custom_role) == ("custom", role.id, "Viewers")
    assert (held.value.status, held.value.reason_code) == (400, "BAD_REQUEST")
    assert all(each in held.value.description for each in ("eve@example.com", bystander.email))
    assert (edited.name, edited.actions, roles) == ("Lookers", ("api_credential.view",), ())


async def test_who_holds_a_role_may_do_over_http_what_it_says(desk: Desk) -> None:
    organization, bystander = desk.organization.id, desk.users["bystander"]
    async with desk.client("admin") as client:
        builders = RoleContent(name="Builders", actions=("account.create",))
        role = await client.send(operations.create_role(organization, builders))
        given = NewMember(email=bystander.email, role="custom", customRoleId=role.id)
        await client.send(operations.set_member(organization, given))
    async with desk.client("bystander") as client:
        made = await client.send(operations.create_account(organization, NewAccount(name="Europe")))
        with pytest.raises(ApiError) as refused:
            await client.send(operations.archive_account(organization, made.id))

    assert (refused.value.status, refused.value.reason_code) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Viewers", "actions": []},
        {"name": "Viewers", "actions": ["organization.create"]},
        {"name": "Viewers", "actions": ["x" * 49]},
        {"name": "Viewers", "actions": "audit.view"},
        {"name": "Viewers"},
        {"name": " Viewers", "actions": ["audit.view"]},
        {"name": "x" * 81, "actions": ["audit.view"]},
        {"name": "Viewers", "actions": ["audit.view"], "id": "x"},
    ],
)
async def test_a_role_that_cannot_be_is_refused_by_its_field(desk: Desk, body: dict[str, object]) -> None:
    async with desk.http("admin") as http:
        answer = await http.post(f"/api/organizations/{desk.organization.id}/roles", json=body)

    errors = answer.json()["Errors"]["Error"]
    assert (answer.status_code, {each["ReasonCode"] for each in errors}) == (400, {"BAD_REQUEST"})
    assert {each["Details"].partition(".")[0] for each in errors} <= {"name", "actions", "id"}

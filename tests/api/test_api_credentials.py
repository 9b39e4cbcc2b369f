"""API credentials over HTTP, driven by our own SDK, on both databases."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.api.desk import OPERATOR, Desk

from credenza.actions import accounts, services, workspaces
from credenza.actions.services import NewService
from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.client.operations import Operation
from credenza.domain.catalog import CatalogEntry, Permission, ScopeLevel
from credenza.domain.model import (
    AuthenticationType,
    EnvironmentName,
    Organization,
    Service,
    ServiceEnvironment,
    Workspace,
)
from credenza.wire.api_credentials import ApiCredentialEdit, Grant, IssuedApiCredential, NewApiCredential

pytestmark = pytest.mark.anyio

NOWHERE = "00000000-0000-4000-8000-000000000000"


def profile_api(desk: Desk) -> Service:
    """An API that reads profiles, scope chosen among workspaces."""
    entry = CatalogEntry(ScopeLevel.WORKSPACE, permissions=(Permission("read", "Read profiles"),))
    places = tuple(ServiceEnvironment(each, "/profiles", "http://127.0.0.1:9", 13, None) for each in EnvironmentName)
    new = NewService("Profile", AuthenticationType.CLIENT_SECRET, "", places, entry=entry)
    return services.create(desk.platform, OPERATOR, new, now=desk.clock.now())


def workspace(desk: Desk, organization: Organization, name: str = "Web-EU") -> Workspace:
    place = (desk.platform, OPERATOR, organization.id)
    account = accounts.create(*place, name=f"Account of {name}", now=desk.clock.now())
    return workspaces.create(*place, account_id=account.id, name=name, now=desk.clock.now())


def asked(service: Service, *places: Workspace, **named: Any) -> NewApiCredential:
    grant = Grant(serviceId=service.id, permissions=("read",), places=tuple(each.id for each in places))
    return NewApiCredential(**{"name": "Web analytics", "environment": "SANDBOX", "grants": (grant,), **named})


def edit_of(found: IssuedApiCredential, **named: Any) -> ApiCredentialEdit:
    grants = tuple(
        Grant(
            serviceId=each.service_id,
            permissions=tuple(name.name for name in each.permissions),
            places=tuple(place.id for place in each.places),
        )
        for each in found.grants
    )
    return ApiCredentialEdit(**{"name": found.name, "version": found.version, "grants": grants, **named})


async def refused(desk: Desk, operation: Operation[Any], name: str = "admin") -> tuple[int, str]:
    async with desk.client(name) as client:
        with pytest.raises(ApiError) as caught:
            await client.send(operation)
    return caught.value.status, str(caught.value.reason_code)


async def test_a_credential_is_made_looked_at_edited_switched_and_deleted(any_desk: Desk) -> None:
    service, place = profile_api(any_desk), workspace(any_desk, any_desk.organization)
    organization, end = any_desk.organization.id, any_desk.clock.now() + timedelta(days=30)
    async with any_desk.client("compliance") as client:
        choices = await client.send(operations.list_api_choices(organization))
        new = asked(service, place, endsAt=end, networks=("192.0.2.0/24",), note="vault")
        made = await client.send(operations.create_api_credential(organization, new))
        found = await client.send(operations.get_api_credential(organization, made.id))
        edit = edit_of(made, name="Analytics")
        edited = await client.send(operations.edit_api_credential(organization, made.id, edit))
        off = await client.send(operations.deactivate_api_credential(organization, made.id))
        on = await client.send(operations.activate_api_credential(organization, made.id))
        listed = [each async for each in client.each(partial(operations.list_api_credentials, organization))]
        reach = await client.send(operations.delete_api_credential(organization, made.id))

    assert [each.name for each in choices.apis] == ["Profile"]
    assert place.id in {each.id for each in choices.places}
    assert made.client_secret.startswith("czs_sbx_")
    assert made.client_secret not in repr(made)
    assert found.model_dump() == made.model_dump(exclude={"client_secret"})
    assert found.review == f"Can read profiles in Web-EU until {end.day} {end:%b %Y}, from 192.0.2.0/24 alone."
    assert (found.status, found.expiring, found.note) == ("ACTIVE", True, "vault")
    assert (edited.result.name, edited.result.version, edited.result.note, edited.result.ends_at) == (
        "Analytics", 2, "", None,
    )  # fmt: skip
    assert (off.result.status, on.result.status) == ("INACTIVE", "ACTIVE")
    assert listed == [on.result]
    assert (edited.reach.lapsed, off.reach.lapsed, reach.lapsed) == (0, 0, 0)
    assert await refused(any_desk, operations.get_api_credential(organization, made.id)) == (
        404, "CREDENTIAL_NOT_FOUND",
    )  # fmt: skip


async def test_a_second_secret_comes_beside_the_first_and_a_third_does_not(any_desk: Desk) -> None:
    service, place = profile_api(any_desk), workspace(any_desk, any_desk.organization)
    organization = any_desk.organization.id
    async with any_desk.client("admin") as client:
        made = await client.send(operations.create_api_credential(organization, asked(service, place)))
        more = await client.send(operations.issue_client_secret(organization, made.id, keep_old="1h"))
        third = await refused(any_desk, operations.issue_client_secret(organization, made.id))
        old, new = more.result.secrets
        await client.send(operations.delete_client_secret(organization, made.id, old.id, keep_last=True))
        last = operations.delete_client_secret(organization, made.id, new.id, keep_last=True)
        kept = await refused(any_desk, last)
        await client.send(operations.delete_client_secret(organization, made.id, new.id))
        bare = await client.send(operations.get_api_credential(organization, made.id))

    assert more.result.client_id == made.client_id
    assert more.result.client_secret not in (made.client_secret, "")
    assert old.expires_at == any_desk.clock.now() + timedelta(hours=1)
    assert third == (409, "CLIENT_SECRETS_MAX_EXCEEDED")
    assert kept == (409, "LAST_ACTIVE_CREDENTIAL")
    assert bare.secrets == ()


async def test_the_second_of_two_editors_is_told_with_a_code_of_its_own(desk: Desk) -> None:
    service, place = profile_api(desk), workspace(desk, desk.organization)
    organization = desk.organization.id
    async with desk.client("admin") as client:
        made = await client.send(operations.create_api_credential(organization, asked(service, place)))
        first, second = edit_of(made, name="First"), edit_of(made, name="Second")
        await client.send(operations.edit_api_credential(organization, made.id, first))
        told = await refused(desk, operations.edit_api_credential(organization, made.id, second), "compliance")
        found = await client.send(operations.get_api_credential(organization, made.id))

    assert told == (409, "EDITED_MEANWHILE")
    assert found.name == "First"


async def test_a_repeated_request_gives_the_one_secret(desk: Desk) -> None:
    service, place = profile_api(desk), workspace(desk, desk.organization)
    operation = operations.create_api_credential(desk.organization.id, asked(service, place))
    async with desk.client("admin") as client:
        first, second = [await client.send(operation, idempotency_key="k") for _ in range(2)]
        page = await client.send(operations.list_api_credentials(desk.organization.id))

    assert first == second
    assert len(page.items) == 1


async def test_a_workspace_of_another_organization_looks_like_none(desk: Desk) -> None:
    service, foreign = profile_api(desk), workspace(desk, desk.other, "Theirs")
    path = f"/api/organizations/{desk.organization.id}/api-credentials"

    async with desk.http("admin") as http:
        bodies = [
            {
                "name": "x",
                "environment": "SANDBOX",
                "grants": [{"serviceId": service.id, "permissions": ["read"], "places": [place]}],
            }
            for place in (foreign.id, NOWHERE)
        ]
        answers = [await http.post(path, json=body) for body in bodies]

    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    ("named", "status"),
    [
        pytest.param({"grants": ()}, 400, id="no API"),
        pytest.param({"networks": ("x",)}, 400, id="no network"),
        pytest.param({"endsAt": "2025-01-01T00:00:00Z"}, 400, id="past"),
        pytest.param({"endsAt": "0001-01-01T00:00:00+14:00"}, 400, id="before all time"),
        pytest.param({"endsAt": "9999-12-31T23:59:59-14:00"}, 400, id="after all time"),
        pytest.param({"endsAt": "2030-01-01T00:00:00"}, 400, id="no zone"),
        pytest.param({"name": ""}, 400, id="no name"),
        pytest.param({"version": 1}, 400, id="a property that nobody asked for"),
    ],
)
async def test_bad_input_is_400_and_makes_nothing(desk: Desk, named: dict[str, Any], status: int) -> None:
    service, place = profile_api(desk), workspace(desk, desk.organization)
    body = asked(service, place).model_dump(mode="json", by_alias=True, exclude_none=True) | named
    path = f"/api/organizations/{desk.organization.id}/api-credentials"
    async with desk.http("admin") as http:
        answer = await http.post(path, json=body)
        listed = await http.get(path)

    assert (answer.status_code, listed.json()) == (status, [])


async def test_pages_follow_one_another(desk: Desk) -> None:
    service, place = profile_api(desk), workspace(desk, desk.organization)
    organization = desk.organization.id
    async with desk.client("admin") as client:
        for name in ("no a", "no b", "no c"):  # with a blank, so that none begins a client id
            await client.send(operations.create_api_credential(organization, asked(service, place, name=name)))
        first = await client.send(operations.list_api_credentials(organization, limit=2, order="-name"))
        rest = operations.list_api_credentials(organization, limit=2, order="-name", cursor=first.next_cursor)
        second = await client.send(rest)
        sought = await client.send(operations.list_api_credentials(organization, text="NO B", service_id=service.id))

    assert [each.name for each in (*first.items, *second.items)] == ["no c", "no b", "no a"]
    assert second.next_cursor is None
    assert [each.name for each in sought.items] == ["no b"]

"""Keys over HTTP, driven by our own SDK, on both databases: add, find, rotate, renew, revoke."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from cryptography import x509
from tests.api.desk import Desk, request_for

from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.wire.credentials import AddSigningCredential, AddSigningCredentialAfter, CsrCheck, NewKey
from credenza.wire.credentials import NewProjectOAuthSigningCredential as Signing
from credenza.wire.projects import NewEnvironment, NewProject, NewProjectService, ProjectEdit, ServiceChoice

pytestmark = pytest.mark.anyio


def signing(number: int, **more: str) -> AddSigningCredential:
    return AddSigningCredential.model_validate({"type": "SIGNING", "alias": "next", "csr": request_for(number), **more})


async def test_a_new_key_comes_with_everything_its_owner_needs(any_desk: Desk) -> None:
    async with any_desk.client("owner") as client:
        added = await client.send(operations.add_credential_to_project(any_desk.project_id, signing(1)))
        read = await client.send(operations.get_credential(any_desk.project_id, added.id))

    certificate = x509.load_pem_x509_certificate(added.certificate.encode())
    assert added == read
    assert (len(added.id), added.id[32:], added.kid) == (48, "0" * 16, added.id)
    assert (len(added.client_id), added.consumer_key) == (48, f"{added.client_id}!{added.id}")
    assert (added.type, added.status, added.environment, added.expiring) == ("SIGNING", "ACTIVE", "SANDBOX", False)
    assert certificate.not_valid_after_utc == added.not_after
    assert (added.not_after.year, added.not_after.month) == (2026, 2)


async def test_rotation_leaves_both_keys_valid_under_one_client_id(any_desk: Desk) -> None:
    async with any_desk.client("owner") as client:
        new = NewKey(alias="successor", csr=request_for(1))
        successor = await client.send(operations.rotate_credential(any_desk.project_id, any_desk.key_id, new))
        old = await client.send(operations.get_credential(any_desk.project_id, any_desk.key_id))

    assert (successor.predecessor_id, successor.client_id) == (old.id, old.client_id)
    assert (old.status, successor.status) == ("ACTIVE", "ACTIVE")
    assert old.id != successor.id


async def test_a_new_key_names_the_key_that_it_replaces_in_our_own_api_alone(any_desk: Desk) -> None:
    new = AddSigningCredentialAfter.model_validate({**signing(1).model_dump(), "predecessorId": any_desk.key_id})
    async with any_desk.client("owner") as client:
        added = await client.send(operations.add_credential(any_desk.project_id, new))
        with pytest.raises(ApiError) as refused:
            await client.send(operations.add_credential_to_project(any_desk.project_id, new))

    assert added.predecessor_id == any_desk.key_id
    assert refused.value.status == 400


async def test_renewal_keeps_key_id_and_public_key(any_desk: Desk) -> None:
    any_desk.grow_old()
    async with any_desk.client("owner") as client:
        old = await client.send(operations.get_credential(any_desk.project_id, any_desk.key_id))
        renewed = await client.send(operations.renew_credential(any_desk.project_id, any_desk.key_id))

    assert old.expiring
    assert not renewed.expiring
    assert (renewed.id, renewed.public_key_fingerprint) == (old.id, old.public_key_fingerprint)
    assert renewed.certificate_fingerprint != old.certificate_fingerprint


async def test_a_project_is_upgraded_and_its_keys_are_rotated_no_more(any_desk: Desk) -> None:
    async with any_desk.client("owner") as client:
        upgraded = await client.send(operations.upgrade_project(any_desk.project_id))
        again = await client.send(operations.upgrade_project(any_desk.project_id))
        new = NewKey(alias="successor", csr=request_for(1))
        with pytest.raises(ApiError) as caught:
            await client.send(operations.rotate_credential(any_desk.project_id, any_desk.key_id, new))

    assert (upgraded.dual, again) == (True, upgraded)
    assert (caught.value.status, caught.value.reason_code) == (400, "CREDENTIAL_NOT_RENEWABLE")


async def test_a_revocation_says_how_far_it_has_reached_and_can_be_repeated(any_desk: Desk) -> None:
    async with any_desk.client("owner") as client:
        first = await client.send(operations.revoke_credential(any_desk.project_id, any_desk.key_id, reason="leaked"))
        again = await client.send(operations.revoke_project_credential(any_desk.project_id, any_desk.key_id))
        read = await client.send(operations.get_credential(any_desk.project_id, any_desk.key_id))

    assert (first.gates, first.confirmed, first.lapsed) == (again.gates, again.confirmed, again.lapsed) == (0, 0, 0)
    assert read.status == "REVOKED"


async def test_who_wants_to_keep_the_last_key_keeps_it(desk: Desk) -> None:
    async with desk.client("owner") as client:
        with pytest.raises(ApiError) as caught:
            await client.send(operations.revoke_credential(desk.project_id, desk.key_id, keep_last=True))
        read = await client.send(operations.get_credential(desk.project_id, desk.key_id))

    assert (caught.value.status, caught.value.reason_code) == (409, "LAST_ACTIVE_CREDENTIAL")
    assert read.status == "ACTIVE"


async def test_keys_are_listed_in_pages_and_by_what_they_are(any_desk: Desk) -> None:
    async with any_desk.client("owner") as client:
        for number in range(1, 5):
            await client.send(operations.add_credential(any_desk.project_id, signing(number)))
        await client.send(operations.revoke_credential(any_desk.project_id, any_desk.key_id))
        pages = partial(operations.list_credentials, any_desk.project_id)
        first = await client.send(pages(limit=2))
        second = await client.send(pages(limit=2, cursor=first.next_cursor))
        third = await client.send(pages(limit=2, cursor=second.next_cursor))
        active = await client.send(pages(status="ACTIVE", limit=4))
        revoked = await client.send(pages(status="REVOKED"))
        production = await client.send(pages(environment="PRODUCTION"))
        expiring = await client.send(pages(expiring=True))

    ids = [key.id for page in (first, second, third) for key in page.items]
    assert (len(first.items), len(second.items), len(third.items), third.next_cursor) == (2, 2, 1, None)
    assert ids == sorted(set(ids))
    assert (len(active.items), active.next_cursor) == (4, None)
    assert [key.id for key in revoked.items] == [any_desk.key_id]
    assert (production.items, expiring.items) == ((), ())


async def test_the_sdk_goes_through_all_pages(desk: Desk) -> None:
    async with desk.client("owner") as client:
        for number in range(1, 4):
            await client.send(operations.add_credential(desk.project_id, signing(number)))
        found = [key async for key in client.each(partial(operations.list_credentials, desk.project_id))]

    assert len(found) == 4


async def test_a_list_is_a_bare_array_until_pages_are_asked_for(desk: Desk) -> None:
    for number in range(1, 4):
        desk.project(f"Project {number}", number=number)
    async with desk.http("owner") as http:
        everything = await http.get("/developer/projects")
        page = await http.get("/developer/projects?limit=3")
        rest = await http.get(page.links["next"]["url"])

    assert (len(everything.json()), "Link" in everything.headers) == (4, False)
    assert len(page.json()) == 3
    assert page.headers["Link"].startswith("</developer/projects?limit=3&cursor=")
    assert (len(rest.json()), "Link" in rest.headers) == (1, False)
    assert [each["id"] for each in page.json() + rest.json()] == [each["id"] for each in everything.json()]


async def test_the_filters_of_a_list_survive_into_its_next_page(desk: Desk) -> None:
    async with desk.client("owner") as client:
        for number in range(1, 4):
            await client.send(operations.add_credential(desk.project_id, signing(number)))
    async with desk.http("owner") as http:
        page = await http.get(f"/api/projects/{desk.project_id}/credentials?status=ACTIVE&limit=1")

    assert "status=ACTIVE" in page.links["next"]["url"]


async def test_a_project_from_its_first_request_to_its_end(any_desk: Desk) -> None:
    credential = Signing(type="SIGNING", alias="first", csr=request_for(1))
    new = NewProject.model_validate(
        {
            "type": "OAUTH10A",
            "name": "Whole life",
            "service": ServiceChoice(serviceId=any_desk.services[0].id),
            "environment": "SANDBOX",
            "credential": credential,
            "company": {"name": "Example", "address": {"addressLine1": "1 Main", "city": "Cork", "countryCode": "IRL"}},
            "commercialCountries": ["IRL"],
        }
    )
    async with any_desk.client("owner") as client:
        made = await client.send(operations.create_project(new))
        edit = ProjectEdit(name="Renamed", ambiguousReadings=True)
        changed = await client.send(operations.update_project(made.id, edit))
        further = Signing(type="SIGNING", alias="live", csr=request_for(2))
        production = await client.send(
            operations.add_environment_to_project(made.id, NewEnvironment(name="PRODUCTION", credential=further))
        )
        with_service = await client.send(
            operations.add_service_to_environment(
                made.id, "SANDBOX", NewProjectService(serviceId=any_desk.services[1].id)
            )
        )
        details = await client.send(operations.get_project_details(made.id))
        listed = await client.send(operations.list_projects_of_organization(any_desk.organization.id))
        await client.send(operations.delete_project(made.id))
        with pytest.raises(ApiError) as caught:
            await client.send(operations.get_project(made.id))

    assert (changed.name, changed.company, changed.commercial_countries) == ("Renamed", made.company, ("IRL",))
    assert made.company is not None
    assert made.company.address is not None
    assert (made.company.verified, made.company.address.country_code) == (False, "IRL")
    assert (production.name, len(production.credentials)) == ("PRODUCTION", 1)
    assert [each.service_id for each in with_service.project_services] == [each.id for each in any_desk.services[:2]]
    assert {key.client_id for each in details.environments for key in each.credentials} == {
        made.environments[0].credentials[0].client_id,
        production.credentials[0].client_id,
    }
    assert (details.ambiguous_readings, details.dual) == (True, False)
    assert made.id in [each.id for each in listed.items]
    assert caught.value.reason_code == "PROJECT_NOT_FOUND"


async def test_the_owner_is_an_admin_who_is_marked(desk: Desk) -> None:
    async with desk.client("reader") as client:
        project = await client.send(operations.get_project(desk.project_id))
    members = {member.email.partition("@")[0]: member for member in project.team_members}

    assert {name: (each.role, each.is_owner, each.is_current) for name, each in members.items()} == {
        "owner": ("admin", True, False),
        "colleague": ("admin", False, False),
        "reader": ("read_only", False, True),
    }
    assert "key.revoke" in members["colleague"].permissions
    assert "key.revoke" not in members["reader"].permissions
    assert [name for name, each in members.items() if each.can_become_owner] == ["colleague"]


@pytest.mark.parametrize("name", ["environment", "status"])
async def test_a_path_and_a_body_that_disagree_are_refused(desk: Desk, name: str) -> None:
    sent = {"serviceId": desk.services[0].id, "environment": {"name": "PRODUCTION"}}
    async with desk.http("owner") as http:
        path = f"/developer/projects/{desk.project_id}/environments/SANDBOX/services"
        response = await http.post(path, json=sent if name == "environment" else {**sent, name: "APPROVED"})

    assert response.status_code == 400


async def test_a_key_without_environment_is_for_the_only_one_there_is(desk: Desk) -> None:
    async with desk.client("owner") as client:
        further = Signing(type="SIGNING", alias="live", csr=request_for(1))
        new = NewEnvironment(name="PRODUCTION", credential=further)
        alone = await client.send(operations.add_credential(desk.project_id, signing(2)))
        await client.send(operations.add_environment_to_project(desk.project_id, new))
        with pytest.raises(ApiError) as caught:
            await client.send(operations.add_credential(desk.project_id, signing(3)))

    assert alone.environment == "SANDBOX"
    assert (caught.value.status, caught.value.details) == (400, "environment")


async def test_a_request_can_be_looked_at_before_it_is_sent(desk: Desk) -> None:
    async with desk.client("owner") as client:
        good = await client.send(operations.check_csr(CsrCheck(csr=request_for(1))))
        bad = await client.send(operations.check_csr(CsrCheck(csr="-----BEGIN NOTHING-----")))

    assert good.acceptable
    assert not bad.acceptable
    assert [each.cure != "" for each in bad.findings if not each.ok] == [True]


async def test_a_refused_call_is_explained_to_the_owner_of_its_key(desk: Desk) -> None:
    refusal_id = desk.leave_a_refusal()
    async with desk.client("reader") as client:
        one = await client.send(operations.get_refusal(refusal_id))
        listed = await client.send(operations.list_refusals(desk.project_id))
        callers = await client.send(operations.list_callers(desk.project_id, desk.key_id))
        use = await client.send(operations.get_oauth1_use(desk.project_id))

    assert listed == (one,)
    assert (one.code, one.explanation.target) == ("body_hash", "/payments/1?a=b")
    assert [(step.name, step.ok) for step in one.explanation.steps] == [("header", True), ("body", False)]
    assert [(each.reading, each.text) for each in one.explanation.base_strings] == [("mastercard", "POST&...")]
    assert callers == ()
    assert (use.admitted, use.oauth1, use.callers) == (0, 0, ())
    assert desk.clock.now() - timedelta(days=7) < use.since <= desk.clock.now() - timedelta(days=6)

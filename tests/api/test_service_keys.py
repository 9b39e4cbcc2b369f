"""Service credentials over HTTP, driven by our own SDK, on both databases: contracts 1.2 to 1.6, 12 to 14."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from tests.api.desk import OPERATOR, SANDBOX, Desk, key_pair, request_for

from credenza.actions import access_tokens, services
from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.client.operations import Operation
from credenza.domain.access import Scope
from credenza.domain.model import AuthenticationType, ServiceEnvironment
from credenza.wire.projects import NewProjectService
from credenza.wire.service_keys import (
    AddClientEncryptionKey,
    AddClientOwnedKey,
    AddServiceCredential,
    ServiceCredential,
    ServiceCredentialStatus,
    ServiceCredentialType,
)

pytestmark = pytest.mark.anyio

ONE_ACTIVE = pytest.mark.parametrize("kind", ["MASTERCARD_ENCRYPTION", "CLIENT_SIGNATURE_VERIFICATION"])
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def service_of(desk: Desk) -> int:
    (environment,) = desk.view.project.environments
    return environment.services[0].service_id


def pem(number: int) -> str:
    return key_pair(number).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def new(kind: ServiceCredentialType, number: int = 1, **more: Any) -> AddServiceCredential:
    if kind == "CLIENT_ENCRYPTION":
        return AddClientEncryptionKey(type=kind, alias=f"ours {number}", **more)
    return AddClientOwnedKey(type=kind, alias=f"{kind} {number}", csr=request_for(number), **more)


def adding(desk: Desk, kind: ServiceCredentialType, number: int = 1) -> Operation[ServiceCredential]:
    return operations.add_credential_to_service(desk.project_id, service_of(desk), new(kind, number))


async def add(desk: Desk, kind: ServiceCredentialType, number: int = 1) -> ServiceCredential:
    async with desk.client("owner") as client:
        return await client.send(adding(desk, kind, number))


async def send(desk: Desk, operation: Operation[Any]) -> Any:
    async with desk.client("owner") as client:
        return await client.send(operation)


async def refused(desk: Desk, operation: Operation[Any]) -> tuple[int, str, str | None]:
    with pytest.raises(ApiError) as caught:
        await send(desk, operation)
    return caught.value.status, caught.value.reason_code, caught.value.errors[0].details


def status(desk: Desk, held: ServiceCredential, wanted: str = "ACTIVE") -> Operation[ServiceCredential]:
    return operations.update_service_credential_status(
        desk.project_id, held.service_id, held.id, ServiceCredentialStatus(status=wanted)
    )


def revoking(desk: Desk, held: ServiceCredential) -> Operation[Any]:
    return operations.revoke_service_credential(desk.project_id, held.service_id, held.id)


def getting(desk: Desk, held: ServiceCredential) -> Operation[ServiceCredential]:
    return operations.get_service_credential(desk.project_id, held.service_id, held.id)


async def test_a_key_of_the_clients_comes_with_its_public_half_in_both_forms(any_desk: Desk) -> None:
    made = await add(any_desk, "MASTERCARD_ENCRYPTION")

    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    public = load_pem_public_key(made.public_key.encode())
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert public == key_pair(1).public_key() == certificate.public_key()
    assert made.public_key_fingerprint == hashlib.sha256(spki).hexdigest()
    assert made.certificate_fingerprint == hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    assert (made.type, made.status, made.environment) == ("MASTERCARD_ENCRYPTION", "ACTIVE", "SANDBOX")
    assert (made.service_id, made.key_algorithm) == (service_of(any_desk), "RSA-2048")
    assert await send(any_desk, getting(any_desk, made)) == made


async def test_a_key_that_requests_are_encrypted_with_shows_no_private_half(
    any_desk: Desk,
) -> None:
    async with any_desk.http("owner") as http:
        path = f"/developer/projects/{any_desk.project_id}/services/{service_of(any_desk)}/credentials"
        response = await http.post(path, json={"type": "CLIENT_ENCRYPTION", "alias": "ours"})

    made = response.json()
    assert response.status_code == 200
    assert made["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert made["publicKey"].startswith("-----BEGIN PUBLIC KEY-----")
    assert "PRIVATE" not in response.text
    assert made["createdAt"].endswith("Z")


@ONE_ACTIVE
async def test_activation_swaps_and_says_how_far_it_has_got(any_desk: Desk, kind: ServiceCredentialType) -> None:
    first, second = await add(any_desk, kind, 1), await add(any_desk, kind, 2)
    assert (first.status, second.status) == ("ACTIVE", "INACTIVE")
    assert (first.inactive_since, second.inactive_since) == (None, None), "neither was replaced"
    any_desk.clock.advance(timedelta(hours=1))

    async with any_desk.http("owner") as http:
        response = await http.put(f"{path_of(any_desk, second)}/status", json={"status": "ACTIVE"})

    assert (response.status_code, response.json()["status"]) == (200, "ACTIVE")
    assert response.headers["Credenza-Reach"].startswith("gates=")
    replaced = await send(any_desk, getting(any_desk, first))
    assert (replaced.status, replaced.inactive_since) == ("INACTIVE", any_desk.clock.now())


def path_of(desk: Desk, held: ServiceCredential) -> str:
    return f"/developer/projects/{desk.project_id}/services/{held.service_id}/credentials/{held.id}"


@pytest.mark.parametrize("wanted", ["INACTIVE", "REVOKED", "active", ""])
async def test_no_other_status_can_be_set(desk: Desk, wanted: str) -> None:
    made = await add(desk, "MASTERCARD_ENCRYPTION")

    assert await refused(desk, status(desk, made, wanted)) == (400, "INVALID_CREDENTIAL_STATUS", "status")


async def test_a_client_encryption_key_has_no_status_to_set(desk: Desk) -> None:
    made = await add(desk, "CLIENT_ENCRYPTION")

    assert await refused(desk, status(desk, made)) == (400, "INVALID_KEY_TYPE", "type")


async def test_an_expired_key_is_not_activated(desk: Desk) -> None:
    await add(desk, "MASTERCARD_ENCRYPTION", 1)
    second = await add(desk, "MASTERCARD_ENCRYPTION", 2)
    desk.clock.set(second.not_after + timedelta(seconds=1))
    later = {"name": "later", "scopes": frozenset(Scope), "days": 1, "owner": desk.users["owner"].id}
    issued = access_tokens.create(desk.platform, OPERATOR, desk.organization.id, **later, now=desk.clock.now())
    desk.tokens["owner"] = issued.secret

    assert (await refused(desk, status(desk, second)))[:2] == (400, "ACTIVATING_EXPIRED_KEY")


@ONE_ACTIVE
async def test_the_active_one_is_not_revoked(any_desk: Desk, kind: ServiceCredentialType) -> None:
    first, second = await add(any_desk, kind, 1), await add(any_desk, kind, 2)
    wanted = (409, "REVOKE_ACTIVE_MASTERCARD_ENCRYPTION_CREDENTIAL_ERROR", "credentialId")

    assert await refused(any_desk, revoking(any_desk, first)) == wanted
    await send(any_desk, status(any_desk, second))
    await send(any_desk, revoking(any_desk, first))

    assert (await send(any_desk, getting(any_desk, first))).status == "REVOKED"


async def test_the_last_client_encryption_key_is_not_revoked(any_desk: Desk) -> None:
    first = await add(any_desk, "CLIENT_ENCRYPTION", 1)
    wanted = (409, "REVOKE_LAST_CLIENT_ENCRYPTION_CREDENTIAL_ERROR", "credentialId")

    assert await refused(any_desk, revoking(any_desk, first)) == wanted
    await add(any_desk, "CLIENT_ENCRYPTION", 2)
    await send(any_desk, revoking(any_desk, first))

    assert (await send(any_desk, getting(any_desk, first))).status == "REVOKED"


BAD = {
    "no key at all": ({"type": "MASTERCARD_ENCRYPTION", "alias": "x"}, 400, "INVALID_CSR"),
    "a blank request": ({"type": "MASTERCARD_ENCRYPTION", "alias": "x", "csr": " "}, 400, "INVALID_CSR"),
    "both": ({"type": "MASTERCARD_ENCRYPTION", "alias": "x", "csr": "y", "publicKey": "z"}, 400, "BAD_REQUEST"),
    "a key for ours": ({"type": "CLIENT_ENCRYPTION", "alias": "x", "csr": "y"}, 400, "BAD_REQUEST"),
    "another type": ({"type": "SIGNING", "alias": "x", "csr": "y"}, 400, "INVALID_KEY_TYPE"),
    "no alias": ({"type": "CLIENT_ENCRYPTION"}, 400, "BAD_REQUEST"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_be_added(desk: Desk, name: str) -> None:
    body, code, reason = BAD[name]
    async with desk.http("owner") as http:
        path = f"/developer/projects/{desk.project_id}/services/{service_of(desk)}/credentials"
        response = await http.post(path, json=body)

    assert (response.status_code, response.json()["Errors"]["Error"][0]["ReasonCode"]) == (code, reason)


async def test_unknown_services_and_credentials(desk: Desk) -> None:
    made = await add(desk, "CLIENT_ENCRYPTION")
    elsewhere = operations.add_credential_to_service(desk.project_id, desk.services[0].id, new("CLIENT_ENCRYPTION"))
    absent = operations.get_service_credential(desk.project_id, made.service_id, UNKNOWN)
    at_another = operations.get_service_credential(desk.project_id, desk.services[0].id, made.id)
    key = operations.get_service_credential(desk.project_id, made.service_id, desk.key_id)

    assert (await refused(desk, elsewhere))[:2] == (404, "SERVICE_NOT_FOUND")
    for operation in (absent, at_another, key):
        assert (await refused(desk, operation))[:2] == (404, "CREDENTIAL_NOT_FOUND")


async def test_a_service_comes_with_its_credentials_in_one_call(any_desk: Desk) -> None:
    added = NewProjectService.model_validate(
        {
            "serviceId": any_desk.services[0].id,
            "environment": {
                "name": "SANDBOX",
                "serviceDetails": {
                    "credentials": [
                        {"type": "MASTERCARD_ENCRYPTION", "alias": "reader", "csr": request_for(1)},
                        {"type": "CLIENT_ENCRYPTION", "alias": "ours"},
                    ]
                },
            },
        }
    )

    place = await send(any_desk, operations.add_service_to_environment(any_desk.project_id, "SANDBOX", added))

    (used,) = [each for each in place.project_services if each.service_id == any_desk.services[0].id]
    assert {each.alias: each.status for each in used.credentials} == {"reader": "ACTIVE", "ours": "ACTIVE"}
    assert [each.type for each in place.credentials] == ["SIGNING"]
    shown = await send(any_desk, operations.get_project(any_desk.project_id))
    assert shown.environments[0] == place
    listed = await send(any_desk, operations.list_projects())
    assert [each.type for each in listed.items[0].environments[0].credentials] == ["SIGNING"]


async def test_one_bad_credential_and_the_service_is_not_added(any_desk: Desk) -> None:
    bad = {"type": "MASTERCARD_ENCRYPTION", "alias": "reader", "csr": "-----BEGIN"}
    details = {"credentials": [{"type": "CLIENT_ENCRYPTION", "alias": "ours"}, bad]}
    body = {"serviceId": any_desk.services[0].id, "environment": {"name": "SANDBOX", "serviceDetails": details}}
    adding_it = operations.add_service_to_environment(
        any_desk.project_id, "SANDBOX", NewProjectService.model_validate(body)
    )

    assert (await refused(any_desk, adding_it))[:2] == (400, "INVALID_CSR")
    shown = await send(any_desk, operations.get_project(any_desk.project_id))
    assert [each.service_id for each in shown.environments[0].project_services] == [service_of(any_desk)]


async def test_a_list_in_pages_and_by_filters(any_desk: Desk) -> None:
    reader, other = [await add(any_desk, "MASTERCARD_ENCRYPTION", number) for number in (1, 2)]
    ours = await add(any_desk, "CLIENT_ENCRYPTION", 3)
    project, service = any_desk.project_id, service_of(any_desk)

    first = await send(any_desk, operations.list_service_keys(project, service, limit=2))
    rest = await send(any_desk, operations.list_service_keys(project, service, limit=2, cursor=first.next_cursor))

    assert [each.id for each in (*first.items, *rest.items)] == sorted([reader.id, other.id, ours.id])
    assert rest.next_cursor is None
    for wanted, found in (
        ({"type": "CLIENT_ENCRYPTION"}, {ours.id}),
        ({"status": "INACTIVE"}, {other.id}),
        ({"environment": "PRODUCTION"}, set()),
        ({"expiring": True}, set()),
    ):
        page = await send(any_desk, operations.list_service_keys_of_project(project, **wanted))
        assert {each.id for each in page.items} == found
    assert (await send(any_desk, operations.list_service_keys(project, any_desk.services[0].id))).items == ()


async def test_what_is_said_of_payloads_is_shown_and_kept_in_one_form(desk: Desk) -> None:
    place = ServiceEnvironment(SANDBOX, "/tokens", "http://127.0.0.1:9", 13, None, '{"encryption": {"mode": "JWE"}}')
    wanted = services.NewService("Tokens", AuthenticationType.OAUTH10A, "", (place,))
    services.create(desk.platform, OPERATOR, wanted, now=desk.clock.now())

    shown = await send(desk, operations.list_services())

    (tokens,) = [each for each in shown if each.name == "Tokens"]
    rules = tokens.environments[0].payload_rules
    assert rules is not None
    assert (rules["encryption"]["mode"], rules["signature"]) == ("JWE", None)
    (whole,) = rules["encryption"]["requests"]["places"]
    assert (whole["element"], whole["encrypted"], whole["optional"]) == ("$", "$", False)

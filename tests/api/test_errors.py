"""Every ReasonCode, reached over HTTP: one envelope, its documented status, a request id, no more than is good."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.actions.stage import issuing_authority
from tests.api.desk import OPERATOR, SANDBOX, Desk, request_for
from tests.api.test_api_credentials import asked, profile_api, workspace

from credenza.actions import oauth_keys, organizations, service_keys
from credenza.actions.context import Once
from credenza.actions.issuing import NewKey
from credenza.actions.service_key_admission import ByRequest, MadeHere
from credenza.api.errors import CODES, REASONS, answer
from credenza.api.idempotency import request_hash
from credenza.api.rate_limits import Rates
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, CredentialKind, OrganizationRole, ProjectType
from credenza.store import schema
from credenza.store.engine import open_database, reading, writing
from credenza.wire.errors import Envelope, ReasonCode

pytestmark = pytest.mark.anyio

UNKNOWN_KEY = "ab" * 16 + "0" * 16
UNKNOWN_UUID = "00000000-0000-4000-8000-000000000000"
DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text())
Scenario = Callable[[Desk], Awaitable[httpx.Response]]
SCENARIOS: dict[ReasonCode, Scenario] = {}


def reaches(code: ReasonCode) -> Callable[[Scenario], Scenario]:
    def keep(scenario: Scenario) -> Scenario:
        SCENARIOS[code] = scenario
        return scenario

    return keep


def signing(number: int, **more: Any) -> dict[str, Any]:
    return {"type": "SIGNING", "alias": "next", "csr": request_for(number), **more}


def project(desk: Desk, **changed: Any) -> dict[str, Any]:
    return {
        "type": "OAUTH10A",
        "name": "Another",
        "region": "EU",
        "service": {"serviceId": desk.services[0].id},
        "environment": "SANDBOX",
        "credential": signing(1),
        **changed,
    }


async def send(desk: Desk, who: str | None, method: str, path: str, app: Any = None, **kwargs: Any) -> httpx.Response:
    async with desk.http(who, app=app) as http:
        return await http.request(
            method, path.format(p=desk.project_id, k=desk.key_id, o=desk.organization.id), **kwargs
        )


@reaches(ReasonCode.BAD_REQUEST)
async def an_unknown_property(desk: Desk) -> httpx.Response:
    return await send(desk, "owner", "POST", "/developer/projects", json=project(desk, ownerId="x"))


@reaches(ReasonCode.INVALID_CSR)
async def a_blank_request(desk: Desk) -> httpx.Response:
    blank = {"type": "SIGNING", "alias": "next", "csr": ""}
    return await send(desk, "owner", "POST", "/developer/projects/{p}/credentials", json=blank)


@reaches(ReasonCode.INVALID_KEY_TYPE)
async def a_certificate_for_an_oauth_project(desk: Desk) -> httpx.Response:
    sent = signing(1, type="MTLS_CSR")
    return await send(desk, "owner", "POST", "/developer/projects/{p}/credentials", json=sent)


@reaches(ReasonCode.INVALID_CREDENTIAL_STATUS)
async def rotating_a_revoked_key(desk: Desk) -> httpx.Response:
    await send(desk, "owner", "DELETE", "/api/projects/{p}/credentials/{k}")
    body = {"alias": "next", "csr": request_for(1)}
    return await send(desk, "owner", "POST", "/api/projects/{p}/credentials/{k}/rotate", json=body)


@reaches(ReasonCode.PROJECT_TYPE_NOT_SUPPORTED)
async def a_type_outside_the_seeds(desk: Desk) -> httpx.Response:
    return await send(desk, "owner", "POST", "/developer/projects", json=project(desk, type="OPEN_BANKING_PARTNER"))


@reaches(ReasonCode.INVALID_PROJECT_STATUS)
async def a_key_for_an_environment_not_requested(desk: Desk) -> httpx.Response:
    sent = signing(1, environment="PRODUCTION")
    return await send(desk, "owner", "POST", "/developer/projects/{p}/credentials", json=sent)


@reaches(ReasonCode.NO_ACCESS_TO_PROJECT)
async def a_read_only_member_who_deletes(desk: Desk) -> httpx.Response:
    return await send(desk, "reader", "DELETE", "/developer/projects/{p}")


@reaches(ReasonCode.CREDENTIAL_NOT_FOUND)
async def an_unknown_credential(desk: Desk) -> httpx.Response:
    return await send(desk, "owner", "DELETE", f"/developer/projects/{{p}}/credentials/{UNKNOWN_KEY}")


@reaches(ReasonCode.SERVICE_NOT_FOUND)
async def an_unknown_service(desk: Desk) -> httpx.Response:
    path = "/developer/projects/{p}/environments/SANDBOX/services"
    return await send(desk, "owner", "POST", path, json={"serviceId": 999})


@reaches(ReasonCode.PROJECT_NAME_ALREADY_EXISTS)
async def a_name_twice(desk: Desk) -> httpx.Response:
    return await send(desk, "owner", "POST", "/developer/projects", json=project(desk, name="Shop"))


@reaches(ReasonCode.PROJECT_SERVICE_ALREADY_EXISTS)
async def a_service_twice(desk: Desk) -> httpx.Response:
    path = "/developer/projects/{p}/environments/SANDBOX/services"
    return await send(desk, "owner", "POST", path, json={"serviceId": desk.services[1].id})


@reaches(ReasonCode.PROJECT_ENVIRONMENT_EXISTS)
async def an_environment_twice(desk: Desk) -> httpx.Response:
    sent = {"name": "SANDBOX", "credential": signing(1)}
    return await send(desk, "owner", "POST", "/developer/projects/{p}/environments", json=sent)


@reaches(ReasonCode.INVALID_PROJECT_CONFIG)
async def a_country_not_allowed(desk: Desk) -> httpx.Response:
    app = desk.under(commercial_countries=frozenset({"IRL"}))
    return await send(desk, "owner", "PUT", "/developer/projects/{p}", app=app, json={"commercialCountries": ["USA"]})


@reaches(ReasonCode.PROJECTS_MAX_EXCEEDED)
async def one_project_too_many(desk: Desk) -> httpx.Response:
    organizations.set_project_limit(desk.platform, OPERATOR, desk.organization.id, 1, now=desk.clock.now())
    return await send(desk, "owner", "POST", "/developer/projects", json=project(desk))


@reaches(ReasonCode.OAUTH2_KEYS_MAX_EXCEEDED)
async def one_oauth2_key_too_many(desk: Desk) -> httpx.Response:
    view = desk.project("Modern", number=1, kind=ProjectType.OAUTH2_FAPI)
    path = f"/developer/projects/{view.project.id}/credentials"
    return await send(desk, "owner", "POST", path, app=desk.under(oauth2_key_limit=1), json=signing(2))


@reaches(ReasonCode.CREDENTIAL_NOT_RENEWABLE)
async def renewing_a_young_key(desk: Desk) -> httpx.Response:
    return await send(desk, "owner", "POST", "/api/projects/{p}/credentials/{k}/renew")


@reaches(ReasonCode.INVALID_AUTH_HEADER)
async def a_header_that_cannot_be_read(desk: Desk) -> httpx.Response:
    return await send(desk, None, "GET", "/developer/projects", headers={"Authorization": "OAuth what"})


@reaches(ReasonCode.INVALID_OAUTH_SBS)
async def a_header_without_a_nonce(desk: Desk) -> httpx.Response:
    header = 'OAuth oauth_consumer_key="a",oauth_timestamp="1",oauth_signature_method="RSA-SHA256",oauth_signature=""'
    return await send(desk, None, "GET", "/developer/projects", headers={"Authorization": header})


@reaches(ReasonCode.AUTHENTICATION_FAILED)
async def a_signature_of_somebody_else(desk: Desk) -> httpx.Response:
    key = desk.account_key("owner", number=1)
    async with desk.signer(key, number=2) as client:
        return await client._http.get("/developer/projects")


@reaches(ReasonCode.DUPLICATE_CERTIFICATE)
async def a_key_twice(desk: Desk) -> httpx.Response:
    return await send(desk, "owner", "POST", "/developer/projects/{p}/credentials", json=signing(0))


@reaches(ReasonCode.LAST_ACTIVE_CREDENTIAL)
async def the_last_key_of_a_caller_who_wants_to_be_held_back(desk: Desk) -> httpx.Response:
    path = "/developer/projects/{p}/credentials/{k}"
    return await send(desk, "owner", "DELETE", path, headers={"Credenza-Keep-Last": "true"})


def service_key(desk: Desk, number: int, kind: CredentialKind) -> str:
    """The path of a new service credential."""
    (environment,) = desk.view.project.environments
    service_id = environment.services[0].service_id
    ours = kind is CredentialKind.REQUEST_ENCRYPTION
    new = MadeHere("ours") if ours else ByRequest(kind, "theirs", request_for(number).encode())
    place = (desk.view.project.id, service_id)
    made = service_keys.add(desk.platform, desk.actor("owner"), *place, new, None, now=desk.clock.now())
    return f"/developer/projects/{{p}}/services/{service_id}/credentials/{made.id}"


@reaches(ReasonCode.ACTIVATING_EXPIRED_KEY)
async def activating_a_key_that_has_ended(desk: Desk) -> httpx.Response:
    path = service_key(desk, 1, CredentialKind.RESPONSE_ENCRYPTION)
    with writing(desk.database.records) as connection:
        ended = {"not_after": desk.clock.now() - timedelta(days=1)}
        connection.execute(update(schema.credentials).where(schema.credentials.c.id == path[-36:]).values(ended))
    return await send(desk, "owner", "PUT", f"{path}/status", json={"status": "ACTIVE"})


@reaches(ReasonCode.REVOKE_ACTIVE_MASTERCARD_ENCRYPTION_CREDENTIAL_ERROR)
async def revoking_the_active_encryption_key(desk: Desk) -> httpx.Response:
    return await send(desk, "owner", "DELETE", service_key(desk, 1, CredentialKind.RESPONSE_ENCRYPTION))


@reaches(ReasonCode.REVOKE_LAST_CLIENT_ENCRYPTION_CREDENTIAL_ERROR)
async def revoking_the_last_client_encryption_key(desk: Desk) -> httpx.Response:
    return await send(desk, "owner", "DELETE", service_key(desk, 1, CredentialKind.REQUEST_ENCRYPTION))


async def api_credential(desk: Desk) -> tuple[str, dict[str, Any]]:
    """The path of a new API credential, and the edit that changes nothing of it."""
    wanted = asked(profile_api(desk), workspace(desk, desk.organization)).model_dump(mode="json", by_alias=True)
    made = (await send(desk, "admin", "POST", "/api/organizations/{o}/api-credentials", json=wanted)).json()
    edit = {name: value for name, value in wanted.items() if name != "environment"}
    return f"/api/organizations/{{o}}/api-credentials/{made['id']}", {**edit, "version": made["version"]}


@reaches(ReasonCode.EDITED_MEANWHILE)
async def the_second_of_two_editors(desk: Desk) -> httpx.Response:
    path, edit = await api_credential(desk)
    await send(desk, "admin", "PUT", path, json=edit)
    return await send(desk, "compliance", "PUT", path, json=edit)


@reaches(ReasonCode.CLIENT_SECRETS_MAX_EXCEEDED)
async def a_third_secret(desk: Desk) -> httpx.Response:
    path, _ = await api_credential(desk)
    await send(desk, "admin", "POST", f"{path}/secrets", json={"keepOld": "24h"})
    return await send(desk, "admin", "POST", f"{path}/secrets", json={"keepOld": "24h"})


@reaches(ReasonCode.PROJECT_NOT_FOUND)
async def a_project_of_another_organization(desk: Desk) -> httpx.Response:
    return await send(desk, "stranger", "GET", "/developer/projects/{p}")


@reaches(ReasonCode.UNAUTHORIZED)
async def nobody(desk: Desk) -> httpx.Response:
    return await send(desk, None, "GET", "/developer/projects")


@reaches(ReasonCode.PAYLOAD_TOO_LARGE)
async def a_body_of_more_than_a_mebibyte(desk: Desk) -> httpx.Response:
    return await send(desk, "owner", "POST", "/developer/projects", content=b" " * (1024 * 1024 + 1))


@reaches(ReasonCode.RATE_LIMIT_EXCEEDED)
async def too_often(desk: Desk) -> httpx.Response:
    app = desk.build(rates=Rates(requests_per_minute=10), seconds=lambda: 0.0)
    for _ in range(10):
        await send(desk, "owner", "GET", "/api/me", app=app)
    return await send(desk, "owner", "GET", "/api/me", app=app)


@reaches(ReasonCode.IDEMPOTENCY_KEY_REUSED)
async def a_key_for_two_requests(desk: Desk) -> httpx.Response:
    headers = {"Idempotency-Key": "one"}
    path = "/developer/projects/{p}/credentials"
    await send(desk, "owner", "POST", path, json=signing(1), headers=headers)
    return await send(desk, "owner", "POST", path, json=signing(2), headers=headers)


@reaches(ReasonCode.IDEMPOTENCY_ANSWER_GONE)
async def a_secret_asked_for_again_too_late(desk: Desk) -> httpx.Response:
    sent = {"json": {"name": "ci", "scopes": ["read"]}, "headers": {"Idempotency-Key": "one"}}
    await send(desk, "owner", "POST", "/api/organizations/{o}/access-tokens", **sent)
    desk.clock.advance(timedelta(minutes=11))
    return await send(desk, "owner", "POST", "/api/organizations/{o}/access-tokens", **sent)


class PowerCut(BaseException):
    """Nothing of ours catches it."""


@reaches(ReasonCode.IDEMPOTENCY_IN_PROGRESS)
async def a_twin_under_way(desk: Desk) -> httpx.Response:
    body = json.dumps(signing(1)).encode()
    path = f"/developer/projects/{desk.project_id}/credentials"
    once = Once("one", request_hash("POST", path, body))

    def cut(name: str) -> None:
        if name == "before_signature":
            raise PowerCut

    with pytest.raises(PowerCut):
        oauth_keys.add_by_csr(
            replace(desk.platform, failpoint=cut),
            desk.actor("owner"),
            desk.view.project.id,
            NewKey("next", request_for(1).encode()),
            SANDBOX,
            now=desk.clock.now(),
            once=once,
        )
    headers = {"Idempotency-Key": "one", "Content-Type": "application/json"}
    return await send(desk, "owner", "POST", path, content=body, headers=headers)


@reaches(ReasonCode.FORBIDDEN)
async def a_partner_who_changes_the_catalog(desk: Desk) -> httpx.Response:
    return await send(desk, "admin", "DELETE", f"/api/services/{desk.services[0].id}")


@reaches(ReasonCode.NOT_FOUND)
async def another_organization(desk: Desk) -> httpx.Response:
    return await send(desk, "admin", "GET", f"/api/organizations/{desk.other.id}")


@reaches(ReasonCode.METHOD_NOT_ALLOWED)
async def a_method_the_path_does_not_take(desk: Desk) -> httpx.Response:
    return await send(desk, "owner", "PATCH", "/developer/projects/{p}")


@reaches(ReasonCode.MEMBERS_MAX_EXCEEDED)
async def one_admin_too_many(desk: Desk) -> httpx.Response:
    answered = None
    for number in range(9):  # the owner and the colleague are admins already
        desk.join(f"admin{number}", OrganizationRole.USER)
        sent = {"email": f"admin{number}@example.com", "role": "admin"}
        answered = await send(desk, "owner", "POST", "/api/projects/{p}/members", json=sent)
    assert answered is not None
    return answered


@reaches(ReasonCode.INTERNAL_ERROR)
async def a_fault_of_ours(desk: Desk) -> httpx.Response:
    def broken(_request: Request) -> Response:
        raise RuntimeError("SELECT secret FROM /etc/credenza")

    desk.app.router.routes.append(Route("/broken", broken))
    return await send(desk, None, "GET", "/broken")


@reaches(ReasonCode.SERVICE_UNAVAILABLE)
async def no_database(desk: Desk) -> httpx.Response:
    away = open_database(f"sqlite:///{desk.directory}/nowhere/credenza.db")

    def ready() -> None:
        with reading(away.records):
            raise AssertionError("there is no such database")

    desk.app.state.ready = ready
    return await send(desk, None, "GET", "/health")


OPERATORS_ONLY = {ReasonCode.NAME_ALREADY_EXISTS}
"""What only operators can run into, and they do not come over HTTP."""


def test_every_reason_code_has_a_scenario() -> None:
    assert set(SCENARIOS) | OPERATORS_ONLY == set(ReasonCode) == set(REASONS)


def test_every_code_of_the_product_becomes_a_reason_code() -> None:
    assert set(CODES) == set(Code)


@pytest.mark.parametrize("code", SCENARIOS)
async def test_a_refusal_has_the_documented_shape(desk: Desk, code: ReasonCode) -> None:
    response = await SCENARIOS[code](desk)
    told = Envelope.model_validate_json(response.content).errors.error

    assert [each.reason_code for each in told] == [code]
    assert response.status_code == REASONS[code].status
    assert (told[0].source, told[0].recoverable) == (REASONS[code].source, REASONS[code].recoverable)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert code in documented_codes(response)
    milliseconds, _, identity = response.headers["Credenza-Request-Id"].partition("-")
    assert (int(milliseconds), len(identity)) == (int(desk.clock.now().timestamp() * 1000), 36)


@pytest.mark.parametrize(
    ("code", "details"),
    [
        (ReasonCode.BAD_REQUEST, "ownerId"),
        (ReasonCode.INVALID_CSR, "csr"),
        (ReasonCode.INVALID_KEY_TYPE, "type (MTLS_CSR)"),
        (ReasonCode.SERVICE_NOT_FOUND, "serviceId"),
        (ReasonCode.PROJECT_NAME_ALREADY_EXISTS, "name"),
        (ReasonCode.INTERNAL_ERROR, None),
        (ReasonCode.SERVICE_UNAVAILABLE, None),
    ],
)
async def test_the_details_name_the_property_at_fault(desk: Desk, code: ReasonCode, details: str | None) -> None:
    response = await SCENARIOS[code](desk)

    assert response.json()["Errors"]["Error"][0]["Details"] == details


async def test_a_fault_of_ours_carries_no_detail(desk: Desk) -> None:
    response = await SCENARIOS[ReasonCode.INTERNAL_ERROR](desk)

    assert "SELECT" not in response.text


async def test_a_signing_key_for_a_project_that_takes_none_names_its_type(desk: Desk) -> None:
    sent = project(desk, type="MTLS", service={"serviceId": desk.services[2].id})
    response = await send(desk, "owner", "POST", "/developer/projects", json=sent)

    assert response.json()["Errors"]["Error"][0]["Details"] == "type (SIGNING)"


async def test_each_wrong_property_is_an_item_of_its_own(desk: Desk) -> None:
    sent = project(desk, environment="MTF", commercialCountries=["IE"], name=" x") | {"status": "ACTIVE"}
    response = await send(desk, "owner", "POST", "/developer/projects", json=sent)

    assert [each["Details"] for each in response.json()["Errors"]["Error"]] == [
        "name",
        "environment",
        "commercialCountries.0",
        "status",
    ]


@pytest.mark.parametrize(
    ("content", "details"),
    [
        (b"{", "body"),
        (b"[" * 200_000, "body"),
        (b"\xff\xfe", "body"),
        (b"null", "body"),
        (b'"text"', "body"),
        (b"{}", "type"),
        (b'{"type": "NONE"}', "type"),
        (b'{"type": "SIGNING", "csr": ""}', "alias"),
        (b'{"type": "SIGNING", "csr": 7, "alias": "x"}', "csr"),
        (b'{"type": "SIGNING", "csr": "", "alias": "\\ud800"}', "alias"),
        (b'{"type": "SIGNING", "csr": "", "alias": "a\\u0000b"}', "alias"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_bad_request(desk: Desk, content: bytes, details: str) -> None:
    path = "/developer/projects/{p}/credentials"
    headers = {"Content-Type": "application/json"}
    response = await send(desk, "owner", "POST", path, content=content, headers=headers)
    error = response.json()["Errors"]["Error"][0]

    assert (response.status_code, error["ReasonCode"]) == (400, "BAD_REQUEST")
    assert error["Details"] in (details, None)


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", ""])
async def test_what_was_not_sent_as_json_is_told_the_header_that_it_lacks(desk: Desk, content_type: str) -> None:
    path = "/developer/projects/{p}/credentials"
    headers = {"Content-Type": content_type}
    response = await send(desk, "owner", "POST", path, content=json.dumps(signing(1)), headers=headers)
    error = response.json()["Errors"]["Error"][0]

    assert (response.status_code, error["ReasonCode"], error["Details"]) == (400, "BAD_REQUEST", "body")
    assert "Content-Type: application/json" in error["Description"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/developer/projects/{p}/services/1/credentials", "SIGNING"),
        ("/developer/projects/{p}/credentials", "MASTERCARD_ENCRYPTION"),
    ],
)
async def test_a_type_of_credential_that_has_its_place_elsewhere_is_named(desk: Desk, path: str, found: str) -> None:
    response = await send(desk, "owner", "POST", path, json=signing(1, type=found))
    error = response.json()["Errors"]["Error"][0]

    assert (response.status_code, error["ReasonCode"]) == (400, "INVALID_KEY_TYPE")
    assert error["Details"] == f"type ({found})"


@pytest.mark.parametrize(
    ("config", "description"),
    [
        ({"mode": "fast"}, "Nothing is taken in environment.serviceDetails.config. Leave it out, or empty."),
        ([], "environment.serviceDetails.config: Input should be a valid dictionary."),
    ],
)
async def test_a_service_takes_no_configuration_and_says_so(desk: Desk, config: object, description: str) -> None:
    details = {"name": "SANDBOX", "serviceDetails": {"config": config}}
    body = {"serviceId": desk.services[0].id, "environment": details}
    response = await send(desk, "owner", "POST", "/developer/projects/{p}/environments/SANDBOX/services", json=body)

    assert [each["Description"] for each in response.json()["Errors"]["Error"]] == [description]


@pytest.mark.parametrize(
    ("path", "details"),
    [
        ("/developer/projects/7", "projectId"),
        (f"/developer/projects/{UNKNOWN_UUID.upper()}'--", "projectId"),
        (f"/api/projects/{UNKNOWN_UUID}/credentials/xyz", "credentialId"),
        (f"/api/projects/{UNKNOWN_UUID}/credentials?limit=0", "limit"),
        (f"/api/projects/{UNKNOWN_UUID}/credentials?limit=201", "limit"),
        (f"/api/projects/{UNKNOWN_UUID}/credentials?cursor=%00", "cursor"),
        (f"/api/projects/{UNKNOWN_UUID}/credentials?status=DEAD", "status"),
    ],
)
async def test_a_bad_path_id_or_parameter_is_named(desk: Desk, path: str, details: str) -> None:
    response = await send(desk, "owner", "GET", path.replace("{", "{{").replace("}", "}}"))

    assert (response.status_code, response.json()["Errors"]["Error"][0]["Details"]) == (400, details)


async def test_a_value_in_the_wrong_place_is_not_echoed(desk: Desk) -> None:
    secret = desk.tokens["owner"]
    sent = {"type": secret, "alias": secret, secret[:3]: secret, "csr": [secret]}
    response = await send(desk, "owner", "POST", "/developer/projects/{p}/credentials", json=sent)

    assert secret not in response.text


@pytest.mark.parametrize("path", ["/api/nothing", "/developer/projects/", "/developer//projects", "/nothing"])
async def test_what_does_not_exist_is_not_found_in_the_envelope_too(desk: Desk, path: str) -> None:
    response = await send(desk, "owner", "GET", path)

    assert (response.status_code, response.json()["Errors"]["Error"][0]["ReasonCode"]) == (404, "NOT_FOUND")


async def test_a_method_not_allowed_names_those_that_are(desk: Desk) -> None:
    response = await SCENARIOS[ReasonCode.METHOD_NOT_ALLOWED](desk)

    assert response.headers["Allow"] == "DELETE, GET, PUT"


async def test_who_is_refused_for_a_while_is_told_how_long(desk: Desk) -> None:
    unavailable = await SCENARIOS[ReasonCode.SERVICE_UNAVAILABLE](desk)
    limited = await SCENARIOS[ReasonCode.RATE_LIMIT_EXCEEDED](desk)

    assert (unavailable.headers["Retry-After"], limited.headers["Retry-After"]) == ("2", "6")


def test_a_taken_name_is_a_conflict() -> None:
    response = answer(Refusal(Code.DUPLICATE_NAME, "Taken.", field="name"))

    assert (response.status_code, b"NAME_ALREADY_EXISTS" in response.body) == (409, True)


async def test_the_end_of_the_issuing_authority_is_answered_as_a_fault_of_the_server(desk: Desk) -> None:
    end = issuing_authority(desk.platform, SANDBOX).not_valid_after_utc
    person = Actor(ActorKind.SESSION, "s", desk.users["owner"].id)

    with pytest.raises(Refusal) as refused:
        oauth_keys.add_by_csr(
            desk.platform,
            person,
            desk.view.project.id,
            NewKey("late", request_for(9).encode()),
            SANDBOX,
            now=end,
        )

    response = answer(refused.value)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert b"SERVICE_UNAVAILABLE" in response.body


def documented_codes(response: httpx.Response) -> set[str]:
    """The ReasonCodes the document gives for the operation and status of a response; all, for what is no operation."""
    for template, operations in DOCUMENT["paths"].items():
        if path_matches(template, response.request.url.path):
            found = operations.get(response.request.method.lower(), {"responses": {}})
            told = found["responses"].get(str(response.status_code), {"content": {"application/json": {}}})
            return set(
                told["content"]["application/json"].get("examples", ReasonCode if not found["responses"] else ())
            )
    return set(ReasonCode)


def path_matches(template: str, path: str) -> bool:
    pairs = list(zip(template.split("/"), path.split("/"), strict=False))
    same_length = template.count("/") == path.count("/")
    return same_length and all(wanted == got or wanted.startswith("{") for wanted, got in pairs)

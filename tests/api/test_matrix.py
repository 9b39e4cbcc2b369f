"""Who may do what over HTTP: every operation of the kept OpenAPI document, asked by everybody (security.md, threat 19).

The table below is the oracle, written from contracts 1.7 and product.md and not from the code. What a caller may not
see is answered exactly as what does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count, cycle
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from tests.api.desk import OPERATOR, ROLES, STRANGER, Desk, request_for
from tests.clock import NOON
from tests.databases import SqlitePlace

from credenza.actions import (
    access_tokens,
    account_keys,
    accounts,
    api_credentials,
    calendar_feeds,
    deliveries,
    enrolment_secrets,
    invitations,
    roles,
    service_keys,
    services,
    tls_client_names,
    traces,
    webhooks,
    workspaces,
)
from credenza.actions.api_credentials import NewApiCredential
from credenza.actions.service_key_admission import ByRequest
from credenza.actions.services import NewService
from credenza.domain.access import Scope
from credenza.domain.api_credentials import ApiCredentialQuery, ApiGrant
from credenza.domain.catalog import CatalogEntry, Permission, ScopeLevel
from credenza.domain.lists import ServiceKeyQuery
from credenza.domain.model import (
    AuthenticationType,
    CredentialKind,
    EnvironmentName,
    OrganizationRole,
    ServiceEnvironment,
    Status,
)
from credenza.protocol.tls_client_name import NameKind
from credenza.store import schema
from credenza.store.engine import writing

pytestmark = pytest.mark.anyio

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text())
OPERATIONS = {
    operation["operationId"]: (method.upper(), path)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if operation["security"]
}

EVERYBODY = frozenset(ROLES)
READERS = frozenset({"admin", "compliance", "owner", "colleague", "reader"})
WRITERS = frozenset({"admin", "owner", "colleague"})
MAKERS = frozenset({"admin", "compliance", "owner", "colleague", "bystander"})
OVERSEERS = frozenset({"admin", "compliance"})
ADMINS = frozenset({"admin"})
NOBODY: frozenset[str] = frozenset()
ANYBODY = EVERYBODY | {STRANGER}
"""What concerns the caller alone."""

MAY: dict[str, frozenset[str]] = {
    "listServices": ANYBODY,
    "createProject": MAKERS | {STRANGER},
    "listProjects": ANYBODY,
    "getProject": READERS,
    "updateProject": WRITERS,
    "deleteProject": WRITERS,
    "addEnvironmentToProject": WRITERS,
    "addServiceToEnvironment": WRITERS,
    "addCredentialToProject": WRITERS,
    "revokeProjectCredential": WRITERS,
    "addCredentialToService": WRITERS,
    "getServiceCredential": READERS,
    "updateServiceCredentialStatus": WRITERS,
    "revokeServiceCredential": WRITERS,
    "getMe": ANYBODY,
    "listOrganizations": ANYBODY,
    "createOrganization": NOBODY,
    "getOrganization": EVERYBODY,
    "setProjectLimit": NOBODY,
    "releaseCertificateSubject": NOBODY,
    "listMembers": EVERYBODY,
    "setMember": ADMINS,
    "removeMember": ADMINS,
    "listAccounts": EVERYBODY,
    "createAccount": ADMINS,
    "renameAccount": ADMINS,
    "archiveAccount": ADMINS,
    "listWorkspaces": EVERYBODY,
    "createWorkspace": ADMINS,
    "renameWorkspace": ADMINS,
    "moveWorkspace": ADMINS,
    "archiveWorkspace": ADMINS,
    "listRoles": EVERYBODY,
    "createRole": ADMINS,
    "editRole": ADMINS,
    "removeRole": ADMINS,
    "listInvitations": EVERYBODY,
    "inviteMember": ADMINS,
    "withdrawInvitation": ADMINS,
    "listAccessTokens": EVERYBODY,
    "createAccessToken": EVERYBODY,
    "revokeAccessToken": ADMINS,
    "listApiKeys": EVERYBODY,
    "addApiKey": MAKERS,
    "revokeApiKey": ADMINS,
    "listProjectsOfOrganization": EVERYBODY,
    "listAuditEntries": OVERSEERS,
    "exportAuditLog": OVERSEERS,
    "getAuditHead": OVERSEERS,
    "listExpiring": EVERYBODY,
    "countExpiringByMonth": EVERYBODY,
    "listCalendarFeeds": EVERYBODY,
    "makeCalendarFeed": EVERYBODY,
    "revokeCalendarFeed": ADMINS,
    "listWebhooks": OVERSEERS,
    "addWebhook": ADMINS,
    "removeWebhook": ADMINS,
    "testWebhook": ADMINS,
    "listDeliveries": OVERSEERS,
    "getDelivery": OVERSEERS,
    "listInbox": ANYBODY,
    "countUnread": ANYBODY,
    "markRead": ANYBODY,
    "listUsers": NOBODY,
    "createUser": NOBODY,
    "listServicesInDetail": ANYBODY,
    "createService": NOBODY,
    "changeService": NOBODY,
    "retireService": NOBODY,
    "listAuthorities": NOBODY,
    "makeAuthority": NOBODY,
    "importAuthority": NOBODY,
    "rollOverAuthority": NOBODY,
    "getAuthority": NOBODY,
    "listTrustedAuthorities": NOBODY,
    "addTrustedAuthority": NOBODY,
    "getTrustedAuthority": NOBODY,
    "setRevocationCheck": NOBODY,
    "disableTrustedAuthority": NOBODY,
    "getProjectDetails": READERS,
    "upgradeProject": WRITERS,
    "getTlsClientName": READERS,
    "registerTlsClientName": WRITERS,
    "removeTlsClientName": WRITERS,
    "listProjectMembers": READERS,
    "setProjectMember": WRITERS,
    "leaveProject": frozenset({"colleague", "reader"}),
    "removeProjectMember": WRITERS,
    "listCredentials": READERS,
    "addCredential": WRITERS,
    "getCredential": READERS,
    "revokeCredential": WRITERS,
    "rotateCredential": WRITERS,
    "renewCredential": WRITERS,
    "listApiCredentials": OVERSEERS,
    "listApiChoices": OVERSEERS,
    "createApiCredential": OVERSEERS,
    "getApiCredential": OVERSEERS,
    "editApiCredential": OVERSEERS,
    "activateApiCredential": OVERSEERS,
    "deactivateApiCredential": OVERSEERS,
    "deleteApiCredential": OVERSEERS,
    "issueClientSecret": OVERSEERS,
    "deleteClientSecret": OVERSEERS,
    "listServiceKeysOfProject": READERS,
    "listServiceKeys": READERS,
    "addServiceKey": WRITERS,
    "getServiceKey": READERS,
    "activateServiceKey": WRITERS,
    "revokeServiceKey": WRITERS,
    "listEnrolmentSecrets": READERS,
    "createEnrolmentSecret": WRITERS,
    "revokeEnrolmentSecret": WRITERS,
    "listCallers": READERS,
    "getOauth1Use": READERS,
    "listRefusals": READERS,
    "getRefusal": READERS,
    "checkCsr": ANYBODY,
}

UNKNOWN_UUID = "00000000-0000-4000-8000-000000000000"
UNKNOWN_KEY = "ab" * 16 + "0" * 16
_numbers = count(10)
_keys = cycle(range(5, 9))
"""Of the run's keys; what is asked of one desk asks for fewer."""


def test_the_table_has_every_operation_of_the_document() -> None:
    assert set(MAY) == set(OPERATIONS)


class Call:
    """A request that would be good, were it allowed."""

    def __init__(self, desk: FullDesk, operation: str, *, places: dict[str, str] | None = None) -> None:
        self.method, template = OPERATIONS[operation]
        places = places or desk.places
        if "/services/{service_id}/" in template and places is not UNKNOWN:
            places = places | desk.service_key
        self.path = template.format(**places)
        body = BODIES.get(operation)
        self.body = body(desk) if body else None

    async def send(self, http: httpx.AsyncClient) -> httpx.Response:
        return await http.request(self.method, self.path, json=self.body)


def places_of(desk: Desk) -> dict[str, str]:
    return {
        "project_id": desk.project_id,
        "credential_id": desk.key_id,
        "organization_id": desk.organization.id,
        "environment_name": "SANDBOX",
        "user_id": desk.users["reader"].id,
        "token_id": access_tokens.list_own(desk.platform, desk.actor("spare"), desk.organization.id, now=NOON)[0].id,
        "key_id": account_keys.list_own(desk.platform, desk.actor("spare"), desk.organization.id, now=NOON)[0].id,
        "service_id": str(desk.services[0].id),
        "authority_id": UNKNOWN_UUID,
        "account_id": accounts.list_all(desk.platform, OPERATOR, desk.organization.id, now=NOON)[0].id,
        "workspace_id": workspaces.list_all(desk.platform, OPERATOR, desk.organization.id, now=NOON)[0].id,
        "role_id": roles.list_all(desk.platform, OPERATOR, desk.organization.id, now=NOON)[0].id,
        "invitation_id": invitations.list_open(desk.platform, OPERATOR, desk.organization.id, now=NOON)[0].id,
        "feed_id": calendar_feeds.list_own(desk.platform, desk.actor("spare"), desk.organization.id, now=NOON)[0].id,
        "webhook_id": webhooks.list_all(desk.platform, OPERATOR, desk.organization.id, now=NOON)[0].id,
        "delivery_id": deliveries.list_page(desk.platform, OPERATOR, desk.organization.id, limit=1, now=NOON)[0].id,
        "secret_id": enrolment_secrets.list_latest(desk.platform, OPERATOR, desk.view.project.id, now=NOON)[0].id,
        "refusal_id": traces.refusals(desk.platform, OPERATOR, desk.view.project.id, limit=1, now=NOON)[0].id,
        **api_credential_of(desk),
    }


def api_credential_of(desk: Desk) -> dict[str, str]:
    wanted = ApiCredentialQuery()
    (found,) = api_credentials.list_page(desk.platform, OPERATOR, desk.organization.id, wanted, now=NOON)
    return {"api_credential_id": found.credential.id, "client_secret_id": found.credential.secrets[0].id}


def service_key_of(desk: Desk) -> dict[str, str]:
    """The one that is not active: it may be activated, and revoked."""
    (environment,) = desk.view.project.environments
    wanted = ServiceKeyQuery(status=Status.INACTIVE)
    (found,) = service_keys.list_page(desk.platform, OPERATOR, desk.view.project.id, wanted, now=NOON)
    return {"service_id": str(environment.services[0].service_id), "credential_id": found.id}


UNKNOWN = {
    "project_id": UNKNOWN_UUID,
    "credential_id": UNKNOWN_KEY,
    "organization_id": UNKNOWN_UUID,
    "environment_name": "SANDBOX",
    "user_id": UNKNOWN_UUID,
    "token_id": UNKNOWN_UUID,
    "key_id": UNKNOWN_KEY,
    "service_id": "999",
    "authority_id": UNKNOWN_UUID,
    "account_id": UNKNOWN_UUID,
    "workspace_id": UNKNOWN_UUID,
    "role_id": UNKNOWN_UUID,
    "invitation_id": UNKNOWN_UUID,
    "feed_id": UNKNOWN_UUID,
    "webhook_id": UNKNOWN_UUID,
    "delivery_id": UNKNOWN_UUID,
    "secret_id": UNKNOWN_UUID,
    "refusal_id": UNKNOWN_KEY[:32],
    "api_credential_id": UNKNOWN_UUID,
    "client_secret_id": UNKNOWN_UUID,
}


def signing() -> dict[str, Any]:
    return {"type": "SIGNING", "alias": "next", "csr": request_for(next(_keys))}


def new_key() -> dict[str, Any]:
    return {"alias": "next", "csr": request_for(next(_keys))}


def new_project(desk: Desk) -> dict[str, Any]:
    return {
        "type": "OAUTH10A",
        "name": f"Project {next(_numbers)}",
        "service": {"serviceId": desk.services[0].id},
        "environment": "SANDBOX",
        "credential": signing(),
    }


def new_service(desk: Desk) -> dict[str, Any]:
    place = {"name": "SANDBOX", "pathPrefix": "/new", "upstream": "http://127.0.0.1:9"}
    return {"name": "New", "authenticationType": "OAUTH10A", "environments": [place]}


def new_api_credential(desk: Desk) -> dict[str, Any]:
    choices = api_credentials.list_choices(desk.platform, OPERATOR, desk.organization.id, now=NOON)
    grant = {"serviceId": choices.offers[0].service_id, "permissions": ["read"]}
    return {"name": "Analytics", "environment": "SANDBOX", "grants": [grant]}


def edited_api_credential(desk: Desk) -> dict[str, Any]:
    body = new_api_credential(desk)
    del body["environment"]
    return body | {"version": 1}


BODIES: dict[str, Callable[[FullDesk], dict[str, Any]]] = {
    "createApiCredential": new_api_credential,
    "editApiCredential": edited_api_credential,
    "issueClientSecret": lambda desk: {"keepOld": "1h"},
    "createProject": new_project,
    "updateProject": lambda desk: {"name": f"Shop {next(_numbers)}"},
    "addEnvironmentToProject": lambda desk: {"name": "PRODUCTION", "credential": signing()},
    "addServiceToEnvironment": lambda desk: {"serviceId": desk.services[0].id},
    "addCredentialToProject": lambda desk: signing(),
    "addCredentialToService": lambda desk: {"type": "CLIENT_ENCRYPTION", "alias": "ours"},
    "updateServiceCredentialStatus": lambda desk: {"status": "ACTIVE"},
    "addServiceKey": lambda desk: {"type": "CLIENT_ENCRYPTION", "alias": "ours"},
    "activateServiceKey": lambda desk: {"status": "ACTIVE"},
    "createOrganization": lambda desk: {"name": f"Organization {next(_numbers)}"},
    "setProjectLimit": lambda desk: {"projectLimit": 10},
    "setMember": lambda desk: {"email": "bystander@example.com", "role": "user"},
    "inviteMember": lambda desk: {"email": f"guest{next(_numbers)}@example.com", "role": "user"},
    "createAccount": lambda desk: {"name": f"Account {next(_numbers)}"},
    "renameAccount": lambda desk: {"name": f"Account {next(_numbers)}"},
    "createWorkspace": lambda desk: {"accountId": desk.places["account_id"], "name": f"Web {next(_numbers)}"},
    "renameWorkspace": lambda desk: {"name": f"Web {next(_numbers)}"},
    "moveWorkspace": lambda desk: {"accountId": desk.places["account_id"]},
    "createRole": lambda desk: {"name": f"Role {next(_numbers)}", "actions": ["api_credential.view"]},
    "editRole": lambda desk: {"name": f"Role {next(_numbers)}", "actions": ["api_credential.view"]},
    "createAccessToken": lambda desk: {"name": "ci", "scopes": ["read"]},
    "addApiKey": lambda desk: new_key(),
    "createUser": lambda desk: {"email": f"user{next(_numbers)}@example.com", "name": "New"},
    "makeAuthority": lambda desk: {"environment": "SANDBOX"},
    "importAuthority": lambda desk: {"environment": "SANDBOX", "certificates": "x", "keyUri": "pkcs11:object=x"},
    "addTrustedAuthority": lambda desk: {"environment": "SANDBOX", "name": "Acme", "certificate": "x"},
    "setRevocationCheck": lambda desk: {"checksRevocation": True},
    "createService": new_service,
    "changeService": new_service,
    "setProjectMember": lambda desk: {"email": "bystander@example.com", "role": "read_only"},
    "addCredential": lambda desk: signing(),
    "rotateCredential": lambda desk: new_key(),
    "checkCsr": lambda desk: {"csr": request_for(0)},
    "addWebhook": lambda desk: {"url": "https://example.com/hook"},
    "markRead": lambda desk: {},
    "createEnrolmentSecret": lambda desk: {"alias": "till"},
    "registerTlsClientName": lambda desk: {"kind": "subject_dn", "value": "CN=till 7"},
}


class FullDesk(Desk):
    """Prepared, and with the place of each thing that may be asked for."""

    places: dict[str, str]
    service_key: dict[str, str]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, furnished: Desk) -> FullDesk:
    directory = tmp_path_factory.mktemp("ready")
    made = FullDesk(directory, SqlitePlace(directory).put(furnished.directory), template=furnished)
    prepare(made)
    made.places, made.service_key = places_of(made), service_key_of(made)
    made.close()
    return made


@pytest.fixture
def desk(ready: FullDesk, sqlite_place: SqlitePlace, tmp_path: Path) -> Iterator[FullDesk]:
    made = FullDesk(tmp_path, sqlite_place.put(ready.directory), template=ready)
    made.places, made.service_key = ready.places, ready.service_key
    yield made
    made.close()


def prepare(desk: Desk) -> None:
    """With things of another member of the organization to take away, and a refused call to explain."""
    desk.join("spare", OrganizationRole.USER)
    desk.account_key("spare", number=1)
    desk.leave_a_refusal()
    guest = {"email": "guest@example.com", "role": OrganizationRole.USER}
    invitations.invite(desk.platform, OPERATOR, desk.organization.id, **guest, now=NOON)
    role = {"name": "Viewers", "actions": ["api_credential.view"]}
    roles.create(desk.platform, OPERATOR, desk.organization.id, **role, now=NOON)
    calendar_feeds.make(desk.platform, desk.actor("spare"), desk.organization.id, now=NOON)
    added = webhooks.add(desk.platform, OPERATOR, desk.organization.id, url="https://example.com/hook", now=NOON)
    webhooks.send_test(desk.platform, OPERATOR, desk.organization.id, added.webhook.id, now=NOON)
    make_api_credential(desk)
    speak_oauth2(desk)
    name = (EnvironmentName.SANDBOX, NameKind.SAN_DNS, "till7.example")
    tls_client_names.register(desk.platform, OPERATOR, desk.view.project.id, *name, now=NOON)
    secret = {"alias": "till", "environment": None, "hours": 24}
    enrolment_secrets.create(desk.platform, OPERATOR, desk.view.project.id, **secret, now=NOON)
    speak_oauth1(desk)
    (environment,) = desk.view.project.environments
    for number in (3, 4):
        reader = ByRequest(CredentialKind.RESPONSE_ENCRYPTION, f"reader {number}", request_for(number).encode())
        place = (desk.view.project.id, environment.services[0].service_id)
        service_keys.add(desk.platform, OPERATOR, *place, reader, None, now=NOON)


def make_api_credential(desk: Desk) -> None:
    entry = CatalogEntry(ScopeLevel.ACCOUNT, scope_fixed=True, permissions=(Permission("read"),))
    where = ServiceEnvironment(EnvironmentName.SANDBOX, "/profiles", "http://127.0.0.1:9", 13, None)
    api = NewService("Profile", AuthenticationType.CLIENT_SECRET, "", (where,), entry=entry)
    made = services.create(desk.platform, OPERATOR, api, now=NOON)
    new = NewApiCredential("Analytics", EnvironmentName.SANDBOX, (ApiGrant(made.id, frozenset({"read"})),))
    api_credentials.create(desk.platform, OPERATOR, desk.organization.id, new, now=NOON)


def speak_oauth2(desk: Desk) -> None:
    """Only such projects are known by a name in TLS; their keys are neither rotated nor renewed."""
    _make(desk, "OAUTH2_FAPI")


def speak_oauth1(desk: Desk) -> None:
    _make(desk, "OAUTH10A")


def _make(desk: Desk, project_type: str) -> None:
    with writing(desk.database.records) as connection:
        connection.execute(update(schema.projects).values(type=project_type))


def reason_of(response: httpx.Response) -> str:
    return str(response.json()["Errors"]["Error"][0]["ReasonCode"])


@pytest.mark.parametrize("operation", [name for name, may in MAY.items() if may != ANYBODY])
async def test_whoever_may_not_is_refused(desk: FullDesk, operation: str) -> None:
    """One desk for all: who is refused leaves nothing behind, and the next proves it."""
    outsiders = {STRANGER} if "{organization_id}" in OPERATIONS[operation][1] else {STRANGER, "bystander"}
    hidden = {"{organization_id}", "{project_id}", "{refusal_id}"} & set(OPERATIONS[operation][1].split("/"))
    for name in (*ROLES, STRANGER):
        if name in MAY[operation]:
            continue
        async with desk.http(name) as http:
            response = await Call(desk, operation).send(http)
        # What is for operators alone is refused before anything is looked up: 403 for whatever is named.
        wanted = {404} if hidden and name in outsiders and MAY[operation] else {403}
        if operation == "leaveProject" and name not in outsiders:
            wanted = {400, 403}  # the owner stays, and who is not on it may not leave it
        if operation in ("revokeAccessToken", "revokeApiKey", "revokeCalendarFeed") and name != STRANGER:
            wanted = {404}  # others' tokens and keys are not seen
        assert (name, response.status_code in wanted) == (name, True), (name, response.text)


READING = [name for name, (method, _) in OPERATIONS.items() if method == "GET" or name == "checkCsr"]


@pytest.mark.parametrize("operation", READING)
async def test_whoever_may_look_is_shown(desk: FullDesk, operation: str) -> None:
    for name in sorted(MAY[operation]):
        async with desk.http(name) as http:
            response = await Call(desk, operation).send(http)
        assert (name, response.status_code) == (name, 200), (name, response.text)


@pytest.mark.parametrize(
    ("operation", "name"),
    [(operation, name) for operation in MAY if operation not in READING for name in sorted(MAY[operation])],
)
async def test_whoever_may_change_does(desk: FullDesk, operation: str, name: str) -> None:
    if operation == "renewCredential":
        desk.grow_old()
    if operation in ("registerTlsClientName", "createEnrolmentSecret"):
        speak_oauth2(desk)
    async with desk.http(name) as http:
        response = await Call(desk, operation).send(http)

    assert response.is_success, response.text


HIDING = [
    name
    for name, (_, path) in OPERATIONS.items()
    if {"{project_id}", "{organization_id}", "{refusal_id}"} & set(path.split("/"))
]


@pytest.mark.parametrize("operation", HIDING)
async def test_what_a_stranger_may_not_see_looks_as_if_it_did_not_exist(desk: FullDesk, operation: str) -> None:
    async with desk.http(STRANGER) as http:
        foreign = Call(desk, operation)
        missing = Call(desk, operation, places=UNKNOWN)
        missing.body = foreign.body
        answers = [await call.send(http) for call in (foreign, missing)]

    wanted = 404 if MAY[operation] else 403
    assert [each.status_code for each in answers] == [wanted, wanted]
    assert answers[0].json() == answers[1].json()
    assert set(answers[0].headers) == set(answers[1].headers)


@pytest.mark.parametrize("operation", MAY)
async def test_a_token_that_lost_its_life_opens_nothing(desk: FullDesk, operation: str) -> None:
    admin = desk.actor("admin")
    access_tokens.revoke(desk.platform, admin, desk.organization.id, admin.id, now=desk.clock.now())
    async with desk.http("admin") as http:
        response = await Call(desk, operation).send(http)

    assert (response.status_code, reason_of(response)) == (401, "UNAUTHORIZED")


READ_NEEDS_NO_MORE = {name for name, (method, _) in OPERATIONS.items() if method == "GET"} - {
    "listAuditEntries", "exportAuditLog", "getAuditHead", "listUsers", "listAuthorities", "getAuthority",
    "listTrustedAuthorities", "getTrustedAuthority",
}  # fmt: skip


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - READ_NEEDS_NO_MORE - {"checkCsr"}))
async def test_a_token_for_reading_changes_nothing(desk: FullDesk, operation: str) -> None:
    narrow = access_tokens.create(
        desk.platform,
        OPERATOR,
        desk.organization.id,
        name="narrow",
        scopes=frozenset({Scope.READ}),
        days=1,
        owner=desk.users["owner"].id,
        now=desk.clock.now(),
    )
    async with desk.http() as http:
        http.headers["Authorization"] = f"Bearer {narrow.secret}"
        response = await Call(desk, operation).send(http)

    assert response.status_code == 403


PERSONS_ONLY = {
    "setMember", "removeMember", "createAccessToken", "addApiKey", "renewCredential", "addWebhook", "makeCalendarFeed",
    "inviteMember", "withdrawInvitation", "createRole", "editRole", "removeRole",
}  # fmt: skip


@pytest.mark.parametrize("operation", sorted(PERSONS_ONLY))
async def test_what_needs_a_person_is_not_done_by_an_account_level_key(desk: FullDesk, operation: str) -> None:
    key = desk.account_key("admin", number=2)
    async with desk.signer(key, number=2) as client:
        response = await Call(desk, operation).send(client._http)

    assert response.status_code == 403
    assert "personal access token" in response.text

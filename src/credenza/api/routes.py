"""The route table: every path of the manage origin, its function, its name in the OpenAPI document, its refusals.

Refusals that any route can give (nobody asks, malformed, away, broken) are added by `openapi`; a row names its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial, wraps
from inspect import iscoroutinefunction
from typing import Any

from anyio import to_thread
from fastapi import APIRouter
from fastapi.routing import APIRoute

from credenza.api import (
    access_tokens,
    account_keys,
    accounts,
    api_credentials,
    audit_log,
    authorities,
    credentials,
    csr_checks,
    enrolment_secrets,
    expiry,
    health,
    inbox,
    invitations,
    oauth_keys,
    own_authorities,
    people,
    projects,
    roles,
    service_keys,
    services,
    tls_client_names,
    traces,
    trusted_authorities,
    webhooks,
    workspaces,
)
from credenza.wire.errors import ReasonCode as R


@dataclass(frozen=True, slots=True)
class Route:
    """One row. `status` is the one of success."""

    method: str
    path: str
    endpoint: Callable[..., Any]
    operation_id: str
    codes: tuple[R, ...] = ()
    status: int = 200


_SEEN = (R.PROJECT_NOT_FOUND, R.FORBIDDEN)
_CHANGED = (R.PROJECT_NOT_FOUND, R.NO_ACCESS_TO_PROJECT)
_IN_ORGANIZATION = (R.NOT_FOUND, R.FORBIDDEN)
_NEW_KEY = (
    R.INVALID_CSR, R.INVALID_KEY_TYPE, R.PROJECT_TYPE_NOT_SUPPORTED, R.DUPLICATE_CERTIFICATE,
    R.OAUTH2_KEYS_MAX_EXCEEDED,
)  # fmt: skip

_NEW_SERVICE_KEY = (
    R.SERVICE_NOT_FOUND, R.INVALID_PROJECT_STATUS, R.INVALID_CSR, R.INVALID_KEY_TYPE, R.DUPLICATE_CERTIFICATE,
)  # fmt: skip
_ACTIVATED = (
    R.CREDENTIAL_NOT_FOUND, R.INVALID_CREDENTIAL_STATUS, R.INVALID_KEY_TYPE, R.ACTIVATING_EXPIRED_KEY,
)  # fmt: skip
_REVOKED_SERVICE_KEY = (
    R.CREDENTIAL_NOT_FOUND, R.REVOKE_ACTIVE_MASTERCARD_ENCRYPTION_CREDENTIAL_ERROR,
    R.REVOKE_LAST_CLIENT_ENCRYPTION_CREDENTIAL_ERROR,
)  # fmt: skip

_SC = "services/{service_id}/credentials"
_P = "/developer/projects/{project_id}"
_DEVELOPER = (
    # The seeds' API, contracts 1.2. Every answer to a POST is 200 there, as the original's to POST /projects is.
    Route("GET", "/developer/services", services.list_live, "listServices", (R.FORBIDDEN,)),
    Route("POST", "/developer/projects", projects.create, "createProject", (
        R.FORBIDDEN, R.SERVICE_NOT_FOUND, R.PROJECT_NAME_ALREADY_EXISTS, R.PROJECTS_MAX_EXCEEDED,
        R.INVALID_PROJECT_CONFIG, *_NEW_KEY,
    )),
    Route("GET", "/developer/projects", projects.list_own, "listProjects", (R.FORBIDDEN,)),
    Route("GET", _P, projects.get, "getProject", _SEEN),
    Route("PUT", _P, projects.change, "updateProject", (
        *_CHANGED, R.PROJECT_NAME_ALREADY_EXISTS, R.INVALID_PROJECT_CONFIG,
    )),
    Route("DELETE", _P, projects.delete, "deleteProject", _CHANGED, 204),
    Route("POST", f"{_P}/environments", projects.add_environment, "addEnvironmentToProject", (
        *_CHANGED, R.PROJECT_ENVIRONMENT_EXISTS, *_NEW_KEY,
    )),
    Route("POST", f"{_P}/environments/{{environment_name}}/services", projects.add_service, "addServiceToEnvironment", (
        *_CHANGED, R.SERVICE_NOT_FOUND, R.PROJECT_SERVICE_ALREADY_EXISTS, R.PROJECT_TYPE_NOT_SUPPORTED,
        R.INVALID_PROJECT_STATUS, R.INVALID_PROJECT_CONFIG, R.INVALID_CSR, R.INVALID_KEY_TYPE,
    )),
    Route("POST", f"{_P}/credentials", credentials.add_to_project, "addCredentialToProject", (
        *_CHANGED, R.INVALID_PROJECT_STATUS, *_NEW_KEY,
    )),
    Route("DELETE", f"{_P}/credentials/{{credential_id}}", credentials.revoke, "revokeProjectCredential", (
        *_CHANGED, R.CREDENTIAL_NOT_FOUND, R.LAST_ACTIVE_CREDENTIAL,
    ), 204),
    Route("POST", f"{_P}/{_SC}", service_keys.add, "addCredentialToService", (*_CHANGED, *_NEW_SERVICE_KEY)),
    Route("GET", f"{_P}/{_SC}/{{credential_id}}", service_keys.get, "getServiceCredential", (
        *_SEEN, R.CREDENTIAL_NOT_FOUND,
    )),
    Route("PUT", f"{_P}/{_SC}/{{credential_id}}/status", service_keys.set_status, "updateServiceCredentialStatus", (
        *_CHANGED, *_ACTIVATED,
    )),
    Route("DELETE", f"{_P}/{_SC}/{{credential_id}}", service_keys.revoke, "revokeServiceCredential", (
        *_CHANGED, *_REVOKED_SERVICE_KEY,
    ), 204),
)  # fmt: skip

_O = "/api/organizations/{organization_id}"
_A = f"{_O}/api-credentials"
_ONE_OF_API = (*_IN_ORGANIZATION, R.CREDENTIAL_NOT_FOUND)
_ORGANIZATIONS = (
    Route("GET", "/api/me", people.me, "getMe"),
    Route("GET", "/api/organizations", people.list_organizations, "listOrganizations", (R.FORBIDDEN,)),
    Route("POST", "/api/organizations", people.create_organization, "createOrganization", (
        R.FORBIDDEN, R.NAME_ALREADY_EXISTS,
    ), 201),
    Route("GET", _O, people.get_organization, "getOrganization", _IN_ORGANIZATION),
    Route("PUT", f"{_O}/project-limit", people.set_project_limit, "setProjectLimit", _IN_ORGANIZATION),
    Route("GET", f"{_O}/members", people.list_members, "listMembers", _IN_ORGANIZATION),
    Route("POST", f"{_O}/members", people.set_member, "setMember", _IN_ORGANIZATION),
    Route("DELETE", f"{_O}/members/{{user_id}}", people.remove_member, "removeMember", _IN_ORGANIZATION, 204),
    Route("GET", f"{_O}/invitations", invitations.list_open, "listInvitations", _IN_ORGANIZATION),
    Route("POST", f"{_O}/invitations", invitations.invite, "inviteMember", (
        *_IN_ORGANIZATION, R.PROJECT_NOT_FOUND, R.NAME_ALREADY_EXISTS, R.RATE_LIMIT_EXCEEDED,
    ), 201),
    Route("DELETE", f"{_O}/invitations/{{invitation_id}}", invitations.withdraw, "withdrawInvitation", (
        *_IN_ORGANIZATION,
    ), 204),
    Route("GET", _A, api_credentials.list_page, "listApiCredentials", _IN_ORGANIZATION),
    Route("POST", _A, api_credentials.create, "createApiCredential", (*_IN_ORGANIZATION, R.SERVICE_NOT_FOUND), 201),
    Route("GET", f"{_O}/api-choices", api_credentials.choices, "listApiChoices", _IN_ORGANIZATION),
    Route("GET", f"{_A}/{{api_credential_id}}", api_credentials.get, "getApiCredential", _ONE_OF_API),
    Route("PUT", f"{_A}/{{api_credential_id}}", api_credentials.edit, "editApiCredential", (
        *_ONE_OF_API, R.SERVICE_NOT_FOUND, R.EDITED_MEANWHILE,
    )),
    Route("DELETE", f"{_A}/{{api_credential_id}}", api_credentials.delete, "deleteApiCredential", _ONE_OF_API, 204),
    Route("POST", f"{_A}/{{api_credential_id}}/activate", api_credentials.activate, "activateApiCredential", (
        *_ONE_OF_API, R.INVALID_CREDENTIAL_STATUS,
    )),
    Route("POST", f"{_A}/{{api_credential_id}}/deactivate", api_credentials.deactivate, "deactivateApiCredential", (
        *_ONE_OF_API, R.INVALID_CREDENTIAL_STATUS,
    )),
    Route("POST", f"{_A}/{{api_credential_id}}/secrets", api_credentials.issue_secret, "issueClientSecret", (
        *_ONE_OF_API, R.CLIENT_SECRETS_MAX_EXCEEDED,
    ), 201),
    Route("DELETE", f"{_A}/{{api_credential_id}}/secrets/{{client_secret_id}}", api_credentials.delete_secret,
        "deleteClientSecret", (*_ONE_OF_API, R.LAST_ACTIVE_CREDENTIAL), 204),
    Route("GET", f"{_O}/accounts", accounts.list_all, "listAccounts", _IN_ORGANIZATION),
    Route("POST", f"{_O}/accounts", accounts.create, "createAccount", (*_IN_ORGANIZATION, R.NAME_ALREADY_EXISTS), 201),
    Route("PUT", f"{_O}/accounts/{{account_id}}", accounts.rename, "renameAccount", (
        *_IN_ORGANIZATION, R.NAME_ALREADY_EXISTS,
    )),
    Route("DELETE", f"{_O}/accounts/{{account_id}}", accounts.archive, "archiveAccount", _IN_ORGANIZATION, 204),
    Route("GET", f"{_O}/workspaces", workspaces.list_all, "listWorkspaces", _IN_ORGANIZATION),
    Route("POST", f"{_O}/workspaces", workspaces.create, "createWorkspace", (
        *_IN_ORGANIZATION, R.NAME_ALREADY_EXISTS,
    ), 201),
    Route("PUT", f"{_O}/workspaces/{{workspace_id}}", workspaces.rename, "renameWorkspace", (
        *_IN_ORGANIZATION, R.NAME_ALREADY_EXISTS,
    )),
    Route("PUT", f"{_O}/workspaces/{{workspace_id}}/account", workspaces.move, "moveWorkspace", (
        *_IN_ORGANIZATION, R.NAME_ALREADY_EXISTS,
    )),
    Route("DELETE", f"{_O}/workspaces/{{workspace_id}}", workspaces.archive, "archiveWorkspace", (
        *_IN_ORGANIZATION,
    ), 204),
    Route("GET", f"{_O}/roles", roles.list_all, "listRoles", _IN_ORGANIZATION),
    Route("POST", f"{_O}/roles", roles.create, "createRole", (*_IN_ORGANIZATION, R.NAME_ALREADY_EXISTS), 201),
    Route("PUT", f"{_O}/roles/{{role_id}}", roles.edit, "editRole", (*_IN_ORGANIZATION, R.NAME_ALREADY_EXISTS)),
    Route("DELETE", f"{_O}/roles/{{role_id}}", roles.remove, "removeRole", _IN_ORGANIZATION, 204),
    Route("GET", f"{_O}/access-tokens", access_tokens.list_own, "listAccessTokens", _IN_ORGANIZATION),
    Route("POST", f"{_O}/access-tokens", access_tokens.create, "createAccessToken", _IN_ORGANIZATION, 201),
    Route("DELETE", f"{_O}/access-tokens/{{token_id}}", access_tokens.revoke, "revokeAccessToken", (
        *_IN_ORGANIZATION,
    ), 204),
    Route("GET", f"{_O}/api-keys", account_keys.list_own, "listApiKeys", _IN_ORGANIZATION),
    Route("POST", f"{_O}/api-keys", account_keys.add, "addApiKey", (
        *_IN_ORGANIZATION, R.INVALID_CSR, R.DUPLICATE_CERTIFICATE,
    ), 201),
    Route("DELETE", f"{_O}/api-keys/{{key_id}}", account_keys.revoke, "revokeApiKey", (
        *_IN_ORGANIZATION, R.CREDENTIAL_NOT_FOUND,
    ), 204),
    Route("GET", f"{_O}/projects", projects.list_of_organization, "listProjectsOfOrganization", _IN_ORGANIZATION),
    Route("GET", f"{_O}/audit", audit_log.latest, "listAuditEntries", _IN_ORGANIZATION),
    Route("GET", f"{_O}/audit/export", audit_log.export, "exportAuditLog", _IN_ORGANIZATION),
    Route("GET", f"{_O}/audit/head", audit_log.head, "getAuditHead", _IN_ORGANIZATION),
    Route("GET", f"{_O}/expiring", expiry.list_page, "listExpiring", _IN_ORGANIZATION),
    Route("GET", f"{_O}/expiring/months", expiry.count_by_month, "countExpiringByMonth", _IN_ORGANIZATION),
    Route("GET", f"{_O}/calendar-feeds", expiry.list_feeds, "listCalendarFeeds", _IN_ORGANIZATION),
    Route("POST", f"{_O}/calendar-feeds", expiry.make_feed, "makeCalendarFeed", _IN_ORGANIZATION, 201),
    Route("DELETE", f"{_O}/calendar-feeds/{{feed_id}}", expiry.revoke_feed, "revokeCalendarFeed", (
        *_IN_ORGANIZATION,
    ), 204),
    Route("GET", f"{_O}/webhooks", webhooks.list_all, "listWebhooks", _IN_ORGANIZATION),
    Route("POST", f"{_O}/webhooks", webhooks.add, "addWebhook", _IN_ORGANIZATION, 201),
    Route("DELETE", f"{_O}/webhooks/{{webhook_id}}", webhooks.remove, "removeWebhook", _IN_ORGANIZATION, 204),
    Route("POST", f"{_O}/webhooks/{{webhook_id}}/test", webhooks.send_test, "testWebhook", _IN_ORGANIZATION, 202),
    Route("GET", f"{_O}/deliveries", webhooks.list_deliveries, "listDeliveries", _IN_ORGANIZATION),
    Route("GET", f"{_O}/deliveries/{{delivery_id}}", webhooks.get_delivery, "getDelivery", _IN_ORGANIZATION),
    Route("GET", "/api/inbox", inbox.list_own, "listInbox", (R.FORBIDDEN,)),
    Route("GET", "/api/inbox/unread", inbox.count_unread, "countUnread", (R.FORBIDDEN,)),
    Route("POST", "/api/inbox/read", inbox.mark_read, "markRead", (R.FORBIDDEN,)),
    Route("GET", "/api/users", people.list_users, "listUsers", (R.FORBIDDEN,)),
    Route("POST", "/api/users", people.create_user, "createUser", (R.FORBIDDEN, R.NAME_ALREADY_EXISTS), 201),
    Route("GET", "/api/services", services.list_live, "listServicesInDetail", (R.FORBIDDEN,)),
    Route("POST", "/api/services", services.create, "createService", (R.FORBIDDEN, R.NAME_ALREADY_EXISTS), 201),
    Route("PUT", "/api/services/{service_id}", services.change, "changeService", (
        R.FORBIDDEN, R.SERVICE_NOT_FOUND, R.NAME_ALREADY_EXISTS, R.PROJECT_TYPE_NOT_SUPPORTED,
    )),
    Route("DELETE", "/api/services/{service_id}", services.retire, "retireService", (
        R.FORBIDDEN, R.SERVICE_NOT_FOUND,
    ), 204),
)  # fmt: skip

_A, _T = "/api/authorities", "/api/trusted-authorities"
_AUTHORITIES = (
    Route("GET", _A, own_authorities.list_all, "listAuthorities", (R.FORBIDDEN,)),
    Route("POST", _A, own_authorities.make, "makeAuthority", (R.FORBIDDEN, R.NAME_ALREADY_EXISTS), 201),
    Route("POST", f"{_A}/import", own_authorities.import_own, "importAuthority", (
        R.FORBIDDEN, R.NAME_ALREADY_EXISTS,
    ), 201),
    Route("POST", f"{_A}/{{environment_name}}/roll-over", own_authorities.let_next_sign, "rollOverAuthority", (
        R.FORBIDDEN, R.NOT_FOUND,
    )),
    Route("GET", f"{_A}/{{authority_id}}", own_authorities.get, "getAuthority", (R.FORBIDDEN, R.NOT_FOUND)),
    Route("GET", _T, trusted_authorities.list_all, "listTrustedAuthorities", (R.FORBIDDEN,)),
    Route("POST", _T, trusted_authorities.add, "addTrustedAuthority", (R.FORBIDDEN, R.NAME_ALREADY_EXISTS), 201),
    Route("GET", f"{_T}/{{authority_id}}", trusted_authorities.get, "getTrustedAuthority", (R.FORBIDDEN, R.NOT_FOUND)),
    Route(
        "PUT", f"{_T}/{{authority_id}}/revocation-check", trusted_authorities.check_revocation, "setRevocationCheck",
        (R.FORBIDDEN, R.NOT_FOUND),
    ),
    Route("DELETE", f"{_T}/{{authority_id}}", trusted_authorities.disable, "disableTrustedAuthority", (
        R.FORBIDDEN, R.NOT_FOUND,
    ), 204),
)  # fmt: skip

_Q = "/api/projects/{project_id}"
_K = f"{_Q}/credentials/{{credential_id}}"
_T = f"{_Q}/environments/{{environment_name}}/tls-client-name"
_S = "/api/certificate-subjects"
_PROJECTS = (
    Route("GET", _Q, projects.get_details, "getProjectDetails", _SEEN),
    Route("POST", f"{_Q}/upgrade", projects.upgrade, "upgradeProject", (
        *_CHANGED, R.PROJECT_TYPE_NOT_SUPPORTED, R.INVALID_PROJECT_CONFIG, R.OAUTH2_KEYS_MAX_EXCEEDED,
    )),
    Route("GET", _T, tls_client_names.get, "getTlsClientName", (*_SEEN, R.NOT_FOUND)),
    Route("PUT", _T, tls_client_names.register, "registerTlsClientName", (
        *_CHANGED, R.PROJECT_TYPE_NOT_SUPPORTED, R.INVALID_PROJECT_STATUS,
    )),
    Route("DELETE", _T, tls_client_names.remove, "removeTlsClientName", (*_CHANGED, R.NOT_FOUND), 204),
    Route("GET", f"{_Q}/members", projects.list_members, "listProjectMembers", _SEEN),
    Route("POST", f"{_Q}/members", projects.set_member, "setProjectMember", (
        *_CHANGED, R.NOT_FOUND, R.MEMBERS_MAX_EXCEEDED,
    )),
    Route("DELETE", f"{_Q}/members/me", projects.leave, "leaveProject", (*_CHANGED, R.NOT_FOUND), 204),
    Route("DELETE", f"{_Q}/members/{{user_id}}", projects.remove_member, "removeProjectMember", (
        *_CHANGED, R.NOT_FOUND,
    ), 204),
    Route("GET", f"{_Q}/credentials", credentials.list_page, "listCredentials", _SEEN),
    Route("POST", f"{_Q}/credentials", credentials.add, "addCredential", (
        *_CHANGED, R.INVALID_PROJECT_STATUS, R.CREDENTIAL_NOT_FOUND, R.INVALID_CREDENTIAL_STATUS, *_NEW_KEY,
    ), 201),
    Route("GET", _K, credentials.get, "getCredential", (*_SEEN, R.CREDENTIAL_NOT_FOUND)),
    Route("DELETE", _K, credentials.revoke, "revokeCredential", (
        *_CHANGED, R.CREDENTIAL_NOT_FOUND, R.LAST_ACTIVE_CREDENTIAL,
    ), 204),
    Route("POST", f"{_K}/rotate", oauth_keys.rotate, "rotateCredential", (
        *_CHANGED, R.CREDENTIAL_NOT_FOUND, R.CREDENTIAL_NOT_RENEWABLE, R.INVALID_CREDENTIAL_STATUS, *_NEW_KEY,
    ), 201),
    Route("POST", f"{_K}/renew", oauth_keys.renew, "renewCredential", (
        *_CHANGED, R.CREDENTIAL_NOT_FOUND, R.CREDENTIAL_NOT_RENEWABLE,
    )),
    Route("DELETE", f"{_S}/{{credential_id}}", credentials.release_subject, "releaseCertificateSubject", (
        R.FORBIDDEN, R.NOT_FOUND, R.CREDENTIAL_NOT_FOUND, R.INVALID_CREDENTIAL_STATUS,
    )),
    Route("GET", f"{_Q}/service-credentials", service_keys.list_of_project, "listServiceKeysOfProject", _SEEN),
    Route("GET", f"{_Q}/{_SC}", service_keys.list_of_service, "listServiceKeys", _SEEN),
    Route("POST", f"{_Q}/{_SC}", service_keys.add, "addServiceKey", (*_CHANGED, *_NEW_SERVICE_KEY), 201),
    Route("GET", f"{_Q}/{_SC}/{{credential_id}}", service_keys.get, "getServiceKey", (*_SEEN, R.CREDENTIAL_NOT_FOUND)),
    Route("PUT", f"{_Q}/{_SC}/{{credential_id}}/status", service_keys.set_status, "activateServiceKey", (
        *_CHANGED, *_ACTIVATED,
    )),
    Route("DELETE", f"{_Q}/{_SC}/{{credential_id}}", service_keys.revoke, "revokeServiceKey", (
        *_CHANGED, *_REVOKED_SERVICE_KEY,
    ), 204),
    Route("GET", f"{_Q}/enrolment-secrets", enrolment_secrets.list_latest, "listEnrolmentSecrets", _SEEN),
    Route("POST", f"{_Q}/enrolment-secrets", enrolment_secrets.create, "createEnrolmentSecret", (
        *_CHANGED, R.INVALID_PROJECT_STATUS, R.INVALID_KEY_TYPE,
    ), 201),
    Route("DELETE", f"{_Q}/enrolment-secrets/{{secret_id}}", enrolment_secrets.revoke, "revokeEnrolmentSecret", (
        *_CHANGED, R.NOT_FOUND, R.INVALID_CREDENTIAL_STATUS,
    ), 204),
    Route("GET", f"{_K}/callers", traces.callers, "listCallers", (*_SEEN, R.CREDENTIAL_NOT_FOUND)),
    Route("GET", f"{_Q}/oauth1-use", traces.oauth1_use, "getOauth1Use", _SEEN),
    Route("GET", f"{_Q}/refusals", traces.refusals, "listRefusals", _SEEN),
    Route("GET", "/api/refusals/{refusal_id}", traces.refusal, "getRefusal", (R.NOT_FOUND,)),
    Route("POST", "/api/csr-checks", csr_checks.check, "checkCsr", (R.FORBIDDEN,)),
)  # fmt: skip

PROTECTED = (*_DEVELOPER, *_ORGANIZATIONS, *_AUTHORITIES, *_PROJECTS)

OPEN = (
    Route("GET", "/pki/ocsp/{asked:path}", authorities.ask_status_in_path, "getCertificateStatus", (
        R.RATE_LIMIT_EXCEEDED,
    )),
    Route("POST", "/pki/ocsp", authorities.ask_status, "askCertificateStatus", (R.RATE_LIMIT_EXCEEDED,)),
    Route("GET", "/pki/authorities/{authority_id}.crl", authorities.revocation_list, "getRevocationList", (
        R.NOT_FOUND, R.RATE_LIMIT_EXCEEDED,
    )),
    Route(
        "GET", "/pki/authorities/{authority_id}.{form}", authorities.certificate_by_id, "getAnyAuthorityCertificate",
        (R.NOT_FOUND, R.RATE_LIMIT_EXCEEDED),
    ),
    Route("GET", "/pki/{environment}/chain.pem", authorities.chain, "getAuthorityChain", (R.RATE_LIMIT_EXCEEDED,)),
    Route("GET", "/pki/{environment}/{role}.{form}", authorities.certificate, "getAuthorityCertificate", (
        R.RATE_LIMIT_EXCEEDED,
    )),
    Route("GET", "/calendar/{token}.ics", expiry.calendar, "getCalendar", (
        R.BAD_REQUEST, R.NOT_FOUND, R.RATE_LIMIT_EXCEEDED,
    )),
    Route("GET", "/health", health.health, "getHealth", (R.SERVICE_UNAVAILABLE,)),
    Route("GET", "/metrics", health.metrics, "getMetrics"),
)  # fmt: skip


@cache
def router() -> APIRouter:
    """Make the framework's routes of the table: once a process, because they take half a second."""
    made = APIRouter(redirect_slashes=False)
    for row in (*PROTECTED, *OPEN):
        made.add_api_route(
            row.path,
            _in_a_thread(row.endpoint),
            methods=[row.method],
            operation_id=row.operation_id,
            status_code=row.status,
            summary=_summary(row),
        )
    return made


def protected() -> tuple[APIRoute, ...]:
    """Those whose callers have to prove who they are, in the order of the table."""
    named = {row.operation_id for row in PROTECTED}
    return tuple(each for each in router().routes if isinstance(each, APIRoute) and each.operation_id in named)


def _in_a_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """What may wait waits elsewhere. The framework would take a thread by itself, and one more to look at the answer:
    the way there and back takes longer than the look."""
    if iscoroutinefunction(endpoint):
        return endpoint

    @wraps(endpoint)
    async def call(**given: Any) -> Any:
        return await to_thread.run_sync(partial(endpoint, **given))

    return call


def _summary(row: Route) -> str:
    """The docstring of the function where it has one, else the operation's name in words."""
    words = "".join(f" {each.lower()}" if each.isupper() else each for each in row.operation_id)
    return " ".join((row.endpoint.__doc__ or f"{words.capitalize()}.").split())

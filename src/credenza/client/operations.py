"""Every operation of the management API as a value: what to send, and how to read the answer. No I/O.

    client.send(operations.add_credential(project_id, AddSigningCredential(type="SIGNING", alias="billing", csr=pem)))

Names are the operationIds of the OpenAPI document in snake case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import BaseModel, TypeAdapter

from credenza.wire.api_credentials import (
    ApiChoices,
    ApiCredential,
    ApiCredentialEdit,
    IssuedApiCredential,
    KeepOld,
    NewApiCredential,
    NewClientSecret,
)
from credenza.wire.audit import AuditEntry, SignedCheckpoint
from credenza.wire.authorities import (
    Authority,
    NewAuthority,
    NewTrustedAuthority,
    OwnAuthority,
    RevocationCheck,
    TrustedAuthority,
)
from credenza.wire.credentials import (
    AccountKey,
    AddMTLSCertificateCredential,
    AddMTLSCsrCredential,
    AddSigningCredential,
    Credential,
    CsrCheck,
    CsrReport,
    ListedKind,
    MtlsCertificate,
    MtlsCertificateDetails,
    NewKey,
    ProjectCredential,
    ProjectCredentialDetails,
    Reach,
    ReleasedSubject,
    Status,
)
from credenza.wire.enrolment import EnrolmentSecret, IssuedEnrolmentSecret, NewEnrolmentSecret
from credenza.wire.expiry import CalendarFeed, Ending, MadeCalendarFeed, MonthCount
from credenza.wire.health import Health
from credenza.wire.inbox import InboxCount, InboxItem, ReadMark
from credenza.wire.people import (
    Invitation,
    Me,
    Member,
    NewInvitation,
    NewMember,
    NewOrganization,
    NewUser,
    Organization,
    ProjectLimitEdit,
    User,
)
from credenza.wire.projects import (
    Environment,
    NewEnvironment,
    NewProject,
    NewProjectService,
    NewTeamMember,
    NewTlsClientName,
    Project,
    ProjectDetails,
    ProjectEdit,
    ProjectSummary,
    TlsClientName,
)
from credenza.wire.refusals import Caller, CallRefusal, OAuth1Use
from credenza.wire.roles import Role, RoleContent
from credenza.wire.service_keys import (
    AddServiceCredential,
    ServiceCredential,
    ServiceCredentialStatus,
    ServiceCredentialType,
)
from credenza.wire.services import NewService, Service
from credenza.wire.shape import EnvironmentName
from credenza.wire.tokens import AccessToken, IssuedAccessToken, NewAccessToken
from credenza.wire.tree import Account, AccountEdit, NewAccount, NewWorkspace, Workspace, WorkspaceEdit, WorkspaceMove
from credenza.wire.webhooks import AddedWebhook, Delivery, NewWebhook, Webhook

Result = TypeVar("Result")
Item = TypeVar("Item")

_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="next"')
_REACH = re.compile(r"gates=(\d+), confirmed=(\d+), lapsed=(\d+)")


@dataclass(frozen=True, slots=True)
class Operation(Generic[Result]):
    """`read` turns the successful answer into its result. `repeatable` operations take an Idempotency-Key."""

    method: str
    path: str
    read: Callable[[httpx.Response], Result]
    body: BaseModel | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    octets: bytes | None = None
    """A body that is no JSON."""

    @property
    def repeatable(self) -> bool:
        return self.method == "POST" and self.octets is None

    @property
    def content(self) -> bytes | None:
        if self.body is None:
            return self.octets
        return self.body.model_dump_json(by_alias=True, exclude_none=True).encode()


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list, and the cursor of the page after them; None at the end."""

    items: tuple[Item, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Reached(Generic[Result]):
    """A changed thing, and how far the gates had got with the change when it was answered."""

    result: Result
    reach: Reach


# ------------------------------------------------------------------------------------------- the seeds' API, /developer


def list_services() -> Operation[tuple[Service, ...]]:
    return Operation("GET", "/developer/services", _many(Service))


def create_project(new: NewProject) -> Operation[Project]:
    return Operation("POST", "/developer/projects", _one(Project), body=new)


def list_projects(*, limit: int | None = None, cursor: str | None = None) -> Operation[Page[ProjectSummary]]:
    return Operation("GET", "/developer/projects", _page(ProjectSummary), query=_query(limit=limit, cursor=cursor))


def get_project(project_id: str) -> Operation[Project]:
    return Operation("GET", f"/developer/projects/{project_id}", _one(Project))


def update_project(project_id: str, edit: ProjectEdit) -> Operation[Project]:
    return Operation("PUT", f"/developer/projects/{project_id}", _one(Project), body=edit)


def delete_project(project_id: str) -> Operation[Reach]:
    return Operation("DELETE", f"/developer/projects/{project_id}", _reach)


def add_environment_to_project(project_id: str, new: NewEnvironment) -> Operation[Environment]:
    return Operation("POST", f"/developer/projects/{project_id}/environments", _one(Environment), body=new)


def add_service_to_environment(
    project_id: str, environment: EnvironmentName, new: NewProjectService
) -> Operation[Environment]:
    path = f"/developer/projects/{project_id}/environments/{environment}/services"
    return Operation("POST", path, _one(Environment), body=new)


def add_certificate_to_project(
    project_id: str, new: AddMTLSCsrCredential | AddMTLSCertificateCredential
) -> Operation[MtlsCertificate]:
    """`add_credential_to_project` of the types MTLS_CSR and MTLS_CERT."""
    return Operation("POST", f"/developer/projects/{project_id}/credentials", _one(MtlsCertificate), body=new)


def add_credential_to_project(project_id: str, new: AddSigningCredential) -> Operation[Credential]:
    return Operation("POST", f"/developer/projects/{project_id}/credentials", _one(Credential), body=new)


def revoke_project_credential(project_id: str, credential_id: str) -> Operation[Reach]:
    return Operation("DELETE", f"/developer/projects/{project_id}/credentials/{credential_id}", _reach)


def add_credential_to_service(
    project_id: str, service_id: int, new: AddServiceCredential
) -> Operation[ServiceCredential]:
    return Operation("POST", _service_keys("/developer", project_id, service_id), _one(ServiceCredential), body=new)


def get_service_credential(project_id: str, service_id: int, credential_id: str) -> Operation[ServiceCredential]:
    path = f"{_service_keys('/developer', project_id, service_id)}/{credential_id}"
    return Operation("GET", path, _one(ServiceCredential))


def update_service_credential_status(
    project_id: str, service_id: int, credential_id: str, status: ServiceCredentialStatus
) -> Operation[ServiceCredential]:
    path = f"{_service_keys('/developer', project_id, service_id)}/{credential_id}/status"
    return Operation("PUT", path, _one(ServiceCredential), body=status)


def revoke_service_credential(project_id: str, service_id: int, credential_id: str) -> Operation[Reach]:
    return Operation("DELETE", f"{_service_keys('/developer', project_id, service_id)}/{credential_id}", _reach)


# ---------------------------------------------------------------------------------------------------- our own API, /api


def get_me() -> Operation[Me]:
    return Operation("GET", "/api/me", _one(Me))


def list_organizations() -> Operation[tuple[Organization, ...]]:
    return Operation("GET", "/api/organizations", _many(Organization))


def create_organization(new: NewOrganization) -> Operation[Organization]:
    return Operation("POST", "/api/organizations", _one(Organization), body=new)


def get_organization(organization_id: str) -> Operation[Organization]:
    return Operation("GET", f"/api/organizations/{organization_id}", _one(Organization))


def set_project_limit(organization_id: str, edit: ProjectLimitEdit) -> Operation[Organization]:
    return Operation("PUT", f"/api/organizations/{organization_id}/project-limit", _one(Organization), body=edit)


def list_members(organization_id: str) -> Operation[tuple[Member, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/members", _many(Member))


def set_member(organization_id: str, new: NewMember) -> Operation[Member]:
    return Operation("POST", f"/api/organizations/{organization_id}/members", _one(Member), body=new)


def remove_member(organization_id: str, user_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/organizations/{organization_id}/members/{user_id}", _nothing)


def list_invitations(organization_id: str) -> Operation[tuple[Invitation, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/invitations", _many(Invitation))


def invite_member(organization_id: str, new: NewInvitation) -> Operation[Invitation]:
    return Operation("POST", f"/api/organizations/{organization_id}/invitations", _one(Invitation), body=new)


def withdraw_invitation(organization_id: str, invitation_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/organizations/{organization_id}/invitations/{invitation_id}", _nothing)


def list_api_credentials(
    organization_id: str,
    *,
    state: str | None = None,
    environment: EnvironmentName | None = None,
    service_id: int | None = None,
    text: str | None = None,
    order: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[ApiCredential]]:
    """`state`: all, active, inactive, expiring or expired. `order`: name or ends, the other way with a minus."""
    query = _query(state=state, environment=environment, text=text, order=order, limit=limit, cursor=cursor)
    query = {**query, **_query(serviceId=service_id)}
    return Operation("GET", _api_credentials(organization_id), _page(ApiCredential), query=query)


def list_api_choices(organization_id: str) -> Operation[ApiChoices]:
    """What an API credential can be granted, and where."""
    return Operation("GET", f"/api/organizations/{organization_id}/api-choices", _one(ApiChoices))


def create_api_credential(organization_id: str, new: NewApiCredential) -> Operation[IssuedApiCredential]:
    return Operation("POST", _api_credentials(organization_id), _one(IssuedApiCredential), body=new)


def get_api_credential(organization_id: str, credential_id: str) -> Operation[ApiCredential]:
    return Operation("GET", f"{_api_credentials(organization_id)}/{credential_id}", _one(ApiCredential))


def edit_api_credential(
    organization_id: str, credential_id: str, edit: ApiCredentialEdit
) -> Operation[Reached[ApiCredential]]:
    """Replace all that can be edited; 409 EDITED_MEANWHILE when somebody else was faster."""
    path = f"{_api_credentials(organization_id)}/{credential_id}"
    return Operation("PUT", path, _reached(ApiCredential), body=edit)


def activate_api_credential(organization_id: str, credential_id: str) -> Operation[Reached[ApiCredential]]:
    path = f"{_api_credentials(organization_id)}/{credential_id}/activate"
    return Operation("POST", path, _reached(ApiCredential))


def deactivate_api_credential(organization_id: str, credential_id: str) -> Operation[Reached[ApiCredential]]:
    path = f"{_api_credentials(organization_id)}/{credential_id}/deactivate"
    return Operation("POST", path, _reached(ApiCredential))


def delete_api_credential(organization_id: str, credential_id: str) -> Operation[Reach]:
    return Operation("DELETE", f"{_api_credentials(organization_id)}/{credential_id}", _reach)


def issue_client_secret(
    organization_id: str, credential_id: str, *, keep_old: KeepOld = "24h"
) -> Operation[Reached[IssuedApiCredential]]:
    path = f"{_api_credentials(organization_id)}/{credential_id}/secrets"
    return Operation("POST", path, _reached(IssuedApiCredential), body=NewClientSecret(keepOld=keep_old))


def delete_client_secret(
    organization_id: str, credential_id: str, secret_id: str, *, keep_last: bool = False
) -> Operation[Reach]:
    """With `keep_last` the last usable secret is not deleted: 409 LAST_ACTIVE_CREDENTIAL."""
    path = f"{_api_credentials(organization_id)}/{credential_id}/secrets/{secret_id}"
    return Operation("DELETE", path, _reach, headers={"Credenza-Keep-Last": "true"} if keep_last else {})


def _api_credentials(organization_id: str) -> str:
    return f"/api/organizations/{organization_id}/api-credentials"


def list_accounts(organization_id: str) -> Operation[tuple[Account, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/accounts", _many(Account))


def create_account(organization_id: str, new: NewAccount) -> Operation[Account]:
    return Operation("POST", f"/api/organizations/{organization_id}/accounts", _one(Account), body=new)


def rename_account(organization_id: str, account_id: str, edit: AccountEdit) -> Operation[Account]:
    return Operation("PUT", f"/api/organizations/{organization_id}/accounts/{account_id}", _one(Account), body=edit)


def archive_account(organization_id: str, account_id: str) -> Operation[None]:
    """With its workspaces. There is no way back."""
    return Operation("DELETE", f"/api/organizations/{organization_id}/accounts/{account_id}", _nothing)


def list_workspaces(organization_id: str) -> Operation[tuple[Workspace, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/workspaces", _many(Workspace))


def create_workspace(organization_id: str, new: NewWorkspace) -> Operation[Workspace]:
    return Operation("POST", f"/api/organizations/{organization_id}/workspaces", _one(Workspace), body=new)


def rename_workspace(organization_id: str, workspace_id: str, edit: WorkspaceEdit) -> Operation[Workspace]:
    path = f"/api/organizations/{organization_id}/workspaces/{workspace_id}"
    return Operation("PUT", path, _one(Workspace), body=edit)


def move_workspace(organization_id: str, workspace_id: str, move: WorkspaceMove) -> Operation[Workspace]:
    path = f"/api/organizations/{organization_id}/workspaces/{workspace_id}/account"
    return Operation("PUT", path, _one(Workspace), body=move)


def archive_workspace(organization_id: str, workspace_id: str) -> Operation[None]:
    """There is no way back."""
    return Operation("DELETE", f"/api/organizations/{organization_id}/workspaces/{workspace_id}", _nothing)


def list_roles(organization_id: str) -> Operation[tuple[Role, ...]]:
    """Those that the organization has made."""
    return Operation("GET", f"/api/organizations/{organization_id}/roles", _many(Role))


def create_role(organization_id: str, new: RoleContent) -> Operation[Role]:
    return Operation("POST", f"/api/organizations/{organization_id}/roles", _one(Role), body=new)


def edit_role(organization_id: str, role_id: str, new: RoleContent) -> Operation[Role]:
    return Operation("PUT", f"/api/organizations/{organization_id}/roles/{role_id}", _one(Role), body=new)


def remove_role(organization_id: str, role_id: str) -> Operation[None]:
    """Nobody may hold it, and nobody be invited to it."""
    return Operation("DELETE", f"/api/organizations/{organization_id}/roles/{role_id}", _nothing)


def list_access_tokens(organization_id: str) -> Operation[tuple[AccessToken, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/access-tokens", _many(AccessToken))


def create_access_token(organization_id: str, new: NewAccessToken) -> Operation[IssuedAccessToken]:
    return Operation("POST", f"/api/organizations/{organization_id}/access-tokens", _one(IssuedAccessToken), body=new)


def revoke_access_token(organization_id: str, token_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/organizations/{organization_id}/access-tokens/{token_id}", _nothing)


def list_api_keys(organization_id: str) -> Operation[tuple[AccountKey, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/api-keys", _many(AccountKey))


def add_api_key(organization_id: str, new: NewKey) -> Operation[AccountKey]:
    return Operation("POST", f"/api/organizations/{organization_id}/api-keys", _one(AccountKey), body=new)


def revoke_api_key(organization_id: str, key_id: str, *, reason: str = "") -> Operation[Reach]:
    path = f"/api/organizations/{organization_id}/api-keys/{key_id}"
    return Operation("DELETE", path, _reach, query=_query(reason=reason or None))


def list_projects_of_organization(
    organization_id: str, *, limit: int | None = None, cursor: str | None = None
) -> Operation[Page[ProjectSummary]]:
    path = f"/api/organizations/{organization_id}/projects"
    return Operation("GET", path, _page(ProjectSummary), query=_query(limit=limit, cursor=cursor))


def list_audit_entries(
    organization_id: str,
    *,
    project_id: str | None = None,
    action: str | None = None,
    outcome: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[AuditEntry]]:
    path = f"/api/organizations/{organization_id}/audit"
    query = _query(projectId=project_id, action=action, outcome=outcome, limit=limit, cursor=cursor)
    return Operation("GET", path, _page(AuditEntry), query=query)


def export_audit_log(organization_id: str) -> Operation[bytes]:
    """JSON lines: every entry, oldest first, and the signed checkpoint last."""
    return Operation("GET", f"/api/organizations/{organization_id}/audit/export", _bytes)


def get_audit_head(organization_id: str) -> Operation[SignedCheckpoint]:
    return Operation("GET", f"/api/organizations/{organization_id}/audit/head", _one(SignedCheckpoint))


def list_expiring(
    organization_id: str,
    *,
    within_days: int | None = None,
    environment: EnvironmentName | None = None,
    project_id: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[Ending]]:
    path = f"/api/organizations/{organization_id}/expiring"
    query = _query(withinDays=within_days, environment=environment, projectId=project_id, limit=limit, cursor=cursor)
    return Operation("GET", path, _page(Ending), query=query)


def count_expiring_by_month(
    organization_id: str, *, environment: EnvironmentName | None = None, project_id: str | None = None
) -> Operation[tuple[MonthCount, ...]]:
    path = f"/api/organizations/{organization_id}/expiring/months"
    return Operation("GET", path, _many(MonthCount), query=_query(environment=environment, projectId=project_id))


def list_calendar_feeds(organization_id: str) -> Operation[tuple[CalendarFeed, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/calendar-feeds", _many(CalendarFeed))


def make_calendar_feed(organization_id: str) -> Operation[MadeCalendarFeed]:
    return Operation("POST", f"/api/organizations/{organization_id}/calendar-feeds", _one(MadeCalendarFeed))


def revoke_calendar_feed(organization_id: str, feed_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/organizations/{organization_id}/calendar-feeds/{feed_id}", _nothing)


def get_calendar(token: str) -> Operation[bytes]:
    """The calendar file of a feed (RFC 5545); the token is what its URL ends with."""
    return Operation("GET", f"/calendar/{token}.ics", _bytes)


def list_webhooks(organization_id: str) -> Operation[tuple[Webhook, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/webhooks", _many(Webhook))


def add_webhook(organization_id: str, new: NewWebhook) -> Operation[AddedWebhook]:
    return Operation("POST", f"/api/organizations/{organization_id}/webhooks", _one(AddedWebhook), body=new)


def remove_webhook(organization_id: str, webhook_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/organizations/{organization_id}/webhooks/{webhook_id}", _nothing)


def test_webhook(organization_id: str, webhook_id: str) -> Operation[Delivery]:
    """Have a test sent; `get_delivery` tells within seconds what came of it."""
    return Operation("POST", f"/api/organizations/{organization_id}/webhooks/{webhook_id}/test", _one(Delivery))


def list_deliveries(
    organization_id: str,
    *,
    state: Literal["waiting", "sent", "failed", "dropped"] | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[Delivery]]:
    path = f"/api/organizations/{organization_id}/deliveries"
    return Operation("GET", path, _page(Delivery), query=_query(state=state, limit=limit, cursor=cursor))


def get_delivery(organization_id: str, delivery_id: str) -> Operation[Delivery]:
    return Operation("GET", f"/api/organizations/{organization_id}/deliveries/{delivery_id}", _one(Delivery))


def list_inbox(*, limit: int | None = None, cursor: str | None = None) -> Operation[Page[InboxItem]]:
    return Operation("GET", "/api/inbox", _page(InboxItem), query=_query(limit=limit, cursor=cursor))


def count_unread() -> Operation[InboxCount]:
    return Operation("GET", "/api/inbox/unread", _one(InboxCount))


def mark_read(mark: ReadMark) -> Operation[InboxCount]:
    return Operation("POST", "/api/inbox/read", _one(InboxCount), body=mark)


def list_users() -> Operation[tuple[User, ...]]:
    return Operation("GET", "/api/users", _many(User))


def create_user(new: NewUser) -> Operation[User]:
    return Operation("POST", "/api/users", _one(User), body=new)


def list_services_in_detail() -> Operation[tuple[Service, ...]]:
    return Operation("GET", "/api/services", _many(Service))


def create_service(new: NewService) -> Operation[Service]:
    return Operation("POST", "/api/services", _one(Service), body=new)


def change_service(service_id: int, new: NewService) -> Operation[Service]:
    return Operation("PUT", f"/api/services/{service_id}", _one(Service), body=new)


def retire_service(service_id: int) -> Operation[None]:
    return Operation("DELETE", f"/api/services/{service_id}", _nothing)


def get_project_details(project_id: str) -> Operation[ProjectDetails]:
    return Operation("GET", f"/api/projects/{project_id}", _one(ProjectDetails))


def upgrade_project(project_id: str) -> Operation[ProjectDetails]:
    """Let every key of an OAuth 1.0a project work with OAuth 2.0 as well. There is no way back."""
    return Operation("POST", f"/api/projects/{project_id}/upgrade", _one(ProjectDetails))


def get_tls_client_name(project_id: str, environment: EnvironmentName) -> Operation[TlsClientName]:
    """Where none is registered, a certificate's own subject counts, and this is not found."""
    return Operation("GET", _tls_client_name(project_id, environment), _one(TlsClientName))


def register_tls_client_name(
    project_id: str, environment: EnvironmentName, new: NewTlsClientName
) -> Operation[TlsClientName]:
    """Have the project's TLS clients known by one name of their certificates (RFC 8705 2.1.2)."""
    return Operation("PUT", _tls_client_name(project_id, environment), _one(TlsClientName), body=new)


def remove_tls_client_name(project_id: str, environment: EnvironmentName) -> Operation[Reach]:
    return Operation("DELETE", _tls_client_name(project_id, environment), _reach)


def list_project_members(project_id: str) -> Operation[tuple[Member, ...]]:
    return Operation("GET", f"/api/projects/{project_id}/members", _many(Member))


def set_project_member(project_id: str, new: NewTeamMember) -> Operation[Member]:
    return Operation("POST", f"/api/projects/{project_id}/members", _one(Member), body=new)


def remove_project_member(project_id: str, user_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/projects/{project_id}/members/{user_id}", _nothing)


def leave_project(project_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/projects/{project_id}/members/me", _nothing)


def list_credentials(
    project_id: str,
    *,
    environment: EnvironmentName | None = None,
    status: Status | None = None,
    expiring: bool = False,
    text: str = "",
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[ProjectCredential]]:
    """Signing keys and certificates, by id."""
    query = _credentials_query(None, environment, status, limit, cursor, expiring=expiring, text=text)
    return Operation("GET", f"/api/projects/{project_id}/credentials", _page_of(_PROJECT_CREDENTIALS), query=query)


def list_keys(
    project_id: str,
    *,
    environment: EnvironmentName | None = None,
    status: Status | None = None,
    expiring: bool = False,
    text: str = "",
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[Credential]]:
    """Of `list_credentials` the signing keys alone."""
    query = _credentials_query("SIGNING_KEY", environment, status, limit, cursor, expiring=expiring, text=text)
    return Operation("GET", f"/api/projects/{project_id}/credentials", _page(Credential), query=query)


def list_certificates(
    project_id: str,
    *,
    environment: EnvironmentName | None = None,
    status: Status | None = None,
    expiring: bool = False,
    text: str = "",
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[MtlsCertificate]]:
    """Of `list_credentials` the certificates alone."""
    query = _credentials_query("MTLS_CERTIFICATE", environment, status, limit, cursor, expiring=expiring, text=text)
    return Operation("GET", f"/api/projects/{project_id}/credentials", _page(MtlsCertificate), query=query)


def add_credential(project_id: str, new: AddSigningCredential) -> Operation[Credential]:
    """An `AddSigningCredentialAfter` says which key the new one is to replace."""
    return Operation("POST", f"/api/projects/{project_id}/credentials", _one(Credential), body=new)


def add_certificate(
    project_id: str, new: AddMTLSCsrCredential | AddMTLSCertificateCredential
) -> Operation[MtlsCertificate]:
    """`add_credential` of the types MTLS_CSR and MTLS_CERT."""
    return Operation("POST", f"/api/projects/{project_id}/credentials", _one(MtlsCertificate), body=new)


def get_credential(project_id: str, credential_id: str) -> Operation[ProjectCredentialDetails]:
    path = f"/api/projects/{project_id}/credentials/{credential_id}"
    return Operation("GET", path, _one_of(_PROJECT_CREDENTIAL_DETAILS))


def get_key(project_id: str, key_id: str) -> Operation[Credential]:
    """`get_credential` of a signing key."""
    return Operation("GET", f"/api/projects/{project_id}/credentials/{key_id}", _one(Credential))


def get_certificate(project_id: str, certificate_id: str) -> Operation[MtlsCertificateDetails]:
    """`get_credential` of a certificate, with its chain."""
    return Operation("GET", f"/api/projects/{project_id}/credentials/{certificate_id}", _one(MtlsCertificateDetails))


def release_certificate_subject(certificate_id: str) -> Operation[ReleasedSubject]:
    """Let the subject of a revoked or expired certificate be accepted again; operators only."""
    return Operation("DELETE", f"/api/certificate-subjects/{certificate_id}", _one(ReleasedSubject))


def revoke_credential(
    project_id: str, credential_id: str, *, keep_last: bool = False, reason: str = ""
) -> Operation[Reach]:
    """With `keep_last` the last active key of an environment is not revoked: 409 LAST_ACTIVE_CREDENTIAL."""
    path = f"/api/projects/{project_id}/credentials/{credential_id}"
    headers = {"Credenza-Keep-Last": "true"} if keep_last else {}
    return Operation("DELETE", path, _reach, query=_query(reason=reason or None), headers=headers)


def rotate_credential(project_id: str, credential_id: str, new: NewKey) -> Operation[Credential]:
    path = f"/api/projects/{project_id}/credentials/{credential_id}/rotate"
    return Operation("POST", path, _one(Credential), body=new)


def renew_credential(project_id: str, credential_id: str) -> Operation[Credential]:
    return Operation("POST", f"/api/projects/{project_id}/credentials/{credential_id}/renew", _one(Credential))


def list_service_keys_of_project(
    project_id: str,
    *,
    type: ServiceCredentialType | None = None,  # noqa: A002 - its name on the wire
    environment: EnvironmentName | None = None,
    status: Status | None = None,
    expiring: bool = False,
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[ServiceCredential]]:
    """Service credentials for all services, by id."""
    query = _service_keys_query(type, environment, status, limit, cursor, expiring=expiring)
    path = f"/api/projects/{project_id}/service-credentials"
    return Operation("GET", path, _page(ServiceCredential), query=query)


def list_service_keys(
    project_id: str,
    service_id: int,
    *,
    type: ServiceCredentialType | None = None,  # noqa: A002 - its name on the wire
    environment: EnvironmentName | None = None,
    status: Status | None = None,
    expiring: bool = False,
    limit: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[ServiceCredential]]:
    """Service credentials for one service, by id."""
    query = _service_keys_query(type, environment, status, limit, cursor, expiring=expiring)
    return Operation("GET", _service_keys("/api", project_id, service_id), _page(ServiceCredential), query=query)


def add_service_key(project_id: str, service_id: int, new: AddServiceCredential) -> Operation[ServiceCredential]:
    return Operation("POST", _service_keys("/api", project_id, service_id), _one(ServiceCredential), body=new)


def get_service_key(project_id: str, service_id: int, credential_id: str) -> Operation[ServiceCredential]:
    path = f"{_service_keys('/api', project_id, service_id)}/{credential_id}"
    return Operation("GET", path, _one(ServiceCredential))


def activate_service_key(project_id: str, service_id: int, credential_id: str) -> Operation[ServiceCredential]:
    """Put a key in the place of the active one, which becomes INACTIVE."""
    path = f"{_service_keys('/api', project_id, service_id)}/{credential_id}/status"
    return Operation("PUT", path, _one(ServiceCredential), body=ServiceCredentialStatus(status="ACTIVE"))


def revoke_service_key(project_id: str, service_id: int, credential_id: str, *, reason: str = "") -> Operation[Reach]:
    path = f"{_service_keys('/api', project_id, service_id)}/{credential_id}"
    return Operation("DELETE", path, _reach, query=_query(reason=reason or None))


def list_enrolment_secrets(project_id: str) -> Operation[tuple[EnrolmentSecret, ...]]:
    return Operation("GET", f"/api/projects/{project_id}/enrolment-secrets", _many(EnrolmentSecret))


def create_enrolment_secret(project_id: str, new: NewEnrolmentSecret) -> Operation[IssuedEnrolmentSecret]:
    return Operation("POST", f"/api/projects/{project_id}/enrolment-secrets", _one(IssuedEnrolmentSecret), body=new)


def revoke_enrolment_secret(project_id: str, secret_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/projects/{project_id}/enrolment-secrets/{secret_id}", _nothing)


def list_callers(project_id: str, credential_id: str) -> Operation[tuple[Caller, ...]]:
    return Operation("GET", f"/api/projects/{project_id}/credentials/{credential_id}/callers", _many(Caller))


def get_oauth1_use(project_id: str) -> Operation[OAuth1Use]:
    return Operation("GET", f"/api/projects/{project_id}/oauth1-use", _one(OAuth1Use))


def list_refusals(project_id: str, *, limit: int | None = None) -> Operation[tuple[CallRefusal, ...]]:
    return Operation("GET", f"/api/projects/{project_id}/refusals", _many(CallRefusal), query=_query(limit=limit))


def get_refusal(refusal_id: str) -> Operation[CallRefusal]:
    return Operation("GET", f"/api/refusals/{refusal_id}", _one(CallRefusal))


def check_csr(check: CsrCheck) -> Operation[CsrReport]:
    return Operation("POST", "/api/csr-checks", _one(CsrReport), body=check)


def list_authorities() -> Operation[tuple[Authority, ...]]:
    return Operation("GET", "/api/authorities", _many(Authority))


def get_authority(authority_id: str) -> Operation[Authority]:
    return Operation("GET", f"/api/authorities/{authority_id}", _one(Authority))


def make_authority(new: NewAuthority) -> Operation[Authority]:
    return Operation("POST", "/api/authorities", _one(Authority), body=new)


def import_authority(own: OwnAuthority) -> Operation[Authority]:
    return Operation("POST", "/api/authorities/import", _one(Authority), body=own)


def roll_over_authority(environment: EnvironmentName) -> Operation[Authority]:
    return Operation("POST", f"/api/authorities/{environment}/roll-over", _one(Authority))


def list_trusted_authorities() -> Operation[tuple[TrustedAuthority, ...]]:
    return Operation("GET", "/api/trusted-authorities", _many(TrustedAuthority))


def add_trusted_authority(new: NewTrustedAuthority) -> Operation[TrustedAuthority]:
    return Operation("POST", "/api/trusted-authorities", _one(TrustedAuthority), body=new)


def get_trusted_authority(authority_id: str) -> Operation[TrustedAuthority]:
    return Operation("GET", f"/api/trusted-authorities/{authority_id}", _one(TrustedAuthority))


def set_revocation_check(authority_id: str, check: RevocationCheck) -> Operation[TrustedAuthority]:
    path = f"/api/trusted-authorities/{authority_id}/revocation-check"
    return Operation("PUT", path, _one(TrustedAuthority), body=check)


def disable_trusted_authority(authority_id: str) -> Operation[Reach]:
    return Operation("DELETE", f"/api/trusted-authorities/{authority_id}", _reach)


def get_any_authority_certificate(authority_id: str, *, form: str = "pem") -> Operation[bytes]:
    """`form` is pem or cer (DER)."""
    return Operation("GET", f"/pki/authorities/{authority_id}.{form}", _bytes)


def get_authority_chain(environment: EnvironmentName) -> Operation[bytes]:
    """PEM."""
    return Operation("GET", f"/pki/{environment.lower()}/chain.pem", _bytes)


def get_revocation_list(authority_id: str) -> Operation[bytes]:
    """DER (RFC 5280 5)."""
    return Operation("GET", f"/pki/authorities/{authority_id}.crl", _bytes)


def get_certificate_status(asked: str) -> Operation[bytes]:
    """`asked` is an OCSP request as base64, percent-encoded (RFC 6960 A.1); the answer is DER."""
    return Operation("GET", f"/pki/ocsp/{asked}", _bytes)


def ask_certificate_status(request: bytes) -> Operation[bytes]:
    """Ask by OCSP: both are DER (RFC 6960)."""
    return Operation("POST", "/pki/ocsp", _bytes, octets=request, headers={"Content-Type": "application/ocsp-request"})


def get_authority_certificate(environment: EnvironmentName, role: str, *, form: str = "pem") -> Operation[bytes]:
    """`role` is issuing or root, `form` pem or cer (DER)."""
    return Operation("GET", f"/pki/{environment.lower()}/{role}.{form}", _bytes)


def get_health() -> Operation[Health]:
    return Operation("GET", "/health", _one(Health))


def get_metrics() -> Operation[bytes]:
    """Prometheus text."""
    return Operation("GET", "/metrics", _bytes)


# ------------------------------------------------------------------------------------------------------ reading answers


_PROJECT_CREDENTIAL_DETAILS: TypeAdapter[ProjectCredentialDetails] = TypeAdapter(ProjectCredentialDetails)
_PROJECT_CREDENTIALS: TypeAdapter[tuple[ProjectCredential, ...]] = TypeAdapter(tuple[ProjectCredential, ...])


def _service_keys(api: str, project_id: str, service_id: int) -> str:
    return f"{api}/projects/{project_id}/services/{service_id}/credentials"


def _service_keys_query(
    kind: ServiceCredentialType | None,
    environment: EnvironmentName | None,
    status: Status | None,
    limit: int | None,
    cursor: str | None,
    *,
    expiring: bool,
) -> dict[str, str]:
    named = {"type": kind, "environment": environment, "status": status, "cursor": cursor}
    return _query(expiring="true" if expiring else None, limit=limit, **named)


def _tls_client_name(project_id: str, environment: EnvironmentName) -> str:
    return f"/api/projects/{project_id}/environments/{environment}/tls-client-name"


def _one(shape: type[Result]) -> Callable[[httpx.Response], Result]:
    adapter = TypeAdapter(shape)
    return lambda response: adapter.validate_json(response.content)


def _many(shape: type[Item]) -> Callable[[httpx.Response], tuple[Item, ...]]:
    adapter = TypeAdapter(tuple[shape, ...])  # type: ignore[valid-type]  # the type is a value here
    return lambda response: adapter.validate_json(response.content)


def _page(shape: type[Item]) -> Callable[[httpx.Response], Page[Item]]:
    read = _many(shape)
    return lambda response: Page(read(response), _next_cursor(response))


def _one_of(adapter: TypeAdapter[Result]) -> Callable[[httpx.Response], Result]:
    return lambda response: adapter.validate_json(response.content)


def _page_of(adapter: TypeAdapter[tuple[Item, ...]]) -> Callable[[httpx.Response], Page[Item]]:
    return lambda response: Page(adapter.validate_json(response.content), _next_cursor(response))


def _next_cursor(response: httpx.Response) -> str | None:
    link = _NEXT.search(response.headers.get("Link", ""))
    if link is None:
        return None
    return parse_qs(urlsplit(link[1]).query)["cursor"][0]


def _reach(response: httpx.Response) -> Reach:
    counts = _REACH.fullmatch(response.headers.get("Credenza-Reach", ""))
    gates, confirmed, lapsed = map(int, counts.groups()) if counts else (0, 0, 0)
    milliseconds = int(response.headers.get("Credenza-Reach-Milliseconds", "0"))
    return Reach(gates=gates, confirmed=confirmed, lapsed=lapsed, milliseconds=milliseconds)


def _reached(shape: type[Result]) -> Callable[[httpx.Response], Reached[Result]]:
    read = _one(shape)
    return lambda response: Reached(read(response), _reach(response))


def _nothing(_response: httpx.Response) -> None:
    return None


def _bytes(response: httpx.Response) -> bytes:
    return response.content


def _credentials_query(
    kind: ListedKind | None,
    environment: EnvironmentName | None,
    status: Status | None,
    limit: int | None,
    cursor: str | None,
    *,
    expiring: bool,
    text: str,
) -> dict[str, str]:
    named = {"kind": kind, "environment": environment, "status": status, "text": text or None, "cursor": cursor}
    return _query(expiring="true" if expiring else None, limit=limit, **named)


def _query(**wanted: str | int | None) -> dict[str, str]:
    return {name: str(value) for name, value in wanted.items() if value is not None}

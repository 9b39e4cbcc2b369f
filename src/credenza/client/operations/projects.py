"""Projects beyond what the API of the seeds says of them: members, the upgrade, the name of TLS clients."""

from __future__ import annotations

from credenza.client.operations.answers import many, nothing, one, page, reach
from credenza.client.operations.operation import Operation, Page, query_of
from credenza.wire.credentials import Reach
from credenza.wire.people import Member
from credenza.wire.projects import NewTeamMember, NewTlsClientName, ProjectDetails, ProjectSummary, TlsClientName
from credenza.wire.shape import EnvironmentName


def list_projects_of_organization(
    organization_id: str, *, limit: int | None = None, cursor: str | None = None
) -> Operation[Page[ProjectSummary]]:
    path = f"/api/organizations/{organization_id}/projects"
    return Operation("GET", path, page(ProjectSummary), query=query_of(limit=limit, cursor=cursor))


def get_project_details(project_id: str) -> Operation[ProjectDetails]:
    return Operation("GET", f"/api/projects/{project_id}", one(ProjectDetails))


def upgrade_project(project_id: str) -> Operation[ProjectDetails]:
    """Let every key of an OAuth 1.0a project work with OAuth 2.0 as well. There is no way back."""
    return Operation("POST", f"/api/projects/{project_id}/upgrade", one(ProjectDetails))


def get_tls_client_name(project_id: str, environment: EnvironmentName) -> Operation[TlsClientName]:
    """Where none is registered, a certificate's own subject counts, and this is not found."""
    return Operation("GET", _tls_client_name(project_id, environment), one(TlsClientName))


def register_tls_client_name(
    project_id: str, environment: EnvironmentName, new: NewTlsClientName
) -> Operation[TlsClientName]:
    """Have the project's TLS clients known by one name of their certificates (RFC 8705 2.1.2)."""
    return Operation("PUT", _tls_client_name(project_id, environment), one(TlsClientName), body=new)


def remove_tls_client_name(project_id: str, environment: EnvironmentName) -> Operation[Reach]:
    return Operation("DELETE", _tls_client_name(project_id, environment), reach)


def list_project_members(project_id: str) -> Operation[tuple[Member, ...]]:
    return Operation("GET", f"/api/projects/{project_id}/members", many(Member))


def set_project_member(project_id: str, new: NewTeamMember) -> Operation[Member]:
    return Operation("POST", f"/api/projects/{project_id}/members", one(Member), body=new)


def remove_project_member(project_id: str, user_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/projects/{project_id}/members/{user_id}", nothing)


def leave_project(project_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/projects/{project_id}/members/me", nothing)


def _tls_client_name(project_id: str, environment: EnvironmentName) -> str:
    return f"/api/projects/{project_id}/environments/{environment}/tls-client-name"

"""Service credentials: keys that protect payloads."""

from __future__ import annotations

from credenza.client.operations.answers import one, page, reach
from credenza.client.operations.operation import Operation, Page, query_of
from credenza.wire.credentials import Reach, Status
from credenza.wire.service_keys import (
    AddServiceCredential,
    ServiceCredential,
    ServiceCredentialStatus,
    ServiceCredentialType,
)
from credenza.wire.shape import EnvironmentName


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
    return Operation("GET", path, page(ServiceCredential), query=query)


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
    return Operation("GET", path_of_keys("/api", project_id, service_id), page(ServiceCredential), query=query)


def add_service_key(project_id: str, service_id: int, new: AddServiceCredential) -> Operation[ServiceCredential]:
    return Operation("POST", path_of_keys("/api", project_id, service_id), one(ServiceCredential), body=new)


def get_service_key(project_id: str, service_id: int, credential_id: str) -> Operation[ServiceCredential]:
    path = f"{path_of_keys('/api', project_id, service_id)}/{credential_id}"
    return Operation("GET", path, one(ServiceCredential))


def activate_service_key(project_id: str, service_id: int, credential_id: str) -> Operation[ServiceCredential]:
    """Put a key in the place of the active one, which becomes INACTIVE."""
    path = f"{path_of_keys('/api', project_id, service_id)}/{credential_id}/status"
    return Operation("PUT", path, one(ServiceCredential), body=ServiceCredentialStatus(status="ACTIVE"))


def revoke_service_key(project_id: str, service_id: int, credential_id: str, *, reason: str = "") -> Operation[Reach]:
    path = f"{path_of_keys('/api', project_id, service_id)}/{credential_id}"
    return Operation("DELETE", path, reach, query=query_of(reason=reason or None))


def path_of_keys(api: str, project_id: str, service_id: int) -> str:
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
    return query_of(expiring="true" if expiring else None, limit=limit, **named)

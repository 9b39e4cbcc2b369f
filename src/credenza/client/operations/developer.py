"""The management API of the seeds, at `/developer`."""

from __future__ import annotations

from credenza.client.operations.answers import many, one, page, reach
from credenza.client.operations.operation import Operation, Page, query_of
from credenza.client.operations.service_keys import path_of_keys
from credenza.wire.credentials import (
    AddMTLSCertificateCredential,
    AddMTLSCsrCredential,
    AddSigningCredential,
    Credential,
    MtlsCertificate,
    Reach,
)
from credenza.wire.projects import (
    Environment,
    NewEnvironment,
    NewProject,
    NewProjectService,
    Project,
    ProjectEdit,
    ProjectSummary,
)
from credenza.wire.service_keys import AddServiceCredential, ServiceCredential, ServiceCredentialStatus
from credenza.wire.services import Service
from credenza.wire.shape import EnvironmentName


def list_services() -> Operation[tuple[Service, ...]]:
    return Operation("GET", "/developer/services", many(Service))


def create_project(new: NewProject) -> Operation[Project]:
    return Operation("POST", "/developer/projects", one(Project), body=new)


def list_projects(*, limit: int | None = None, cursor: str | None = None) -> Operation[Page[ProjectSummary]]:
    return Operation("GET", "/developer/projects", page(ProjectSummary), query=query_of(limit=limit, cursor=cursor))


def get_project(project_id: str) -> Operation[Project]:
    return Operation("GET", f"/developer/projects/{project_id}", one(Project))


def update_project(project_id: str, edit: ProjectEdit) -> Operation[Project]:
    return Operation("PUT", f"/developer/projects/{project_id}", one(Project), body=edit)


def delete_project(project_id: str) -> Operation[Reach]:
    return Operation("DELETE", f"/developer/projects/{project_id}", reach)


def add_environment_to_project(project_id: str, new: NewEnvironment) -> Operation[Environment]:
    return Operation("POST", f"/developer/projects/{project_id}/environments", one(Environment), body=new)


def add_service_to_environment(
    project_id: str, environment: EnvironmentName, new: NewProjectService
) -> Operation[Environment]:
    path = f"/developer/projects/{project_id}/environments/{environment}/services"
    return Operation("POST", path, one(Environment), body=new)


def add_certificate_to_project(
    project_id: str, new: AddMTLSCsrCredential | AddMTLSCertificateCredential
) -> Operation[MtlsCertificate]:
    """`add_credential_to_project` of the types MTLS_CSR and MTLS_CERT."""
    return Operation("POST", f"/developer/projects/{project_id}/credentials", one(MtlsCertificate), body=new)


def add_credential_to_project(project_id: str, new: AddSigningCredential) -> Operation[Credential]:
    return Operation("POST", f"/developer/projects/{project_id}/credentials", one(Credential), body=new)


def revoke_project_credential(project_id: str, credential_id: str) -> Operation[Reach]:
    return Operation("DELETE", f"/developer/projects/{project_id}/credentials/{credential_id}", reach)


def add_credential_to_service(
    project_id: str, service_id: int, new: AddServiceCredential
) -> Operation[ServiceCredential]:
    return Operation("POST", path_of_keys("/developer", project_id, service_id), one(ServiceCredential), body=new)


def get_service_credential(project_id: str, service_id: int, credential_id: str) -> Operation[ServiceCredential]:
    path = f"{path_of_keys('/developer', project_id, service_id)}/{credential_id}"
    return Operation("GET", path, one(ServiceCredential))


def update_service_credential_status(
    project_id: str, service_id: int, credential_id: str, status: ServiceCredentialStatus
) -> Operation[ServiceCredential]:
    path = f"{path_of_keys('/developer', project_id, service_id)}/{credential_id}/status"
    return Operation("PUT", path, one(ServiceCredential), body=status)


def revoke_service_credential(project_id: str, service_id: int, credential_id: str) -> Operation[Reach]:
    return Operation("DELETE", f"{path_of_keys('/developer', project_id, service_id)}/{credential_id}", reach)

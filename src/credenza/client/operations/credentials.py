"""Signing keys and certificates of projects, and how devices enrol."""

from __future__ import annotations

from pydantic import TypeAdapter

from credenza.client.operations.answers import many, nothing, one, one_of, page, page_of, reach
from credenza.client.operations.operation import Operation, Page, query_of
from credenza.wire.credentials import (
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
from credenza.wire.shape import EnvironmentName

_PROJECT_CREDENTIAL_DETAILS: TypeAdapter[ProjectCredentialDetails] = TypeAdapter(ProjectCredentialDetails)
_PROJECT_CREDENTIALS: TypeAdapter[tuple[ProjectCredential, ...]] = TypeAdapter(tuple[ProjectCredential, ...])


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
    return Operation("GET", f"/api/projects/{project_id}/credentials", page_of(_PROJECT_CREDENTIALS), query=query)


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
    return Operation("GET", f"/api/projects/{project_id}/credentials", page(Credential), query=query)


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
    return Operation("GET", f"/api/projects/{project_id}/credentials", page(MtlsCertificate), query=query)


def add_credential(project_id: str, new: AddSigningCredential) -> Operation[Credential]:
    """An `AddSigningCredentialAfter` says which key the new one is to replace."""
    return Operation("POST", f"/api/projects/{project_id}/credentials", one(Credential), body=new)


def add_certificate(
    project_id: str, new: AddMTLSCsrCredential | AddMTLSCertificateCredential
) -> Operation[MtlsCertificate]:
    """`add_credential` of the types MTLS_CSR and MTLS_CERT."""
    return Operation("POST", f"/api/projects/{project_id}/credentials", one(MtlsCertificate), body=new)


def get_credential(project_id: str, credential_id: str) -> Operation[ProjectCredentialDetails]:
    path = f"/api/projects/{project_id}/credentials/{credential_id}"
    return Operation("GET", path, one_of(_PROJECT_CREDENTIAL_DETAILS))


def get_key(project_id: str, key_id: str) -> Operation[Credential]:
    """`get_credential` of a signing key."""
    return Operation("GET", f"/api/projects/{project_id}/credentials/{key_id}", one(Credential))


def get_certificate(project_id: str, certificate_id: str) -> Operation[MtlsCertificateDetails]:
    """`get_credential` of a certificate, with its chain."""
    return Operation("GET", f"/api/projects/{project_id}/credentials/{certificate_id}", one(MtlsCertificateDetails))


def release_certificate_subject(certificate_id: str) -> Operation[ReleasedSubject]:
    """Let the subject of a revoked or expired certificate be accepted again; operators only."""
    return Operation("DELETE", f"/api/certificate-subjects/{certificate_id}", one(ReleasedSubject))


def revoke_credential(
    project_id: str, credential_id: str, *, keep_last: bool = False, reason: str = ""
) -> Operation[Reach]:
    """With `keep_last` the last active key of an environment is not revoked: 409 LAST_ACTIVE_CREDENTIAL."""
    path = f"/api/projects/{project_id}/credentials/{credential_id}"
    headers = {"Credenza-Keep-Last": "true"} if keep_last else {}
    return Operation("DELETE", path, reach, query=query_of(reason=reason or None), headers=headers)


def rotate_credential(project_id: str, credential_id: str, new: NewKey) -> Operation[Credential]:
    path = f"/api/projects/{project_id}/credentials/{credential_id}/rotate"
    return Operation("POST", path, one(Credential), body=new)


def renew_credential(project_id: str, credential_id: str) -> Operation[Credential]:
    return Operation("POST", f"/api/projects/{project_id}/credentials/{credential_id}/renew", one(Credential))


def list_enrolment_secrets(project_id: str) -> Operation[tuple[EnrolmentSecret, ...]]:
    return Operation("GET", f"/api/projects/{project_id}/enrolment-secrets", many(EnrolmentSecret))


def create_enrolment_secret(project_id: str, new: NewEnrolmentSecret) -> Operation[IssuedEnrolmentSecret]:
    return Operation("POST", f"/api/projects/{project_id}/enrolment-secrets", one(IssuedEnrolmentSecret), body=new)


def revoke_enrolment_secret(project_id: str, secret_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/projects/{project_id}/enrolment-secrets/{secret_id}", nothing)


def check_csr(check: CsrCheck) -> Operation[CsrReport]:
    return Operation("POST", "/api/csr-checks", one(CsrReport), body=check)


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
    return query_of(expiring="true" if expiring else None, limit=limit, **named)

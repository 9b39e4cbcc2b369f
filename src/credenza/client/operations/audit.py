"""The audit log of an organization."""

from __future__ import annotations

from credenza.client.operations.answers import octets, one, page
from credenza.client.operations.operation import Operation, Page, query_of
from credenza.wire.audit import AuditEntry, SignedCheckpoint


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
    query = query_of(projectId=project_id, action=action, outcome=outcome, limit=limit, cursor=cursor)
    return Operation("GET", path, page(AuditEntry), query=query)


def export_audit_log(organization_id: str) -> Operation[bytes]:
    """JSON lines: every entry, oldest first, and the signed checkpoint last."""
    return Operation("GET", f"/api/organizations/{organization_id}/audit/export", octets)


def get_audit_head(organization_id: str) -> Operation[SignedCheckpoint]:
    return Operation("GET", f"/api/organizations/{organization_id}/audit/head", one(SignedCheckpoint))

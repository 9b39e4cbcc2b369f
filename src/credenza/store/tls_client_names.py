"""The names that projects are known by in TLS, at most one per environment (RFC 8705 2.1.2): its place is the key."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, select

from credenza.domain.model import EnvironmentName, OrganizationId, ProjectId
from credenza.protocol.tls_client_name import NameKind, TlsClientName
from credenza.store.schema import tls_client_names
from credenza.store.upsert import insert_into


def find(connection: Connection, project_id: ProjectId, environment: EnvironmentName) -> TlsClientName | None:
    query = select(tls_client_names.c.kind, tls_client_names.c.value).where(*_at(project_id, environment))
    row = connection.execute(query).one_or_none()
    return None if row is None else TlsClientName(NameKind(row.kind), row.value)


def put(
    connection: Connection,
    organization_id: OrganizationId,
    project_id: ProjectId,
    environment: EnvironmentName,
    name: TlsClientName,
) -> None:
    """Register a name, in place of the one that there may be."""
    new = {"kind": name.kind, "value": name.value}
    place = {"organization_id": organization_id, "project_id": project_id, "environment": environment}
    statement = insert_into(connection, tls_client_names).values(**place, **new)
    connection.execute(statement.on_conflict_do_update(index_elements=["project_id", "environment"], set_=new))


def remove(connection: Connection, project_id: ProjectId, environment: EnvironmentName) -> None:
    connection.execute(delete(tls_client_names).where(*_at(project_id, environment)))


def _at(project_id: ProjectId, environment: EnvironmentName) -> tuple[ColumnElement[bool], ...]:
    return (tls_client_names.c.project_id == project_id, tls_client_names.c.environment == environment)

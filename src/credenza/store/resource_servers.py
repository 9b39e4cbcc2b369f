"""Who may ask about tokens, with the hash of its secret and never the secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from credenza.domain.errors import Code, Refusal
from credenza.domain.model import PLATFORM, EnvironmentName
from credenza.domain.tokens import ResourceServer
from credenza.store.schema import resource_servers
from credenza.store.upsert import violates

_COLUMNS = (
    resource_servers.c.id,
    resource_servers.c.environment,
    resource_servers.c.name,
    resource_servers.c.prefix,
    resource_servers.c.created_at,
    resource_servers.c.removed_at,
)


def insert_server(connection: Connection, server: ResourceServer, *, secret_hash: str) -> None:
    """Insert a resource server. Refuses a name that is taken in its environment."""
    try:
        connection.execute(
            insert(resource_servers).values(
                organization_id=PLATFORM,
                id=server.id,
                environment=server.environment,
                name=server.name,
                prefix=server.prefix,
                secret_hash=secret_hash,
                created_at=server.created_at,
            )
        )
    except IntegrityError as error:
        if violates(error, "uq_resource_servers_name", resource_servers.c.environment, resource_servers.c.name):
            raise Refusal(
                Code.DUPLICATE_NAME,
                f"{server.environment} already has a resource server named {server.name!r}. Choose another name.",
                field="name",
            ) from error
        raise


def find(connection: Connection, server_id: str) -> ResourceServer | None:
    row = connection.execute(select(*_COLUMNS).where(resource_servers.c.id == server_id)).one_or_none()
    return None if row is None else _server(row)


def list_present(connection: Connection) -> tuple[ResourceServer, ...]:
    query = select(*_COLUMNS).where(resource_servers.c.removed_at.is_(None))
    order = (resource_servers.c.environment.desc(), resource_servers.c.name)
    return tuple(map(_server, connection.execute(query.order_by(*order))))


def mark_removed(connection: Connection, server_id: str, *, now: datetime) -> None:
    statement = update(resource_servers).where(resource_servers.c.id == server_id)
    connection.execute(statement.where(resource_servers.c.removed_at.is_(None)).values(removed_at=now))


def _server(row: Row[*tuple[Any, ...]]) -> ResourceServer:
    return ResourceServer(
        id=row.id,
        environment=EnvironmentName(row.environment),
        name=row.name,
        prefix=row.prefix,
        created_at=row.created_at,
        removed_at=row.removed_at,
    )

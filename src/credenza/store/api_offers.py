"""What API credentials can be granted: the catalog's APIs that take them, and the organization's tree."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, literal, select, union_all

from credenza.domain.api_access import Offer, Place
from credenza.domain.catalog import Permission, ScopeLevel
from credenza.domain.model import (
    AuthenticationType,
    EnvironmentName,
    OrganizationId,
    ServiceId,
    ServiceStatus,
)
from credenza.store.schema import accounts, service_environments, service_permissions, services, workspaces


def list_offers(connection: Connection) -> tuple[Offer, ...]:
    """List every API that takes API credentials or took them, by its name; retired ones are reached nowhere."""
    query = (
        select(services.c.id, services.c.name, services.c.status, services.c.scope_level, services.c.scope_fixed)
        .where(services.c.authentication == AuthenticationType.CLIENT_SECRET, services.c.scope_level.is_not(None))
        .order_by(services.c.name)
    )
    permissions, environments = _permissions(connection), _environments(connection)
    return tuple(
        Offer(
            service_id=ServiceId(row.id),
            name=row.name,
            level=ScopeLevel(row.scope_level),
            # No organization may be picked: the level has one place, the credential's own.
            fixed=row.scope_fixed or row.scope_level == ScopeLevel.ORGANIZATION,
            permissions=permissions.get(row.id, ()),
            environments=environments.get(row.id, frozenset()) if row.status == ServiceStatus.LIVE else frozenset(),
        )
        for row in connection.execute(query)
    )


def list_places(connection: Connection, organization_id: OrganizationId) -> tuple[Place, ...]:
    """List the accounts and workspaces of an organization, archived ones too, by name."""
    above = select(
        accounts.c.id,
        literal(ScopeLevel.ACCOUNT.value).label("level"),
        accounts.c.name,
        accounts.c.id.label("account_id"),
        accounts.c.name.label("account"),
        accounts.c.archived_at.is_not(None).label("archived"),
    ).where(accounts.c.organization_id == organization_id)
    below = (
        select(
            workspaces.c.id,
            literal(ScopeLevel.WORKSPACE.value).label("level"),
            workspaces.c.name,
            workspaces.c.account_id,
            accounts.c.name.label("account"),
            (workspaces.c.archived_at.is_not(None) | accounts.c.archived_at.is_not(None)).label("archived"),
        )
        .join(accounts, accounts.c.id == workspaces.c.account_id)
        .where(workspaces.c.organization_id == organization_id)
    )
    rows = connection.execute(union_all(above, below).order_by("account", "level", "name", "id"))
    return tuple(
        Place(row.id, ScopeLevel(row.level), row.name, row.account_id, row.account, bool(row.archived)) for row in rows
    )


def _permissions(connection: Connection) -> Mapping[int, tuple[Permission, ...]]:
    query = select(
        service_permissions.c.service_id, service_permissions.c.name, service_permissions.c.description
    ).order_by(service_permissions.c.service_id, service_permissions.c.position, service_permissions.c.name)
    found: dict[int, tuple[Permission, ...]] = {}
    for row in connection.execute(query):
        offered = Permission(row.name, row.description)
        found[row.service_id] = (*found.get(row.service_id, ()), offered)
    return found


def _environments(connection: Connection) -> Mapping[int, frozenset[EnvironmentName]]:
    query = select(service_environments.c.service_id, service_environments.c.environment)
    found: dict[int, frozenset[EnvironmentName]] = {}
    for row in connection.execute(query):
        found[row.service_id] = found.get(row.service_id, frozenset()) | {EnvironmentName(row.environment)}
    return found

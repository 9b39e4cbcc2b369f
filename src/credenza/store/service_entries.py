"""What services offer to whoever comes with a client secret: their terms, permissions and routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select, update

from credenza.domain.catalog import TOKEN_LIFE_S, CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.model import PLATFORM, CredentialId, OrganizationId, ServiceId
from credenza.store.schema import api_grants, api_places, service_permissions, service_routes, services

TERMS = (
    services.c.scope_level,
    services.c.scope_fixed,
    services.c.audience,
    services.c.token_life_s,
    services.c.calls_per_minute,
    services.c.admits_unmapped,
)


def terms(entry: CatalogEntry) -> dict[str, Any]:
    """Give the columns of the service's own row."""
    known = entry.scope_level is not None
    return {
        "scope_level": entry.scope_level,
        "scope_fixed": entry.scope_fixed,
        "audience": entry.audience or None,
        "token_life_s": entry.token_life_s if known else None,
        "calls_per_minute": entry.calls_per_minute,
        "admits_unmapped": entry.admits_unmapped,
    }


def insert_entry(connection: Connection, service_id: ServiceId, entry: CatalogEntry) -> None:
    """Insert what stands in rows of their own: permissions and routes."""
    for position, each in enumerate(entry.permissions):
        _insert_permission(connection, service_id, position, each)
    _insert_routes(connection, service_id, entry.routes)


def replace_entry(
    connection: Connection, service_id: ServiceId, old: CatalogEntry, new: CatalogEntry
) -> tuple[tuple[OrganizationId, CredentialId], ...]:
    """Put new permissions and routes in place of the old ones, by their difference. A permission that is no longer
    offered is taken from whoever was granted it, and places of another level from whoever had chosen them; the answer
    is who that was, by organization."""
    lost = _drop_places(connection, service_id) if new.scope_level is not old.scope_level else set()
    connection.execute(delete(service_routes).where(service_routes.c.service_id == service_id))
    removed = [each.name for each in old.permissions if not new.offers(each.name)]
    lost |= _drop_permissions(connection, service_id, removed)
    for position, each in enumerate(new.permissions):
        if old.offers(each.name):
            _update_permission(connection, service_id, position, each)
        else:
            _insert_permission(connection, service_id, position, each)
    _insert_routes(connection, service_id, new.routes)
    return tuple(sorted(lost))


def load_entries(connection: Connection, rows: Iterable[Any]) -> dict[ServiceId, CatalogEntry]:
    """Read the entries of services, given their rows with the columns of `TERMS` and their ids."""
    known = [row for row in rows if row.scope_level is not None]
    ids = [row.id for row in known]
    permissions, routes = _permissions(connection, ids), _routes(connection, ids)
    return {
        row.id: CatalogEntry(
            scope_level=ScopeLevel(row.scope_level),
            scope_fixed=row.scope_fixed,
            audience=row.audience or "",
            token_life_s=row.token_life_s or TOKEN_LIFE_S,
            calls_per_minute=row.calls_per_minute,
            admits_unmapped=row.admits_unmapped,
            permissions=permissions.get(row.id, ()),
            routes=routes.get(row.id, ()),
        )
        for row in known
    }


def _permissions(connection: Connection, ids: list[int]) -> dict[int, tuple[Permission, ...]]:
    query = (
        select(service_permissions.c.service_id, service_permissions.c.name, service_permissions.c.description)
        .where(service_permissions.c.service_id.in_(ids))
        .order_by(service_permissions.c.service_id, service_permissions.c.position)
    )
    found: dict[int, tuple[Permission, ...]] = {}
    for row in connection.execute(query):
        found[row.service_id] = (*found.get(row.service_id, ()), Permission(row.name, row.description))
    return found


def _routes(connection: Connection, ids: list[int]) -> dict[int, tuple[RouteRule, ...]]:
    query = (
        select(
            service_routes.c.service_id,
            service_routes.c.method,
            service_routes.c.path,
            service_routes.c.permission,
            service_routes.c.account_variable,
            service_routes.c.workspace_variable,
        )
        .where(service_routes.c.service_id.in_(ids))
        .order_by(service_routes.c.service_id, service_routes.c.position)
    )
    found: dict[int, list[RouteRule]] = {}
    for row in connection.execute(query):
        found.setdefault(row.service_id, []).append(RouteRule(*row[1:]))
    return {service: tuple(rules) for service, rules in found.items()}


def _drop_permissions(
    connection: Connection, service_id: ServiceId, names: list[str]
) -> set[tuple[OrganizationId, CredentialId]]:
    named = (service_permissions.c.service_id == service_id) & service_permissions.c.name.in_(names)
    # Locked first: whoever is being granted one right now has either been granted it, and loses it, or is refused.
    connection.execute(select(service_permissions.c.name).where(named).with_for_update()).all()
    lost = connection.execute(
        delete(api_grants)
        .where(api_grants.c.service_id == service_id, api_grants.c.permission.in_(names))
        .returning(api_grants.c.organization_id, api_grants.c.credential_id)
    )
    holders = {(OrganizationId(row.organization_id), CredentialId(row.credential_id)) for row in lost}
    connection.execute(delete(service_permissions).where(named))
    granted = exists().where(
        api_grants.c.credential_id == api_places.c.credential_id, api_grants.c.service_id == service_id
    )
    connection.execute(delete(api_places).where(api_places.c.service_id == service_id, ~granted))
    return holders


def _drop_places(connection: Connection, service_id: ServiceId) -> set[tuple[OrganizationId, CredentialId]]:
    lost = connection.execute(
        delete(api_places)
        .where(api_places.c.service_id == service_id)
        .returning(api_places.c.organization_id, api_places.c.credential_id)
    )
    return {(OrganizationId(row.organization_id), CredentialId(row.credential_id)) for row in lost}


def _update_permission(connection: Connection, service_id: ServiceId, position: int, permission: Permission) -> None:
    connection.execute(
        update(service_permissions)
        .where(service_permissions.c.service_id == service_id, service_permissions.c.name == permission.name)
        .values(position=position, description=permission.description)
    )


def _insert_permission(connection: Connection, service_id: ServiceId, position: int, permission: Permission) -> None:
    connection.execute(
        insert(service_permissions).values(
            organization_id=PLATFORM,
            service_id=service_id,
            name=permission.name,
            position=position,
            description=permission.description,
        )
    )


def _insert_routes(connection: Connection, service_id: ServiceId, routes: Iterable[RouteRule]) -> None:
    rows = [
        {
            "organization_id": PLATFORM,
            "service_id": service_id,
            "position": position,
            "method": rule.method,
            "path": rule.path,
            "permission": rule.permission,
            "account_variable": rule.account_variable,
            "workspace_variable": rule.workspace_variable,
        }
        for position, rule in enumerate(routes)
    ]
    if rows:
        connection.execute(insert(service_routes), rows)

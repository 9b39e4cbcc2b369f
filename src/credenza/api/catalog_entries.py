"""Catalog entries between the wire and the domain."""

from __future__ import annotations

from credenza.domain.catalog import NO_ENTRY, CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.wire import catalog as wire


def shown(entry: CatalogEntry) -> wire.CatalogEntry | None:
    if entry.scope_level is None:
        return None
    return wire.CatalogEntry(
        scope_level=entry.scope_level.value,
        scope_fixed=entry.everywhere,
        audience=entry.audience,
        token_life_s=entry.token_life_s,
        calls_per_minute=entry.calls_per_minute,
        admits_unmapped=entry.admits_unmapped,
        permissions=tuple(wire.Permission.model_validate(each) for each in entry.permissions),
        routes=tuple(wire.RouteRule.model_validate(each) for each in entry.routes),
    )


def read(new: wire.NewCatalogEntry | None) -> CatalogEntry:
    if new is None:
        return NO_ENTRY
    level = ScopeLevel(new.scope_level)
    return CatalogEntry(
        scope_level=level,
        scope_fixed=new.scope_fixed or level is ScopeLevel.ORGANIZATION,
        audience=new.audience,
        token_life_s=new.token_life_s,
        calls_per_minute=new.calls_per_minute,
        admits_unmapped=new.admits_unmapped,
        permissions=tuple(Permission(each.name, each.description) for each in new.permissions),
        routes=tuple(
            RouteRule(each.method, each.path, each.permission, each.account_variable, each.workspace_variable)
            for each in new.routes
        ),
    )

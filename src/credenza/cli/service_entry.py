"""What `credenza service add` says of a service that takes client secrets; `credenza catalog` says the rest."""

from __future__ import annotations

from collections.abc import Iterable

from credenza.cli.failure import CommandFailed, ExitCode
from credenza.domain.catalog import NO_ENTRY, CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.catalog_plan import needs

ROUTE_FORM = "'METHOD PATH PERMISSION [account=VARIABLE] [workspace=VARIABLE]'"


def read(level: str | None, permissions: Iterable[str], routes: Iterable[str]) -> CatalogEntry:
    """Make an entry of a level (`account`, or `account:fixed` for all of them), permissions and routes."""
    if level is None:
        return NO_ENTRY
    named, _, fixed = level.partition(":")
    if named.upper() not in ScopeLevel.__members__ or fixed not in ("", "fixed"):
        raise CommandFailed("A level is organization, account or workspace; all of them: account:fixed", ExitCode.USAGE)
    found = ScopeLevel(named.upper())
    return CatalogEntry(
        scope_level=found,
        scope_fixed=bool(fixed) or found is ScopeLevel.ORGANIZATION,
        permissions=tuple(_permission(each) for each in permissions),
        routes=tuple(_route(each) for each in routes),
    )


def shown(entry: CatalogEntry) -> dict[str, object]:
    if entry.scope_level is None:
        return {}
    return {
        "scopeLevel": entry.scope_level,
        "scopeFixed": entry.everywhere,
        "audience": entry.audience,
        "tokenLifeS": entry.token_life_s,
        "callsPerMinute": entry.calls_per_minute,
        "admitsUnmapped": entry.admits_unmapped,
        "permissions": [f"{each.name}: {each.description}" for each in entry.permissions],
        "routes": [f"{rule.method} {rule.path} needs {needs(rule)}" for rule in entry.routes],
    }


def _permission(text: str) -> Permission:
    name, _, description = text.partition("=")
    return Permission(name, description)


def _route(text: str) -> RouteRule:
    method, path, permission, *rest = [*text.split(), "", "", ""]
    places = dict(each.partition("=")[::2] for each in rest if each)
    if not permission or not places.keys() <= {"account", "workspace"}:
        raise CommandFailed(f"{text!r} is no route: {ROUTE_FORM}", ExitCode.USAGE)
    return RouteRule(method, path, permission, places.get("account"), places.get("workspace"))

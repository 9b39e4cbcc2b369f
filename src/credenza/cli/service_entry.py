"""A service of the catalog on the command line: found by its number, and what `credenza service add` says of one that
takes client secrets; `credenza catalog` says the rest."""

from __future__ import annotations

from collections.abc import Iterable

from credenza.actions import services
from credenza.cli import local
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.domain.catalog import NO_ENTRY, CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.catalog_plan import needs
from credenza.domain.model import Service

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


def live(service_id: int) -> Service:
    """Find a service of the catalog by its number."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: services.list_live(platform, local.OPERATOR, now=local.now()))
    service = next((each for each in found if each.id == service_id), None)
    if service is None:
        raise CommandFailed(f"No service {service_id}.", ExitCode.NOT_FOUND)
    return service

"""What a gate knows of a service's catalog entry: the columns that `lookup.ROUTES` asks for, and what they mean.

Permissions are not among them: a gate knows those that routes need, and nobody is granted another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from credenza.domain.catalog import NO_ENTRY, TOKEN_LIFE_S, CatalogEntry, RouteRule, ScopeLevel

TERMS = """services.scope_level, services.scope_fixed, services.audience, services.token_life_s,
    services.calls_per_minute, services.admits_unmapped"""
TERMS_COUNT = 6

RULES = """service_routes.position, service_routes.method, service_routes.path, service_routes.permission,
    service_routes.account_variable, service_routes.workspace_variable"""


def entry(terms: tuple[Any, ...], rules: Iterable[tuple[Any, ...]]) -> CatalogEntry:
    """Read the columns of `TERMS`, and those of `RULES` of every route, in any order."""
    level, fixed, audience, token_life_s, calls_per_minute, admits_unmapped = terms
    if level is None:
        return NO_ENTRY
    return CatalogEntry(
        scope_level=ScopeLevel(level),
        scope_fixed=bool(fixed),
        audience=audience or "",
        token_life_s=token_life_s or TOKEN_LIFE_S,
        calls_per_minute=calls_per_minute,
        admits_unmapped=bool(admits_unmapped),
        routes=tuple(RouteRule(*rule[1:]) for rule in sorted(rules, key=lambda rule: rule[0])),
    )

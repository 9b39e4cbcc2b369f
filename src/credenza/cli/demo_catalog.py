"""The demo's APIs for client secrets: those of the seed, with their permissions, levels and routes."""

from __future__ import annotations

from datetime import datetime

from credenza.actions import services
from credenza.actions.context import Platform
from credenza.actions.services import NewService
from credenza.domain.catalog import CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.expiry import add_months
from credenza.domain.model import (
    Actor,
    ActorKind,
    AuthenticationType,
    EnvironmentName,
    ServiceEnvironment,
)

_OPERATOR = Actor(ActorKind.OPERATOR, "demo")

PROFILES, PLATFORM, PLANNING = "/profile", "/platform", "/planning"
"""Path prefixes of the three."""

_ACCOUNTS, _ACCOUNT = "/v1/accounts", "/v1/accounts/{account}"
_WORKSPACE = "/v1/workspaces/{workspace}"

_PROFILE_ENTRY = CatalogEntry(
    scope_level=ScopeLevel.WORKSPACE,
    calls_per_minute=600,
    permissions=(Permission("read", "Read profiles"),),
    routes=(
        RouteRule("GET", f"{_WORKSPACE}/profiles", "read", workspace_variable="workspace"),
        RouteRule("GET", f"{_WORKSPACE}/profiles/{{profile}}", "read", workspace_variable="workspace"),
    ),
)
_PLATFORM_ENTRY = CatalogEntry(
    scope_level=ScopeLevel.ACCOUNT,
    scope_fixed=True,
    calls_per_minute=120,
    permissions=(
        Permission("user", "See accounts and their workspaces"),
        Permission("admin", "Change the settings of accounts"),
    ),
    routes=(
        RouteRule("GET", _ACCOUNTS, "user"),
        RouteRule("GET", _ACCOUNT, "user", account_variable="account"),
        RouteRule("GET", f"{_ACCOUNT}/workspaces", "user", account_variable="account"),
        RouteRule("GET", f"{_ACCOUNT}/settings", "admin", account_variable="account"),
        RouteRule("PUT", f"{_ACCOUNT}/settings", "admin", account_variable="account"),
    ),
)
_PLANNING_ENTRY = CatalogEntry(
    scope_level=ScopeLevel.WORKSPACE,
    calls_per_minute=300,
    permissions=(Permission("read", "Read data plans"), Permission("write", "Create, change and delete data plans")),
    routes=(
        RouteRule("GET", f"{_WORKSPACE}/plans", "read", workspace_variable="workspace"),
        RouteRule("POST", f"{_WORKSPACE}/plans", "write", workspace_variable="workspace"),
        RouteRule("GET", f"{_WORKSPACE}/plans/{{plan}}", "read", workspace_variable="workspace"),
        RouteRule("PUT", f"{_WORKSPACE}/plans/{{plan}}", "write", workspace_variable="workspace"),
        RouteRule("DELETE", f"{_WORKSPACE}/plans/{{plan}}", "write", workspace_variable="workspace"),
    ),
)
_APIS = {
    "Profile API": (PROFILES, "What is known of the people in a workspace.", _PROFILE_ENTRY),
    "Platform API": (PLATFORM, "Accounts, their workspaces and settings.", _PLATFORM_ENTRY),
    "Data Planning API": (PLANNING, "Plans of the data that a workspace expects.", _PLANNING_ENTRY),
}


def seed(platform: Platform, *, upstream: str, now: datetime) -> None:
    """Offer the three APIs."""
    then = add_months(now, -14)
    for name, (prefix, description, entry) in _APIS.items():
        places = tuple(ServiceEnvironment(each, prefix, upstream, 13, None) for each in EnvironmentName)
        new = NewService(name, AuthenticationType.CLIENT_SECRET, description, places, entry=entry)
        services.create(platform, _OPERATOR, new, now=then)

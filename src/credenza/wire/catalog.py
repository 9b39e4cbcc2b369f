"""What a service offers to whoever comes with a client secret: permissions, routes, and where scope is chosen."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StrictBool, StrictInt, StringConstraints

from credenza.wire.shape import AnswerShape, RequestShape, Text, told

ScopeLevel: TypeAlias = Literal["ORGANIZATION", "ACCOUNT", "WORKSPACE"]
Method: TypeAlias = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

_PERMISSION = told(r"^[a-z][a-z0-9_-]{0,39}$", "a small letter, then small letters, digits, _ and -, 40 at most")
PermissionName: TypeAlias = Annotated[str, StringConstraints(pattern=_PERMISSION)]
_VARIABLE = told(r"^[A-Za-z][A-Za-z0-9_]{0,39}$", "a letter, then letters, digits and _, 40 at most")
Variable: TypeAlias = Annotated[str, StringConstraints(pattern=_VARIABLE)]
_PATH = told(r"^/[!-~]*$", "a path that begins with a slash, in ASCII without blanks")
PathTemplate: TypeAlias = Annotated[str, StringConstraints(max_length=300, pattern=_PATH)]
_AUDIENCE = told(r"^[!-~]*$", "visible ASCII characters, without blanks")


class Permission(AnswerShape):
    name: str
    description: str


class RouteRule(AnswerShape):
    """Calls of this method to this path, below the path prefix, need that permission. The variables say which of the
    path's name the account and the workspace that a call is about."""

    method: str
    path: str
    permission: str
    account_variable: str | None
    workspace_variable: str | None


class CatalogEntry(AnswerShape):
    """`scopeFixed`: scope is every place of the level, and nothing is chosen. No `audience` means the origin of the
    environment, no `callsPerMinute` that there is no limit."""

    scope_level: ScopeLevel
    scope_fixed: bool
    audience: str
    token_life_s: int
    calls_per_minute: int | None
    admits_unmapped: bool
    permissions: tuple[Permission, ...]
    routes: tuple[RouteRule, ...]


class NewPermission(RequestShape):
    name: PermissionName
    description: Text = ""


class NewRouteRule(RequestShape):
    method: Method
    path: PathTemplate
    permission: PermissionName
    account_variable: Variable | None = None
    workspace_variable: Variable | None = None


class NewCatalogEntry(RequestShape):
    """At the level of the organization scope is always fixed."""

    scope_level: ScopeLevel
    scope_fixed: StrictBool = False
    audience: Annotated[str, StringConstraints(max_length=200, pattern=_AUDIENCE)] = ""
    token_life_s: Annotated[StrictInt, Field(ge=60, le=28_800)] = 3600
    calls_per_minute: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    admits_unmapped: StrictBool = False
    permissions: Annotated[tuple[NewPermission, ...], Field(min_length=1, max_length=50)]
    routes: Annotated[tuple[NewRouteRule, ...], Field(max_length=500)] = ()

"""The catalog: services that projects can use."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, StrictInt, StringConstraints

from credenza.wire.catalog import CatalogEntry, NewCatalogEntry
from credenza.wire.shape import AnswerShape, EnvironmentName, Name, RequestShape, Scope, Text, told

AuthenticationType: TypeAlias = Literal["OAUTH10A", "DUAL_OAUTH", "OAUTH2_FAPI", "MTLS", "CLIENT_SECRET"]
ServiceNumber: TypeAlias = Annotated[StrictInt, Field(ge=1, le=2_147_483_647)]

_SEGMENT = "[A-Za-z0-9_~-][A-Za-z0-9._~-]*"  # begins with no dot: there are no dot segments, nor /.well-known
_PREFIX = told(
    rf"^/(?:{_SEGMENT}(?:/{_SEGMENT})*)?$",
    "a slash and segments of letters, digits and - _ ~ . with slashes between, none at the end",
)
PathPrefix: TypeAlias = Annotated[str, StringConstraints(max_length=200, pattern=_PREFIX)]
_UPSTREAM = told(r"^https?://[!-~]+$", "a URL that begins with http:// or https://, in ASCII")


class ServicePlace(AnswerShape):
    """Where a service is reached in one environment. Its upstream is nobody's business but the operator's.
    `payloadRules` say what of a payload is encrypted and signed; null: nothing is."""

    name: EnvironmentName
    path_prefix: str
    validity_months: int
    validity_days: int | None
    payload_rules: dict[str, Any] | None = None


class Service(AnswerShape):
    service_id: int
    name: str
    authentication_type: AuthenticationType
    description: str
    environments: tuple[ServicePlace, ...]
    scopes: tuple[str, ...] = ()
    catalog_entry: CatalogEntry | None = None


class NewServicePlace(RequestShape):
    """`validityDays`, when given, stands in place of `validityMonths`. `payloadRules` say what of a payload is
    encrypted and signed (the guide to payloads lists them); without them payloads travel as they are. To take rules
    away that stand, say null: a change that leaves them out is refused. Services that take client secrets have none."""

    name: EnvironmentName
    path_prefix: PathPrefix
    upstream: Annotated[str, StringConstraints(max_length=500, pattern=_UPSTREAM)]
    validity_months: Annotated[StrictInt, Field(ge=1, le=39)] = 13
    validity_days: Annotated[StrictInt, Field(ge=1, le=1200)] | None = None
    payload_rules: Annotated[dict[str, Any], Field(max_length=8)] | None = None


class NewService(RequestShape):
    """`scopes` are what a token may be narrowed to: `payments:read`. A name belongs to one service. Those that
    take client secrets have a `catalogEntry`, and no others."""

    name: Name
    authentication_type: AuthenticationType
    description: Text = ""
    environments: Annotated[tuple[NewServicePlace, ...], Field(min_length=1, max_length=2)]
    scopes: Annotated[tuple[Scope, ...], Field(max_length=50)] = ()
    catalog_entry: NewCatalogEntry | None = None

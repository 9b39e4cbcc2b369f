"""The catalog: services that projects can use."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StrictInt, StringConstraints

from credenza.wire.shape import AnswerShape, EnvironmentName, Name, RequestShape, Scope, Text

AuthenticationType: TypeAlias = Literal["OAUTH10A", "DUAL_OAUTH", "OAUTH2_FAPI", "MTLS", "CLIENT_SECRET"]
ServiceNumber: TypeAlias = Annotated[StrictInt, Field(ge=1, le=2_147_483_647)]

_SEGMENT = "[A-Za-z0-9_~-][A-Za-z0-9._~-]*"  # begins with no dot: there are no dot segments, nor /.well-known
PathPrefix: TypeAlias = Annotated[
    str, StringConstraints(max_length=200, pattern=rf"^/(?:{_SEGMENT}(?:/{_SEGMENT})*)?$")
]


class ServicePlace(AnswerShape):
    """Where a service is reached in one environment. Its upstream is nobody's business but the operator's."""

    name: EnvironmentName
    path_prefix: str
    validity_months: int
    validity_days: int | None


class Service(AnswerShape):
    service_id: int
    name: str
    authentication_type: AuthenticationType
    description: str
    environments: tuple[ServicePlace, ...]
    scopes: tuple[str, ...] = ()


class NewServicePlace(RequestShape):
    """`validityDays`, when given, stands in place of `validityMonths`."""

    name: EnvironmentName
    path_prefix: PathPrefix
    upstream: Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://[!-~]+$")]
    validity_months: Annotated[StrictInt, Field(ge=1, le=39)] = 13
    validity_days: Annotated[StrictInt, Field(ge=1, le=1200)] | None = None


class NewService(RequestShape):
    """`scopes` are what a token may be narrowed to: `payments:read`. A name belongs to one service."""

    name: Name
    authentication_type: AuthenticationType
    description: Text = ""
    environments: Annotated[tuple[NewServicePlace, ...], Field(min_length=1, max_length=2)]
    scopes: Annotated[tuple[Scope, ...], Field(max_length=50)] = ()

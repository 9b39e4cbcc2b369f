"""The `Errors` envelope of contracts 1.5, and every ReasonCode of the management API."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal


class Source(StrEnum):
    GATEWAY = "Gateway"
    DEVELOPERS_API = "DEVELOPERS_API"
    DEVELOPERS_PLATFORM = "DEVELOPERS_PLATFORM"


class ReasonCode(StrEnum):
    """Stable: programs branch on these. The first part is contracts 1.5, the second settled 13 and our own."""

    BAD_REQUEST = "BAD_REQUEST"
    INVALID_CSR = "INVALID_CSR"
    INVALID_KEY_TYPE = "INVALID_KEY_TYPE"
    INVALID_CREDENTIAL_STATUS = "INVALID_CREDENTIAL_STATUS"
    PROJECT_TYPE_NOT_SUPPORTED = "PROJECT_TYPE_NOT_SUPPORTED"
    INVALID_PROJECT_STATUS = "INVALID_PROJECT_STATUS"
    NO_ACCESS_TO_PROJECT = "NO_ACCESS_TO_PROJECT"
    CREDENTIAL_NOT_FOUND = "CREDENTIAL_NOT_FOUND"
    SERVICE_NOT_FOUND = "SERVICE_NOT_FOUND"
    PROJECT_NAME_ALREADY_EXISTS = "PROJECT_NAME_ALREADY_EXISTS"
    PROJECT_SERVICE_ALREADY_EXISTS = "PROJECT_SERVICE_ALREADY_EXISTS"
    PROJECT_ENVIRONMENT_EXISTS = "PROJECT_ENVIRONMENT_EXISTS"
    INVALID_PROJECT_CONFIG = "INVALID_PROJECT_CONFIG"
    PROJECTS_MAX_EXCEEDED = "PROJECTS_MAX_EXCEEDED"

    INVALID_AUTH_HEADER = "INVALID_AUTH_HEADER"
    INVALID_OAUTH_SBS = "INVALID_OAUTH_SBS"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"

    OAUTH2_KEYS_MAX_EXCEEDED = "OAUTH2_KEYS_MAX_EXCEEDED"
    DUPLICATE_CERTIFICATE = "DUPLICATE_CERTIFICATE"
    LAST_ACTIVE_CREDENTIAL = "LAST_ACTIVE_CREDENTIAL"
    CREDENTIAL_NOT_RENEWABLE = "CREDENTIAL_NOT_RENEWABLE"
    PROJECT_NOT_FOUND = "PROJECT_NOT_FOUND"
    UNAUTHORIZED = "UNAUTHORIZED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    IDEMPOTENCY_ANSWER_GONE = "IDEMPOTENCY_ANSWER_GONE"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    MEMBERS_MAX_EXCEEDED = "MEMBERS_MAX_EXCEEDED"
    NAME_ALREADY_EXISTS = "NAME_ALREADY_EXISTS"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"


class _Shape(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, validate_by_name=True, validate_by_alias=True, frozen=True)


class Error(_Shape):
    """One thing that is wrong. `details` names the property at fault, where one is.

    Codes are text here: an envelope may come from a gate, or from a newer server, whose codes this list lacks.
    """

    source: str
    reason_code: str
    description: str
    recoverable: bool
    details: str | None = None


class ErrorList(_Shape):
    error: tuple[Error, ...]


class Envelope(_Shape):
    errors: ErrorList


def envelope(*errors: Error) -> Envelope:
    return Envelope(errors=ErrorList(error=errors))

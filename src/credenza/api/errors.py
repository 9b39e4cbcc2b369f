"""The only place that knows how a refusal looks over HTTP: every error of the management API, as one envelope.

`CODES` says which ReasonCode a refusal of the product becomes, `REASONS` what each ReasonCode means and which status it
carries. The reference pages and the OpenAPI document are made from the same tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from http import HTTPStatus
from typing import Any, get_args

from fastapi.exceptions import RequestValidationError
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from credenza.domain.errors import Code, Refusal
from credenza.gate import decision
from credenza.protocol.errors import Malformed, Refused
from credenza.wire.credentials import CredentialType
from credenza.wire.errors import Error, ReasonCode, Source, envelope
from credenza.wire.service_keys import ServiceCredentialType
from credenza.wire.shape import FORMS

CHALLENGE = 'Bearer realm="credenza", OAuth realm="credenza"'
RETRY_AFTER_S = 2
_CREDENTIAL_TYPES = frozenset({*get_args(CredentialType), *get_args(ServiceCredentialType)})
_MOST_ERRORS = 20
"""Of one request: a list of thousands of bad items is answered by its first few."""


class CallRefused(Exception):  # noqa: N818 - an answer, not an error of ours
    """A signed call that the gate's machinery refused."""

    def __init__(self, refused: decision.Refused) -> None:
        super().__init__(refused.description)
        self.refused = refused


class Unavailable(Exception):  # noqa: N818 - likewise
    """Something this server stands on does not answer; the same request may succeed later."""


class RateLimited(Exception):  # noqa: N818 - likewise
    """The caller has reached `limit`, a number with what it is counted by."""

    def __init__(self, limit: str, *, retry_after_s: int) -> None:
        super().__init__(limit)
        self.limit = limit
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Reason:
    """`recoverable`: the same request, repeated unchanged, may succeed."""

    status: HTTPStatus
    meaning: str
    recoverable: bool = False
    source: Source = Source.DEVELOPERS_API


_BAD, _CONFLICT, _MISSING, _FORBIDDEN = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.FORBIDDEN,
)
_PLATFORM, _GATEWAY = Source.DEVELOPERS_PLATFORM, Source.GATEWAY

REASONS: dict[ReasonCode, Reason] = {
    ReasonCode.BAD_REQUEST: Reason(_BAD, "A part of the request cannot be read; Details names it."),
    ReasonCode.INVALID_CSR: Reason(
        _BAD,
        "The certification request is blank, damaged, too weak, or of a key that cannot be used.",
        source=_PLATFORM,
    ),
    ReasonCode.INVALID_KEY_TYPE: Reason(
        _BAD, "The project does not take this type of credential; Details names it.", source=_PLATFORM
    ),
    ReasonCode.INVALID_CREDENTIAL_STATUS: Reason(_BAD, "The credential's status does not allow this."),
    ReasonCode.ACTIVATING_EXPIRED_KEY: Reason(
        _BAD, "The key has expired and is not activated any more: add a new one."
    ),
    ReasonCode.PROJECT_TYPE_NOT_SUPPORTED: Reason(
        _BAD, "The project's type is not offered here, or does not fit the authentication type of the service."
    ),
    ReasonCode.INVALID_PROJECT_STATUS: Reason(_BAD, "The project is not in the state that this needs."),
    ReasonCode.CREDENTIAL_NOT_RENEWABLE: Reason(_BAD, "The key cannot be renewed, or not yet."),
    ReasonCode.INVALID_AUTH_HEADER: Reason(_BAD, "The Authorization header cannot be read.", source=_GATEWAY),
    ReasonCode.INVALID_OAUTH_SBS: Reason(
        _BAD, "The signed request lacks an OAuth parameter; the description names it.", source=_GATEWAY
    ),
    ReasonCode.UNAUTHORIZED: Reason(HTTPStatus.UNAUTHORIZED, "No valid access token and no signed request."),
    ReasonCode.AUTHENTICATION_FAILED: Reason(
        _FORBIDDEN, "The signature proves nothing: key, time, body or signature do not fit.", source=_GATEWAY
    ),
    ReasonCode.FORBIDDEN: Reason(_FORBIDDEN, "The caller's role or token does not allow this."),
    ReasonCode.NO_ACCESS_TO_PROJECT: Reason(
        _FORBIDDEN, "The caller sees the project, and its role does not allow this."
    ),
    ReasonCode.NOT_FOUND: Reason(_MISSING, "There is no such thing, or none that the caller may see."),
    ReasonCode.PROJECT_NOT_FOUND: Reason(_MISSING, "There is no such project, or none that the caller may see."),
    ReasonCode.CREDENTIAL_NOT_FOUND: Reason(_MISSING, "The project has no such credential."),
    ReasonCode.SERVICE_NOT_FOUND: Reason(_MISSING, "There is no such service."),
    ReasonCode.METHOD_NOT_ALLOWED: Reason(
        HTTPStatus.METHOD_NOT_ALLOWED, "The path does not take this method; the header Allow lists those it takes."
    ),
    ReasonCode.PROJECT_NAME_ALREADY_EXISTS: Reason(_CONFLICT, "Another project of the organization has this name."),
    ReasonCode.PROJECT_SERVICE_ALREADY_EXISTS: Reason(_CONFLICT, "The project uses this service there already."),
    ReasonCode.PROJECT_ENVIRONMENT_EXISTS: Reason(_CONFLICT, "The project has this environment already."),
    ReasonCode.INVALID_PROJECT_CONFIG: Reason(
        _CONFLICT, "What was chosen for the project does not go together, or is not offered."
    ),
    ReasonCode.PROJECTS_MAX_EXCEEDED: Reason(_CONFLICT, "The organization has as many projects as it may have."),
    ReasonCode.OAUTH2_KEYS_MAX_EXCEEDED: Reason(_CONFLICT, "The project has as many OAuth 2.0 keys as it may have."),
    ReasonCode.CLIENT_SECRETS_MAX_EXCEEDED: Reason(
        _CONFLICT, "The API credential has as many secrets as it may have: delete one first."
    ),
    ReasonCode.EDITED_MEANWHILE: Reason(
        _CONFLICT, "Somebody else edited it first, and nothing was overwritten: read it again and edit that."
    ),
    ReasonCode.MEMBERS_MAX_EXCEEDED: Reason(
        _CONFLICT, "The project has as many members with this role as it may have."
    ),
    ReasonCode.NAME_ALREADY_EXISTS: Reason(_CONFLICT, "Something of this kind has this name already."),
    ReasonCode.DUPLICATE_CERTIFICATE: Reason(_CONFLICT, "This key or subject was certified before: make a new one."),
    ReasonCode.LAST_ACTIVE_CREDENTIAL: Reason(
        _CONFLICT, "It is the last active key there, and the request asked to be held back (Credenza-Keep-Last)."
    ),
    ReasonCode.REVOKE_ACTIVE_MASTERCARD_ENCRYPTION_CREDENTIAL_ERROR: Reason(
        _CONFLICT, "The encryption key or client signature verification key is active: activate another one first."
    ),
    ReasonCode.REVOKE_LAST_CLIENT_ENCRYPTION_CREDENTIAL_ERROR: Reason(
        _CONFLICT, "It is the last active client encryption key there: add another one first."
    ),
    ReasonCode.IDEMPOTENCY_IN_PROGRESS: Reason(
        _CONFLICT, "The first request with this Idempotency-Key is still under way.", recoverable=True
    ),
    ReasonCode.IDEMPOTENCY_ANSWER_GONE: Reason(
        _CONFLICT, "The request was done; its answer held a secret that is no longer kept."
    ),
    ReasonCode.IDEMPOTENCY_KEY_REUSED: Reason(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The Idempotency-Key was sent with another request before."
    ),
    ReasonCode.PAYLOAD_TOO_LARGE: Reason(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than 1 MiB."),
    ReasonCode.RATE_LIMIT_EXCEEDED: Reason(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests or attempts; the description names the limit, Retry-After the seconds to wait.",
        recoverable=True,
    ),
    ReasonCode.INTERNAL_ERROR: Reason(HTTPStatus.INTERNAL_SERVER_ERROR, "A fault of the server; its log says more."),
    ReasonCode.SERVICE_UNAVAILABLE: Reason(
        HTTPStatus.SERVICE_UNAVAILABLE, "The server cannot answer now; nothing was changed.", recoverable=True
    ),
}

CODES: dict[Code, ReasonCode] = {
    Code.UNAUTHENTICATED: ReasonCode.UNAUTHORIZED,
    Code.PROOF_NEEDED: ReasonCode.UNAUTHORIZED,
    Code.FORBIDDEN: ReasonCode.FORBIDDEN,
    Code.PROJECT_FORBIDDEN: ReasonCode.NO_ACCESS_TO_PROJECT,
    Code.NOT_FOUND: ReasonCode.NOT_FOUND,
    Code.PROJECT_NOT_FOUND: ReasonCode.PROJECT_NOT_FOUND,
    Code.SERVICE_NOT_FOUND: ReasonCode.SERVICE_NOT_FOUND,
    Code.CREDENTIAL_NOT_FOUND: ReasonCode.CREDENTIAL_NOT_FOUND,
    Code.INVALID: ReasonCode.BAD_REQUEST,
    Code.INVALID_CSR: ReasonCode.INVALID_CSR,
    Code.INVALID_CERTIFICATE: ReasonCode.BAD_REQUEST,
    Code.KEY_TYPE: ReasonCode.INVALID_KEY_TYPE,
    Code.PROJECT_TYPE: ReasonCode.PROJECT_TYPE_NOT_SUPPORTED,
    Code.PROJECT_STATUS: ReasonCode.INVALID_PROJECT_STATUS,
    Code.PROJECT_CONFIG: ReasonCode.INVALID_PROJECT_CONFIG,
    Code.DUPLICATE_PROJECT_NAME: ReasonCode.PROJECT_NAME_ALREADY_EXISTS,
    Code.DUPLICATE_PROJECT_SERVICE: ReasonCode.PROJECT_SERVICE_ALREADY_EXISTS,
    Code.DUPLICATE_ENVIRONMENT: ReasonCode.PROJECT_ENVIRONMENT_EXISTS,
    Code.DUPLICATE_KEY: ReasonCode.DUPLICATE_CERTIFICATE,
    Code.DUPLICATE_SUBJECT: ReasonCode.DUPLICATE_CERTIFICATE,
    Code.DUPLICATE_NAME: ReasonCode.NAME_ALREADY_EXISTS,
    Code.PROJECT_LIMIT: ReasonCode.PROJECTS_MAX_EXCEEDED,
    Code.OAUTH2_KEY_LIMIT: ReasonCode.OAUTH2_KEYS_MAX_EXCEEDED,
    Code.MEMBER_LIMIT: ReasonCode.MEMBERS_MAX_EXCEEDED,
    Code.SECRET_LIMIT: ReasonCode.CLIENT_SECRETS_MAX_EXCEEDED,
    Code.EDITED_MEANWHILE: ReasonCode.EDITED_MEANWHILE,
    Code.LAST_ACTIVE_CREDENTIAL: ReasonCode.LAST_ACTIVE_CREDENTIAL,
    Code.NOT_RENEWABLE: ReasonCode.CREDENTIAL_NOT_RENEWABLE,
    Code.NOT_ACTIVE: ReasonCode.INVALID_CREDENTIAL_STATUS,
    Code.STATUS: ReasonCode.INVALID_CREDENTIAL_STATUS,
    Code.EXPIRED_KEY: ReasonCode.ACTIVATING_EXPIRED_KEY,
    Code.ACTIVE_SERVICE_KEY: ReasonCode.REVOKE_ACTIVE_MASTERCARD_ENCRYPTION_CREDENTIAL_ERROR,
    Code.LAST_SERVICE_KEY: ReasonCode.REVOKE_LAST_CLIENT_ENCRYPTION_CREDENTIAL_ERROR,
    Code.ISSUER_ENDED: ReasonCode.SERVICE_UNAVAILABLE,
    Code.ISSUER_AWAY: ReasonCode.SERVICE_UNAVAILABLE,
    Code.IDEMPOTENCY_KEY_REUSED: ReasonCode.IDEMPOTENCY_KEY_REUSED,
    Code.IDEMPOTENCY_ANSWER_GONE: ReasonCode.IDEMPOTENCY_ANSWER_GONE,
    Code.IDEMPOTENCY_IN_PROGRESS: ReasonCode.IDEMPOTENCY_IN_PROGRESS,
    Code.TOO_MANY_ATTEMPTS: ReasonCode.RATE_LIMIT_EXCEEDED,
    Code.BUSY: ReasonCode.SERVICE_UNAVAILABLE,
}

_OUR_FAULT = "The server failed. Its log has this answer's Credenza-Request-Id."
_FRAMEWORK: dict[int, tuple[ReasonCode, str]] = {
    HTTPStatus.BAD_REQUEST: (ReasonCode.BAD_REQUEST, "The body cannot be read as JSON."),
    HTTPStatus.NOT_FOUND: (ReasonCode.NOT_FOUND, "There is nothing at this path; /openapi.json lists what there is."),
    HTTPStatus.METHOD_NOT_ALLOWED: (ReasonCode.METHOD_NOT_ALLOWED, "This path does not take this method."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (ReasonCode.PAYLOAD_TOO_LARGE, "The body is larger than 1 MiB."),
    HTTPStatus.TOO_MANY_REQUESTS: (ReasonCode.RATE_LIMIT_EXCEEDED, "Too many requests: try again later."),
}


@singledispatch
def answer(_error: Exception) -> Response:
    """Make the answer to a request that ended in an error. What is not known below is a fault of ours: 500, no more."""
    return _one(ReasonCode.INTERNAL_ERROR, _OUR_FAULT)


@answer.register
def _(refusal: Refusal) -> Response:
    return _one(CODES[refusal.code], refusal.message, refusal.field)


@answer.register
def _(error: CallRefused) -> Response:
    """Answer as a gate would: its codes are its own (contracts 2.5), and so are their statuses."""
    refused = error.refused
    told = Error(
        source=Source.GATEWAY,
        reason_code=refused.reason_code,
        description=refused.description,
        recoverable=refused.status == HTTPStatus.SERVICE_UNAVAILABLE,
    )
    return _write([told], HTTPStatus(refused.status))


@answer.register
def _(error: RequestValidationError) -> Response:
    return _write([_unreadable(each) for each in error.errors()[:_MOST_ERRORS]], _BAD)


@answer.register
def _(error: Malformed) -> Response:
    reason_code = ReasonCode.INVALID_CSR if error.field == "csr" else ReasonCode.BAD_REQUEST
    return _one(reason_code, str(error), error.field)


@answer.register
def _(error: Refused) -> Response:
    return _one(ReasonCode.INVALID_CSR, str(error), "csr")


@answer.register
def _(_error: Unavailable) -> Response:
    return _one(ReasonCode.SERVICE_UNAVAILABLE, "The server cannot answer now. Try again in a few seconds.")


@answer.register
def _(error: RateLimited) -> Response:
    wait = f"Try again in {error.retry_after_s} s."
    headers = {"Retry-After": str(error.retry_after_s)}
    return _one(ReasonCode.RATE_LIMIT_EXCEEDED, f"The limit is {error.limit}. {wait}", headers=headers)


@answer.register
def _(error: HTTPException) -> Response:
    reason_code, description = _FRAMEWORK.get(error.status_code, (ReasonCode.INTERNAL_ERROR, _OUR_FAULT))
    return _one(reason_code, description, headers=error.headers)


def _one(
    reason_code: ReasonCode, description: str, details: str = "", *, headers: Mapping[str, str] | None = None
) -> Response:
    return _write([error_of(reason_code, description, details)], REASONS[reason_code].status, headers)


def error_of(reason_code: ReasonCode, description: str, details: str = "") -> Error:
    reason = REASONS[reason_code]
    return Error(
        source=reason.source,
        reason_code=reason_code,
        description=description,
        recoverable=reason.recoverable,
        details=details or None,
    )


def _write(errors: Sequence[Error], status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
    body = envelope(*errors).model_dump_json(by_alias=True)
    return Response(body, status, {**_headers(status), **(headers or {})}, "application/json")


def _headers(status: HTTPStatus) -> dict[str, str]:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return {"WWW-Authenticate": CHALLENGE}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        return {"Retry-After": str(RETRY_AFTER_S)}
    return {}


# ---------------------------------------------------------------------------------- a request that has the wrong shape


def _unreadable(error: Mapping[str, Any]) -> Error:
    """Name the property and the cure. The value is never repeated: it may be a secret in the wrong place."""
    name = _property(error)
    found = error.get("ctx", {}).get("tag") if error["type"] == "union_tag_invalid" else None
    if found in _CREDENTIAL_TYPES:  # and not taken here: the type is named in parentheses (contracts 1.5)
        return error_of(ReasonCode.INVALID_KEY_TYPE, _complaint(error, name), f"{name} ({found})")
    return error_of(ReasonCode.BAD_REQUEST, _complaint(error, name), name)


def _property(error: Mapping[str, Any]) -> str:
    """Spell the place of an error as its sender knows it: without the tag that chose among several shapes, and an id
    of the path as the refusals of unknown ones do."""
    where, *place = error["loc"]
    if error["type"] == "json_invalid":
        return "body"
    path = [str(each) for each in place if not (isinstance(each, str) and each.isupper())]
    if where == "path":
        path = [to_camel(each) for each in path]
    if error["type"].startswith("union_tag"):
        path.append(error["ctx"]["discriminator"].strip("'"))
    return ".".join(path) or "body"


def _complaint(error: Mapping[str, Any], name: str) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return f"There is no property {name} here. Leave it out, or correct its spelling."
        case "missing" | "union_tag_not_found":
            return f"{name} is missing."
        case "union_tag_invalid":
            return f"{name} is none of {context['expected_tags']}."
        case "string_pattern_mismatch":
            return f"{name} does not have the right form: {FORMS.get(context['pattern'], context['pattern'])}."
        case "json_invalid" | "model_attributes_type" | "too_long":
            return _misshapen(error, name)
        case _:
            return f"{name}: {error['msg']}."


def _misshapen(error: Mapping[str, Any], name: str) -> str:
    context = error.get("ctx", {})
    if error["type"] == "json_invalid":
        return f"The body is not JSON: {context['error']}."
    if error["type"] == "too_long":
        most = context["max_length"]
        return f"{name} has more than {most} items." if most else f"Nothing is taken in {name}. Leave it out, or empty."
    if isinstance(error["input"], bytes):  # the framework has not tried to read it
        return "The body was not sent as JSON. Add the header Content-Type: application/json."
    return f"{name} is not a JSON object."


# -------------------------------------------------------------------------------- what the OpenAPI document says


def documented(codes: Iterable[ReasonCode]) -> dict[str, dict[str, Any]]:
    """Describe the answers that carry these codes, by status; `examples` has what they refer to."""
    by_status: dict[str, dict[str, Any]] = {}
    for code in sorted(codes, key=lambda each: (REASONS[each].status, each)):
        status = str(int(REASONS[code].status))
        content = {"schema": {"$ref": "#/components/schemas/Envelope"}, "examples": {}}
        told = by_status.setdefault(status, {"description": "", "content": {"application/json": content}})
        told["description"] = f"{told['description']}\n- `{code}`: {REASONS[code].meaning}".strip()
        told["content"]["application/json"]["examples"][code] = {"$ref": f"#/components/examples/{code}"}
    return by_status


def examples() -> dict[str, Any]:
    """Show each ReasonCode in its envelope."""
    return {
        code: {"value": envelope(error_of(code, reason.meaning)).model_dump(mode="json", by_alias=True)}
        for code, reason in REASONS.items()
    }

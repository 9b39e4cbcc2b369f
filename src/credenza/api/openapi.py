"""The OpenAPI 3.1 document, kept at docs/reference/openapi.json: `python -m credenza.api.openapi > that file`.

FastAPI writes the shapes; what it cannot know is added here: how callers prove who they are, and every ReasonCode that
each route can answer with.
"""

from __future__ import annotations

import json
import sys
from inspect import signature
from typing import Any

from fastapi.openapi.utils import get_openapi

from credenza import __version__
from credenza.api.errors import documented, examples
from credenza.api.routes import OPEN, PROTECTED, Route, router
from credenza.wire.errors import Envelope, ReasonCode

_ALWAYS = (ReasonCode.INTERNAL_ERROR, ReasonCode.SERVICE_UNAVAILABLE, ReasonCode.PAYLOAD_TOO_LARGE)
_PROTECTED = (
    ReasonCode.BAD_REQUEST,
    ReasonCode.UNAUTHORIZED,
    ReasonCode.AUTHENTICATION_FAILED,
    ReasonCode.INVALID_AUTH_HEADER,
    ReasonCode.INVALID_OAUTH_SBS,
    ReasonCode.RATE_LIMIT_EXCEEDED,
)
_REPEATABLE = (
    ReasonCode.IDEMPOTENCY_KEY_REUSED,
    ReasonCode.IDEMPOTENCY_ANSWER_GONE,
    ReasonCode.IDEMPOTENCY_IN_PROGRESS,
)

_ABOUT = """\
`/developer` is the API of the original: its paths, names and errors. `/api` is our own.

Every error has the shape `Envelope`; programs branch on its `ReasonCode`. Every answer has the header
`Credenza-Request-Id`. A POST may be repeated with the same `Idempotency-Key`. Lists are bare arrays; with `limit` they
come in pages, the next of which the header `Link` names."""

_SECURITY_SCHEMES = {
    "AccessToken": {"type": "http", "scheme": "bearer", "description": "A personal access token, `czp_…`."},
    "SignedRequest": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "OAuth 1.0a, RSA-SHA256 or RSA-PSS, with an account-level API key and oauth_body_hash.",
    },
}

_REACH_HEADERS = {
    "Credenza-Reach": {
        "description": "Gates of the fleet, those that confirmed, and those whose lease had run out.",
        "schema": {"type": "string", "examples": ["gates=3, confirmed=3, lapsed=0"]},
    },
    "Credenza-Reach-Milliseconds": {
        "description": "How long it took until no gate admitted the credential any more.",
        "schema": {"type": "integer", "minimum": 0},
    },
}
_WITH_REACH = {
    "deleteProject",
    "revokeProjectCredential",
    "revokeCredential",
    "revokeApiKey",
    "disableTrustedAuthority",
}
_NOT_JSON = {
    "exportAuditLog": ("application/jsonl",),
    "getAuthorityCertificate": ("application/pkix-cert", "application/x-pem-file"),
    "getAnyAuthorityCertificate": ("application/pkix-cert", "application/x-pem-file"),
    "getAuthorityChain": ("application/x-pem-file",),
    "getRevocationList": ("application/pkix-crl",),
    "getCertificateStatus": ("application/ocsp-response",),
    "askCertificateStatus": ("application/ocsp-response",),
    "getMetrics": ("text/plain",),
    "getCalendar": ("text/calendar",),
}


def codes_of(route: Route) -> tuple[ReasonCode, ...]:
    """Name every ReasonCode that a route can answer with."""
    codes = _ALWAYS + route.codes
    if route in PROTECTED:
        codes += _PROTECTED
    if "once" in signature(route.endpoint).parameters:
        codes += _REPEATABLE
    return tuple(dict.fromkeys(codes))


def document() -> dict[str, Any]:
    written = get_openapi(
        title="Credenza management API",
        version=__version__,
        summary="Projects, credentials, people and audit of an API platform.",
        description=_ABOUT,
        routes=router().routes,
    )
    components = written["components"]
    components["securitySchemes"] = _SECURITY_SCHEMES
    components["schemas"] |= _schemas_of_errors()
    components["examples"] = examples()
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    for route in (*PROTECTED, *OPEN):
        # What a path takes whole is no part of its name in the document.
        _complete(written["paths"][route.path.replace(":path}", "}")][route.method.lower()], route)
    return written


def _complete(operation: dict[str, Any], route: Route) -> None:
    operation.pop("description", None)  # the function's docstring, which is the summary already
    operation["responses"].pop("422", None)
    operation["responses"] |= documented(codes_of(route))
    operation["tags"] = [route.path.split("/")[1]]
    operation["security"] = [{name: []} for name in _SECURITY_SCHEMES] if route in PROTECTED else []
    if route.operation_id in _WITH_REACH:
        operation["responses"]["204"]["headers"] = _REACH_HEADERS
    if route.operation_id in _NOT_JSON:
        operation["responses"]["200"]["content"] = {name: {} for name in _NOT_JSON[route.operation_id]}


def _schemas_of_errors() -> dict[str, Any]:
    schema = Envelope.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Envelope": schema}


def text() -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())

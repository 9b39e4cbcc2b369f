"""Questions to a gate and its answers, and the headers in which an application learns who calls it.

These are structs of msgspec where the rest of `wire` has pydantic models: they travel with every call.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence

import msgspec

STATUS = "Credenza-Status"
REASON_CODE = "Credenza-Reason-Code"
REFUSAL_ID = "Credenza-Refusal-Id"
DESCRIPTION = "Credenza-Description"
GATE_SECRET = "Credenza-Gate-Secret"
DPOP_NONCE = "DPoP-Nonce"

CLIENT_ID = "X-Credenza-Client-Id"
KEY_ID = "X-Credenza-Key-Id"
PROJECT_ID = "X-Credenza-Project-Id"
ORGANIZATION_ID = "X-Credenza-Organization-Id"
ENVIRONMENT = "X-Credenza-Environment"
SERVICE_ID = "X-Credenza-Service-Id"
REQUEST_ID = "X-Credenza-Request-Id"
BODY = "X-Credenza-Body"
CLAIMED_BODY_HASH = "X-Credenza-Claimed-Body-Hash"
SIGNED_IDENTITY = "X-Credenza-Identity"
CERTIFICATE_SHA256 = "X-Credenza-Certificate-Sha256"
PERMISSION = "X-Credenza-Permission"
ACCOUNT_ID = "X-Credenza-Account-Id"
WORKSPACE_ID = "X-Credenza-Workspace-Id"

RATE_LIMIT = "X-RateLimit-Limit"
RATE_LIMIT_REMAINING = "X-RateLimit-Remaining"
RATE_LIMIT_USED = "X-RateLimit-Used-Percent"
PAYLOAD = "X-Credenza-Payload"

_ALPHANUMERIC = (string.ascii_letters + string.digits).encode()
# CGI and its heirs fold names: `X_Credenza-key.id` may reach an application as the same variable as X-Credenza-Key-Id.
_FOLDED = bytes(byte if byte in _ALPHANUMERIC else ord("-") for byte in range(256)).lower()
_FORM = b"application/x-www-form-urlencoded"
_OURS = (b"x-credenza-", b"credenza-")


def folded(name: bytes) -> bytes:
    """Spell a header name as the most liberal server would read it: lower case, every other character a hyphen."""
    return name.translate(_FOLDED)


def is_ours(name: bytes) -> bool:
    """Whether a header, in any spelling, pretends to come from Credenza; one that a client sends never goes on."""
    return name.translate(_FOLDED).startswith(_OURS)


def is_form(content_types: Sequence[bytes]) -> bool:
    """Whether a body is a form whose fields a signature may cover in place of a hash (RFC 5849 3.4.1.3.1)."""
    return len(content_types) == 1 and content_types[0].partition(b";")[0].strip().lower() == _FORM


class Identity(msgspec.Struct, frozen=True, rename="camel"):
    """Who is calling, proven. An account key has no project and no environment, but an owner who acts through it.
    `certificate_sha256` is the thumbprint, in hex, of the client certificate that a call was made with. Of a call with
    an API credential `permission` is the one that its route needs, and account and workspace the place that it is
    about, as far as the route names them; such a credential has no project."""

    client_id: str
    key_id: str
    alias: str
    organization_id: str
    project_id: str | None
    project_name: str
    owner_id: str | None
    environment: str | None
    service_id: int | None
    certificate_sha256: str = ""
    permission: str = ""
    account_id: str = ""
    workspace_id: str = ""

    def headers(self) -> Iterator[tuple[str, str]]:
        yield CLIENT_ID, self.client_id
        yield KEY_ID, self.key_id
        yield ORGANIZATION_ID, self.organization_id
        yield PROJECT_ID, self.project_id or ""
        yield ENVIRONMENT, self.environment or ""
        yield SERVICE_ID, "" if self.service_id is None else str(self.service_id)
        if self.certificate_sha256:
            yield CERTIFICATE_SHA256, self.certificate_sha256
        for name, value in (
            (PERMISSION, self.permission),
            (ACCOUNT_ID, self.account_id),
            (WORKSPACE_ID, self.workspace_id),
        ):
            if value:
                yield name, value


class Question(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A call as the middleware received it. `path` and `query` are the bytes of the request line.

    `body_sha256` is over the whole body; `form` is the body itself when it is a form that no hash covers. `proofs` are
    the DPoP headers, `certificate` the client's (DER) where the application's own server has proven one in TLS.
    """

    method: str
    scheme: str
    authority: str
    path: str
    query: str
    authorization: tuple[str, ...]
    body_sha256: bytes
    form: bytes | None = None
    proofs: tuple[str, ...] = ()
    certificate: bytes = b""
    address: str = ""
    user_agent: str = ""


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """`identity` is set when the call is admitted; then `headers` are to be added to what the application answers. Else
    status, headers and body are what the caller is to be answered. `signed_identity` is the identity as a JWT, where
    the platform hands one on. `payload` names what the application has to have done with the bodies of the call and of
    its answer, in this order (`wire.payloads`)."""

    request_id: str
    identity: Identity | None = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    signed_identity: str = ""
    payload: tuple[str, ...] = ()

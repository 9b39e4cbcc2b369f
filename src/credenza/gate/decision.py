"""What the gate says about a call, as values: a question, an answer, and the codes of every way to be refused.

The values made for every call are structs of msgspec, not dataclasses, for the reason `protocol.oauth1` gives.
Nothing here decides; `gate.oauth1` does.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import NamedTuple, TypeAlias

import msgspec

from credenza.domain.model import EnvironmentName
from credenza.protocol.oauth1 import Request, SignedCall
from credenza.store.lookup import KeyRecord, Route
from credenza.wire.decisions import Identity


class Code(StrEnum):
    """Why a call is refused: stable, documented, and more than the caller is told (`ANSWERS`)."""

    INVALID_HEADER = "invalid_header"
    MISSING_PARAMETER = "missing_parameter"
    UNSUPPORTED_METHOD = "unsupported_method"
    NONCE = "nonce"
    INVALID_TARGET = "invalid_target"
    BAD_REQUEST = "bad_request"
    TIMESTAMP = "timestamp"
    BODY_HASH_MISSING = "body_hash_missing"
    BODY_HASH = "body_hash"
    SIGNATURE = "signature"
    UNKNOWN_KEY = "unknown_key"
    WRONG_KIND = "wrong_kind"
    INACTIVE = "inactive"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REPLAYED = "replayed"
    OTHER_ENVIRONMENT = "other_environment"
    NOT_ENTITLED = "not_entitled"
    UNMAPPED_PATH = "unmapped_path"
    INVALID_TOKEN = "invalid_token"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_REVOKED = "token_revoked"
    TOKEN_BINDING = "token_binding"
    PROOF_MISSING = "proof_missing"
    INVALID_PROOF = "invalid_proof"
    PROOF_NONCE = "proof_nonce"
    PROOF_REPLAYED = "proof_replayed"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    CERTIFICATE_MISSING = "certificate_missing"
    CERTIFICATE_UNKNOWN = "certificate_unknown"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    CERTIFICATE_REVOKED = "certificate_revoked"
    BODY_TOO_LARGE = "body_too_large"
    BODY_TIMEOUT = "body_timeout"
    GATE_CLOSED = "gate_closed"
    REPLAY_UNAVAILABLE = "replay_unavailable"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    PAYLOAD_SIGNATURE = "payload_signature"
    PAYLOAD_KEY = "payload_key"
    PAYLOAD_UNDECRYPTED = "payload_undecrypted"
    PAYLOAD_NO_RECIPIENT = "payload_no_recipient"
    PAYLOAD_ANSWER = "payload_answer"
    PAYLOAD_UNAVAILABLE = "payload_unavailable"
    RESOURCE_SERVER = "resource_server"
    TOKEN_MISSING = "token_missing"
    TOKEN_AUDIENCE = "token_audience"
    ADDRESS = "address"
    PERMISSION_MISSING = "permission_missing"
    OUTSIDE_SCOPE = "outside_scope"
    NOT_IN_TREE = "not_in_tree"
    UNMAPPED_ROUTE = "unmapped_route"
    RATE_LIMITED = "rate_limited"


class Answer(NamedTuple):
    """What a refusal looks like from outside. `source` is the part of the platform that refuses."""

    status: int
    reason_code: str
    source: str = "Gateway"


_PASSES_BY_ITSELF = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
_BAD_REQUEST = Answer(400, "BAD_REQUEST")
_INVALID_AUTH_HEADER = Answer(400, "INVALID_AUTH_HEADER")
_INVALID_OAUTH_SBS = Answer(400, "INVALID_OAUTH_SBS")
_AUTHENTICATION_FAILED = Answer(403, "AUTHENTICATION_FAILED")
_DECLINED = Answer(401, "DECLINED")
_TOKEN = Answer(401, "INVALID_TOKEN")
_CERTIFICATE = Answer(422, "INVALID_CLIENT_CERT")
_UNAVAILABLE = Answer(503, "SERVICE_UNAVAILABLE")
# Contracts 2.5: what is found behind the authentication has another source than the gateway.
_PAYLOAD = "Payload"

ANSWERS: dict[Code, Answer] = {
    Code.INVALID_HEADER: _INVALID_AUTH_HEADER,
    Code.MISSING_PARAMETER: _INVALID_OAUTH_SBS,
    Code.UNSUPPORTED_METHOD: _INVALID_AUTH_HEADER,
    Code.NONCE: _INVALID_AUTH_HEADER,
    Code.INVALID_TARGET: _BAD_REQUEST,
    Code.BAD_REQUEST: _BAD_REQUEST,
    Code.TIMESTAMP: _AUTHENTICATION_FAILED,
    Code.BODY_HASH_MISSING: _INVALID_OAUTH_SBS,
    Code.BODY_HASH: _AUTHENTICATION_FAILED,
    Code.SIGNATURE: _AUTHENTICATION_FAILED,
    Code.UNKNOWN_KEY: _AUTHENTICATION_FAILED,
    Code.WRONG_KIND: _AUTHENTICATION_FAILED,
    Code.INACTIVE: _AUTHENTICATION_FAILED,
    Code.REVOKED: _AUTHENTICATION_FAILED,
    Code.EXPIRED: _AUTHENTICATION_FAILED,
    Code.NOT_YET_VALID: _AUTHENTICATION_FAILED,
    Code.REPLAYED: _AUTHENTICATION_FAILED,
    Code.OTHER_ENVIRONMENT: _DECLINED,
    Code.NOT_ENTITLED: _DECLINED,
    Code.UNMAPPED_PATH: _DECLINED,
    Code.INVALID_TOKEN: _TOKEN,
    Code.TOKEN_EXPIRED: _TOKEN,
    Code.TOKEN_REVOKED: _TOKEN,
    Code.TOKEN_BINDING: _TOKEN,
    Code.PROOF_MISSING: Answer(400, "MALFORMED_OAUTH_REQ"),
    Code.INVALID_PROOF: _TOKEN,
    Code.PROOF_NONCE: _TOKEN,
    Code.PROOF_REPLAYED: _TOKEN,
    Code.INSUFFICIENT_SCOPE: Answer(403, "INSUFFICIENT_SCOPE"),
    Code.CERTIFICATE_MISSING: _CERTIFICATE,
    Code.CERTIFICATE_UNKNOWN: _CERTIFICATE,
    Code.CERTIFICATE_UNTRUSTED: _CERTIFICATE,
    Code.CERTIFICATE_EXPIRED: _CERTIFICATE,
    Code.CERTIFICATE_NOT_YET_VALID: _CERTIFICATE,
    Code.CERTIFICATE_REVOKED: _CERTIFICATE,
    Code.BODY_TOO_LARGE: Answer(413, "PAYLOAD_TOO_LARGE"),
    Code.BODY_TIMEOUT: Answer(408, "REQUEST_TIMEOUT"),
    Code.GATE_CLOSED: _UNAVAILABLE,
    Code.REPLAY_UNAVAILABLE: _UNAVAILABLE,
    Code.UPSTREAM_UNREACHABLE: Answer(502, "UPSTREAM_UNREACHABLE"),
    Code.UPSTREAM_TIMEOUT: Answer(504, "UPSTREAM_TIMEOUT"),
    Code.PAYLOAD_SIGNATURE: Answer(400, "REQUEST_SIGNATURE_FAILED", _PAYLOAD),
    Code.PAYLOAD_KEY: Answer(400, "DECRYPT_PRIVATE_KEY_NOT_FOUND", _PAYLOAD),
    Code.PAYLOAD_UNDECRYPTED: Answer(400, "REQUEST_DECRYPT_FAILED", _PAYLOAD),
    Code.PAYLOAD_NO_RECIPIENT: Answer(400, "ENCRYPT_PUBLIC_KEY_NOT_FOUND", _PAYLOAD),
    Code.PAYLOAD_ANSWER: Answer(502, "RESPONSE_ENCRYPT_FAILED", _PAYLOAD),
    Code.PAYLOAD_UNAVAILABLE: _UNAVAILABLE,
    Code.RESOURCE_SERVER: Answer(401, "UNAUTHORIZED"),
    Code.TOKEN_MISSING: Answer(401, "UNAUTHORIZED"),
    Code.TOKEN_AUDIENCE: _TOKEN,
    Code.ADDRESS: Answer(403, "ADDRESS_NOT_ALLOWED"),
    Code.PERMISSION_MISSING: Answer(403, "PERMISSION_MISSING"),
    Code.OUTSIDE_SCOPE: Answer(403, "OUTSIDE_SCOPE"),
    Code.NOT_IN_TREE: Answer(404, "NOT_FOUND"),
    Code.UNMAPPED_ROUTE: Answer(403, "ROUTE_NOT_MAPPED"),
    Code.RATE_LIMITED: Answer(429, "RATE_LIMIT_EXCEEDED"),
}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it arrived. `id` is drawn by the edge; a refusal of the call is found by it.

    `environment` is None at the management API. `body_sha256` is None where the body passes by the gate
    (sub-requests); `announces_body` tells whether the headers promise one. `authorization` and `proofs` hold every
    Authorization header and every DPoP header. `certificate` is the DER of the client certificate whose private key the
    caller has proven to hold in TLS; empty when there is none.
    """

    id: str
    request: Request
    authorization: tuple[str, ...]
    environment: EnvironmentName | None
    body_sha256: bytes | None
    announces_body: bool = False
    proofs: tuple[str, ...] = ()
    certificate: bytes = b""
    address: str = ""
    user_agent: str = ""


class Admitted(msgspec.Struct, frozen=True):
    """`route` is None at the management API. `claimed_body_hash` is proven unless the body passed by the gate.
    `signed` is the identity as a JWT, or empty where none is handed on. `headers` go to the caller with whatever the
    upstream answers."""

    identity: Identity
    route: Route | None
    claimed_body_hash: str | None
    signed: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Evidence(msgspec.Struct, frozen=True):
    """What a refusal rests on, for `gate.explanation`: as far as the check had come. `hint` is what only the owner of
    the key is told; `payload` what was to be done with the payload, None where that is not known."""

    call: Call
    at: datetime
    claim: SignedCall | None = None
    record: KeyRecord | None = None
    hint: str = ""
    payload: tuple[str, ...] | None = None


class Refused(msgspec.Struct, frozen=True):
    """`description` is for the caller and tells no more than `ANSWERS`; `code` and `evidence` stay inside.

    `evidence` is None when the refusal says nothing about the call's proof: its form, or the upstream. `headers` are
    those that only this protocol's clients look for; a challenge among them takes the place of the usual one.
    """

    id: str
    code: Code
    description: str
    evidence: Evidence | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def status(self) -> int:
        return ANSWERS[self.code].status

    @property
    def reason_code(self) -> str:
        return ANSWERS[self.code].reason_code


Decision: TypeAlias = Admitted | Refused


def envelope(refused: Refused) -> bytes:
    """Write the error document of the gate (contracts 1.5)."""
    return error_document(ANSWERS[refused.code], refused.description)


def error_document(answer: Answer, description: str) -> bytes:
    error = {
        "Source": answer.source,
        "ReasonCode": answer.reason_code,
        "Description": description,
        "Recoverable": answer.status in _PASSES_BY_ITSELF,
        "Details": None,
    }
    return msgspec.json.encode({"Errors": {"Error": [error]}})

"""Why a call was refused, step by step, for the owner of its key: what was expected, what came, and what to do.

Made only when somebody keeps or shows it: a flood of bad calls must not pay for explanations. It repeats nothing that
could be used: no signature beyond its first characters, no Authorization header, no body and no form.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from credenza.domain.model import CredentialKind
from credenza.gate.bearer import is_token_call
from credenza.gate.decision import Code, Evidence, Refused
from credenza.gate.mtls import is_certificate_call
from credenza.protocol import oauth1
from credenza.protocol.errors import Malformed
from credenza.protocol.oauth1 import SignedCall
from credenza.store.lookup import KeyRecord
from credenza.wire.payloads import DECRYPT, ENCRYPT, SIGN, VERIFY

_SHOWN_OF_SIGNATURE = 8
# Strangers who know a consumer key choose the query, and a base string has it escaped twice, once for each reading.
_SHOWN_OF_BASE_STRING = 4096


class Step(msgspec.Struct, frozen=True, rename="camel"):
    """`ok` is None for a step that was not reached, and for one that is not `asked` for here."""

    name: str
    ok: bool | None
    expected: str = ""
    received: str = ""
    hint: str = ""
    asked: bool = True


class BaseString(msgspec.Struct, frozen=True, rename="camel"):
    """A text of which a signature would have been accepted, and the name of the reading that makes it."""

    reading: str
    text: str


class Explanation(msgspec.Struct, frozen=True, rename="camel"):
    refusal_id: str
    code: Code
    at: datetime
    method: str
    target: str
    steps: tuple[Step, ...]
    base_strings: tuple[BaseString, ...]


# The order in which the gate checks; a step fails with one of the codes beside it.
_STEPS: tuple[tuple[str, frozenset[Code]], ...] = (
    ("header", frozenset({Code.INVALID_HEADER, Code.MISSING_PARAMETER, Code.UNSUPPORTED_METHOD, Code.NONCE})),
    ("target", frozenset({Code.INVALID_TARGET})),
    ("time", frozenset({Code.TIMESTAMP})),
    ("body", frozenset({Code.BODY_HASH_MISSING, Code.BODY_HASH})),
    ("signature", frozenset({Code.SIGNATURE, Code.UNKNOWN_KEY})),
    ("key", frozenset({Code.REVOKED, Code.INACTIVE, Code.EXPIRED, Code.NOT_YET_VALID, Code.WRONG_KIND})),
    ("environment", frozenset({Code.OTHER_ENVIRONMENT})),
    ("path", frozenset({Code.UNMAPPED_PATH})),
    ("entitlement", frozenset({Code.NOT_ENTITLED})),
    ("first use", frozenset({Code.REPLAYED, Code.REPLAY_UNAVAILABLE})),
    ("freshness", frozenset({Code.GATE_CLOSED})),
)

# The same for calls with an access token.
_TOKEN_STEPS: tuple[tuple[str, frozenset[Code]], ...] = (
    ("header", frozenset({Code.INVALID_HEADER})),
    ("token", frozenset({Code.INVALID_TOKEN, Code.TOKEN_EXPIRED})),
    ("key", frozenset({Code.TOKEN_REVOKED})),
    ("proof", frozenset({Code.PROOF_MISSING, Code.INVALID_PROOF})),
    ("binding", frozenset({Code.TOKEN_BINDING})),
    ("nonce", frozenset({Code.PROOF_NONCE})),
    ("environment", frozenset({Code.OTHER_ENVIRONMENT})),
    ("path", frozenset({Code.UNMAPPED_PATH, Code.INVALID_TARGET})),
    ("entitlement", frozenset({Code.NOT_ENTITLED})),
    ("scope", frozenset({Code.INSUFFICIENT_SCOPE})),
    ("first use", frozenset({Code.PROOF_REPLAYED, Code.REPLAY_UNAVAILABLE})),
    ("freshness", frozenset({Code.GATE_CLOSED})),
)

# The same for calls with a token that was fetched with a client secret.
_API_STEPS: tuple[tuple[str, frozenset[Code]], ...] = (
    ("header", frozenset({Code.INVALID_HEADER})),
    ("token", frozenset({Code.INVALID_TOKEN, Code.TOKEN_EXPIRED})),
    ("credential", frozenset({Code.TOKEN_REVOKED})),
    ("address", frozenset({Code.ADDRESS})),
    ("path", frozenset({Code.UNMAPPED_PATH, Code.INVALID_TARGET})),
    ("audience", frozenset({Code.TOKEN_AUDIENCE})),
    ("route", frozenset({Code.UNMAPPED_ROUTE})),
    ("permission", frozenset({Code.PERMISSION_MISSING})),
    ("scope", frozenset({Code.NOT_IN_TREE, Code.OUTSIDE_SCOPE})),
    ("limit", frozenset({Code.RATE_LIMITED})),
    ("freshness", frozenset({Code.GATE_CLOSED})),
)

# The same for calls with a client certificate. What it may be used for was checked when it was added.
_CERTIFICATE_STEPS: tuple[tuple[str, frozenset[Code]], ...] = (
    ("target", frozenset({Code.INVALID_TARGET})),
    ("certificate", frozenset({Code.CERTIFICATE_MISSING, Code.CERTIFICATE_UNKNOWN})),
    ("chain", frozenset({Code.CERTIFICATE_UNTRUSTED})),
    ("dates", frozenset({Code.CERTIFICATE_EXPIRED, Code.CERTIFICATE_NOT_YET_VALID})),
    ("purpose", frozenset()),
    ("revocation", frozenset({Code.CERTIFICATE_REVOKED})),
    ("environment", frozenset({Code.OTHER_ENVIRONMENT})),
    ("path", frozenset({Code.UNMAPPED_PATH})),
    ("entitlement", frozenset({Code.NOT_ENTITLED})),
    ("freshness", frozenset({Code.GATE_CLOSED})),
)

# And then the same for all, where the service has rules of payloads.
_KEY_FOR_ANSWERS, _SIGNATURE, _ANSWER = "key for answers", "x-jws-signature", "answer"
_DECRYPTION_KEY, _DECRYPTION = "decryption key", "decryption"
_PAYLOAD_STEPS: tuple[tuple[str, frozenset[Code]], ...] = (
    ("keys of payloads", frozenset({Code.PAYLOAD_UNAVAILABLE})),
    (_KEY_FOR_ANSWERS, frozenset({Code.PAYLOAD_NO_RECIPIENT})),
    (_SIGNATURE, frozenset({Code.PAYLOAD_SIGNATURE})),
    (_DECRYPTION_KEY, frozenset({Code.PAYLOAD_KEY})),
    (_DECRYPTION, frozenset({Code.PAYLOAD_UNDECRYPTED})),
    (_ANSWER, frozenset({Code.PAYLOAD_ANSWER})),
)
# Which of them are taken for what the rules want; the others always are.
_PAYLOAD_WANTS = {
    _KEY_FOR_ANSWERS: {ENCRYPT},
    _SIGNATURE: {VERIFY},
    _DECRYPTION_KEY: {DECRYPT},
    _DECRYPTION: {DECRYPT},
    _ANSWER: {ENCRYPT, SIGN},
}
_PAYLOAD_CODES = frozenset().union(*(codes for _, codes in _PAYLOAD_STEPS))

_VALID_CERTIFICATE = "a call between {not_before} and {not_after}"
_ACTIVE_CREDENTIAL = "a credential that is ACTIVE, valid from {not_before} to {not_after}"
_ACTIVE_KEY = "an ACTIVE key, valid from {not_before} to {not_after}"

# Expected, received and hint by code; where a code is missing, the refusal's own description says it all.
_FACTS: dict[Code, tuple[str, str, str]] = {
    Code.TIMESTAMP: (
        "about {at}",
        "{timestamp}",
        "Set the clock of the machine that signs (NTP), and sign each call anew.",
    ),
    Code.BODY_HASH_MISSING: (
        "oauth_body_hash",
        "none",
        "Sign the body: oauth_body_hash is the base64 of its SHA-256 hash.",
    ),
    Code.BODY_HASH: (
        "{body_hash}",
        "{claimed_body_hash}",
        "The bytes signed are not the bytes sent: serialise the body once, then sign, then send those bytes.",
    ),
    Code.UNKNOWN_KEY: (
        "the consumer key of a key on this platform",
        "{consumer_key}",
        "Copy the consumer key anew: client id, an exclamation mark, key id. A rotated key has another key id.",
    ),
    Code.SIGNATURE: (
        "{signature_method} by the private key of {key_id} over one of the base strings",
        "a signature that begins {signature}",
        "Compare the base strings with the one that was signed. If one is the same, the private key is another one.",
    ),
    Code.REVOKED: (_ACTIVE_KEY, "a key that is revoked", "Use another key of the project, or add one."),
    Code.INACTIVE: (_ACTIVE_KEY, "a key that is {status}", "Activate the key, or use another one."),
    Code.EXPIRED: (_ACTIVE_KEY, "a call at {at}", "The key has expired: use another key of the project, or add one."),
    Code.NOT_YET_VALID: (_ACTIVE_KEY, "a call at {at}", "Wait, or use the key that this one is to replace."),
    Code.WRONG_KIND: (
        "a signing key of an OAuth 1.0a project at an API; an account key at the management API",
        "a {kind} of a project that is {project_type}",
        "Use a key that is made for this.",
    ),
    Code.TOKEN_EXPIRED: ("a token that lives", "{description}", "Fetch a new token: clients do so a minute ahead."),
    Code.TOKEN_REVOKED: (
        _ACTIVE_CREDENTIAL,
        "a token whose key or certificate is {status}, or that was revoked",
        "Fetch a new token with a key or certificate that is active.",
    ),
    Code.TOKEN_BINDING: (
        "what the token was bound to when it was fetched",
        "{description}",
        "Sign each proof with the key of the one at the token server, or connect with the certificate of then.",
    ),
    Code.INVALID_PROOF: ("a proof for this very call", "{description}", "Make a new proof for every call."),
    Code.PROOF_NONCE: (
        "the nonce of the latest answer",
        "another nonce, or none",
        "Take DPoP-Nonce from the answer and sign the call again with it, once.",
    ),
    Code.PROOF_REPLAYED: (
        "a jti that was not used before",
        "one that was",
        "Make a new proof for every call, retries included. If you did not send the call twice, somebody else did.",
    ),
    Code.INSUFFICIENT_SCOPE: (
        "a scope of the API",
        "{description}",
        "Ask for the scope when the token is fetched, or for none: the token is not narrowed then.",
    ),
    Code.CERTIFICATE_UNTRUSTED: (
        "a certificate of an authority that is trusted in {key_environment}",
        "one whose authority an operator has disabled",
        "Add a certificate of another authority, or one of this platform's own.",
    ),
    Code.CERTIFICATE_EXPIRED: (
        _VALID_CERTIFICATE,
        "a call at {at}",
        "The certificate has expired: add a new one, and switch to it.",
    ),
    Code.CERTIFICATE_NOT_YET_VALID: (_VALID_CERTIFICATE, "a call at {at}", "Wait, or use another certificate."),
    Code.CERTIFICATE_REVOKED: (
        "a certificate that is ACTIVE",
        "{thumbprint}, which is {status}",
        "Use another certificate of the project, or add one.",
    ),
    Code.OTHER_ENVIRONMENT: (
        "a credential of {environment}",
        "a credential of {key_environment}",
        "Each environment has credentials and a host of its own: use those that belong together.",
    ),
    Code.NOT_ENTITLED: (
        "a service of the project in {environment}",
        "{path}",
        "Add the service to the project's environment, or wait for its approval.",
    ),
    Code.UNMAPPED_PATH: ("the path of an API in {environment}", "{path}", "Compare the path with the API's reference."),
    Code.REPLAYED: (
        "timestamp and nonce that were not used before",
        "{timestamp} with nonce {nonce}",
        "Make a new nonce for every call, retries included. If you did not send the call twice, somebody else did.",
    ),
}


def explain(refused: Refused) -> Explanation | None:
    """Explain a refusal that rests on evidence; None for one of the request's form or of the upstream."""
    evidence = refused.evidence
    if evidence is None:
        return None
    request = evidence.call.request
    return Explanation(
        refusal_id=refused.id,
        code=refused.code,
        at=evidence.at,
        method=request.method,
        target=request.path + (f"?{request.query}" if request.query else ""),
        steps=tuple(_steps(refused, evidence)),
        base_strings=_base_strings(evidence),
    )


def _steps(refused: Refused, evidence: Evidence) -> Iterator[Step]:
    passed: bool | None = True
    for name, codes in _steps_of(refused.code, evidence):
        if refused.code not in codes:
            yield Step(name, ok=passed) if _is_asked(name, evidence) else Step(name, ok=None, asked=False)
            continue
        expected, received, hint = _told(refused, evidence)
        facts = _facts(evidence) | {"description": refused.description}
        yield Step(name, ok=False, expected=expected.format_map(facts), received=received.format_map(facts), hint=hint)
        passed = None


def _is_asked(name: str, evidence: Evidence) -> bool:
    wants = _PAYLOAD_WANTS.get(name)
    return wants is None or evidence.payload is None or not wants.isdisjoint(evidence.payload)


def _told(refused: Refused, evidence: Evidence) -> tuple[str, str, str]:
    own = ("", "", evidence.hint or refused.description)
    return own if _is_by_secret(evidence) else _FACTS.get(refused.code, own)


def _is_by_secret(evidence: Evidence) -> bool:
    return evidence.record is not None and evidence.record.kind is CredentialKind.CLIENT_SECRET


def _steps_of(code: Code, evidence: Evidence) -> tuple[tuple[str, frozenset[Code]], ...]:
    return (*_steps_of_scheme(evidence), *(_PAYLOAD_STEPS if code in _PAYLOAD_CODES else ()))


def _steps_of_scheme(evidence: Evidence) -> tuple[tuple[str, frozenset[Code]], ...]:
    if _is_by_secret(evidence):
        return _API_STEPS
    if is_certificate_call(evidence.call):
        return _CERTIFICATE_STEPS
    return _TOKEN_STEPS if is_token_call(evidence.call) else _STEPS


def _facts(evidence: Evidence) -> dict[str, str]:
    call = evidence.call
    facts = {
        "at": _zulu(evidence.at),
        "path": call.request.path,
        "environment": call.environment or "the management API",
    }
    if call.body_sha256 is not None:
        facts["body_hash"] = b64encode(call.body_sha256).decode("ascii")
    if evidence.claim is not None:
        facts |= _claimed(evidence.claim)
    if evidence.record is not None:
        facts |= _known(evidence.record)
    return facts


def _claimed(claim: SignedCall) -> dict[str, str]:
    return {
        "consumer_key": claim.consumer_key,
        "key_id": claim.key_id,
        "timestamp": _zulu(datetime.fromtimestamp(claim.timestamp, UTC)),
        "nonce": claim.nonce,
        "signature_method": claim.signature_method,
        "signature": b64encode(claim.signature).decode("ascii")[:_SHOWN_OF_SIGNATURE],
        "claimed_body_hash": claim.body_hash or "none",
    }


def _known(record: KeyRecord) -> dict[str, str]:
    return {
        "kind": record.kind,
        "status": record.status,
        "not_before": _zulu(record.not_before),
        "not_after": _zulu(record.not_after),
        "project_type": record.project_type or "none",
        "key_environment": record.environment or "no environment",
        "thumbprint": f"x5t#S256 {record.certificate_sha256}",
    }


def _base_strings(evidence: Evidence) -> tuple[BaseString, ...]:
    """Name what could have been signed, when that is of use. A form stays out: it is a body."""
    claim, request = evidence.claim, evidence.call.request
    if claim is None or (request.form is not None and claim.body_hash is None):
        return ()
    ambiguous = evidence.record is not None and evidence.record.ambiguous_readings
    try:
        found = oauth1.readings(request, claim, allow_ambiguous=ambiguous)
    except Malformed:
        return ()
    return tuple(BaseString(reading, _cut(text)) for reading, text in found)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_OF_BASE_STRING else f"{text[:_SHOWN_OF_BASE_STRING]}…"


def _zulu(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"

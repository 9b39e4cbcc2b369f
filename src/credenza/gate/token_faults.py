"""Why the token server says no: what failed inside, and how little of it is told outside.

One table. `error` is of RFC 6749 5.2, RFC 9449 5 and 8 or RFC 6750 3.1; who has not proven to be the client reads the
same words whatever failed (RFC 7523 3.2 asks for no more). The owner of the key reads `step` and `hint`, by the id.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from credenza.store.lookup import KeyRecord


class Fault(StrEnum):
    """Stable, documented; stands in a stored refusal."""

    REQUEST = "request"
    GRANT_TYPE = "grant_type"
    NO_AUTHENTICATION = "no_authentication"
    TWO_AUTHENTICATIONS = "two_authentications"
    ASSERTION = "assertion"
    AUDIENCE = "audience"
    ASSERTION_EXPIRED = "expired"
    ASSERTION_NOT_YET = "not_yet"
    ASSERTION_TOO_LONG = "too_long"
    UNKNOWN_KEY = "unknown_key"
    WRONG_KIND = "wrong_kind"
    KEY_REVOKED = "key_revoked"
    KEY_INACTIVE = "key_inactive"
    KEY_EXPIRED = "key_expired"
    KEY_NOT_YET_VALID = "key_not_yet_valid"
    KEY_ENVIRONMENT = "key_environment"
    UNKNOWN_CERTIFICATE = "unknown_certificate"
    CERTIFICATE_CLIENT = "certificate_client"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    CERTIFICATE_NAME = "certificate_name"
    ALGORITHM = "algorithm"
    SIGNATURE = "signature"
    PROOF_MISSING = "proof_missing"
    PROOF = "proof"
    PROOF_TIME = "proof_time"
    NONCE = "nonce"
    BINDING = "binding"
    SCOPE = "scope"
    ASSERTION_REPLAYED = "assertion_replayed"
    PROOF_REPLAYED = "proof_replayed"
    REPLAY_UNAVAILABLE = "replay_unavailable"
    GATE_CLOSED = "gate_closed"
    NO_SIGNING_KEY = "no_signing_key"
    RESOURCE_SERVER = "resource_server"
    FOREIGN_TOKEN = "foreign_token"
    UNKNOWN_CLIENT = "unknown_client"
    SECRET_FORM = "secret_form"
    SECRET = "secret"
    SECRET_ENDED = "secret_ended"
    CREDENTIAL_INACTIVE = "credential_inactive"
    CREDENTIAL_EXPIRED = "credential_expired"
    CREDENTIAL_ENVIRONMENT = "credential_environment"
    ADDRESS = "address"
    UNKNOWN_AUDIENCE = "unknown_audience"
    GUESSES = "guesses"


class Ruling(NamedTuple):
    """`told` is the description outside, unless what failed has one of its own."""

    error: str
    status: int
    step: str
    told: str
    hint: str


_NOBODY = "The client could not be authenticated."
_LATER = "The token server cannot answer at the moment. Try again shortly."


def _client(step: str, hint: str, told: str = _NOBODY) -> Ruling:
    return Ruling("invalid_client", 401, step, told, hint)


def _proof(step: str, told: str, hint: str) -> Ruling:
    return Ruling("invalid_dpop_proof", 400, step, told, hint)


def _request(step: str, told: str, hint: str, error: str = "invalid_request") -> Ruling:
    return Ruling(error, 400, step, told, hint)


def _away(step: str) -> Ruling:
    return Ruling("temporarily_unavailable", 503, step, _LATER, "Nothing is wrong with the request: send a new one.")


RULINGS: dict[Fault, Ruling] = {
    Fault.REQUEST: _request("request", "The request cannot be read.", "Send one form, each parameter once."),
    Fault.GRANT_TYPE: _request(
        "request",
        "The grant type here is client_credentials.",
        "Send grant_type=client_credentials.",
        "unsupported_grant_type",
    ),
    Fault.NO_AUTHENTICATION: _client(
        "request",
        "Send client_assertion and client_assertion_type, or client_id over mutual TLS.",
        "Authenticate with a client assertion (RFC 7523), or with a TLS client certificate (RFC 8705).",
    ),
    Fault.TWO_AUTHENTICATIONS: _request(
        "request", "The client authenticates in one way, not in two.", "Leave the Authorization header out."
    ),
    Fault.ASSERTION: _client("assertion", "Make the assertion anew with a library of your platform (RFC 7523)."),
    Fault.AUDIENCE: _client("assertion", "aud is the issuer as its metadata spell it, as one string."),
    Fault.ASSERTION_EXPIRED: _client("time", "Set the clock of the machine that signs, and make each assertion anew."),
    Fault.ASSERTION_NOT_YET: _client("time", "Set the clock of the machine that signs."),
    Fault.ASSERTION_TOO_LONG: _client("time", "Let an assertion live for 300 seconds at most."),
    Fault.UNKNOWN_KEY: _client("key", "Copy client id and kid anew: they belong together, and to one environment."),
    Fault.WRONG_KIND: _client("key", "Upgrade the project to OAuth 2.0, or use a key of one that speaks it."),
    Fault.KEY_REVOKED: _client("key", "The key is revoked: use another key of the project, or add one."),
    Fault.KEY_INACTIVE: _client("key", "Activate the key, or use another one."),
    Fault.KEY_EXPIRED: _client("key", "The key has expired: use another key of the project, or add one."),
    Fault.KEY_NOT_YET_VALID: _client("key", "Wait, or use the key that this one is to replace."),
    Fault.KEY_ENVIRONMENT: _client("key", "Each environment has keys and an origin of its own: use those that match."),
    Fault.UNKNOWN_CERTIFICATE: _client("certificate", "Show a certificate of the project: add one, or use another."),
    Fault.CERTIFICATE_CLIENT: _client(
        "certificate", "The certificate is another client's: send the client id of its own project and environment."
    ),
    Fault.CERTIFICATE_UNTRUSTED: _client(
        "chain", "An operator has disabled its authority: add a certificate of another one, or one of this platform's."
    ),
    Fault.CERTIFICATE_EXPIRED: _client("dates", "The certificate has expired: add a new one, and switch to it."),
    Fault.CERTIFICATE_NOT_YET_VALID: _client("dates", "Wait, or use another certificate."),
    Fault.CERTIFICATE_REVOKED: _client(
        "revocation", "The certificate is revoked: use another one of the project, or add one."
    ),
    Fault.CERTIFICATE_NAME: _client(
        "name", "Use a certificate with the registered name, or register its own: credenza project tls-name"
    ),
    Fault.ALGORITHM: _client("signature", "RSA keys sign PS256, EC keys ES256."),
    Fault.SIGNATURE: _client("signature", "The private key is not the one whose certificate was issued as this kid."),
    Fault.PROOF_MISSING: _proof(
        "proof",
        "A DPoP header with one proof is needed.",
        "Send one DPoP proof (RFC 9449), or a TLS client certificate (RFC 8705): tokens are bound to one of the two.",
    ),
    Fault.PROOF: _proof("proof", "The DPoP proof is not accepted.", "Make a proof for this very request."),
    Fault.PROOF_TIME: _proof("proof", "The DPoP proof is of another time.", "Set the clock of the machine that signs."),
    Fault.NONCE: Ruling(
        "use_dpop_nonce", 400, "nonce", "The DPoP proof needs the nonce that comes with this answer.", "Sign it again."
    ),
    Fault.BINDING: _request(
        "binding",
        "No token can be bound to the certificate of the connection: it is none of this client's, or not good now.",
        "Connect with a certificate of the project that is ACTIVE, or send a DPoP proof.",
    ),
    Fault.SCOPE: _request(
        "scope",
        "A scope that was asked for is not granted.",
        "Ask for these, or add the service that has it.",
        "invalid_scope",
    ),
    Fault.ASSERTION_REPLAYED: _client("first use", "Make a new assertion, with a new jti, for every request."),
    Fault.PROOF_REPLAYED: _proof(
        "first use", "The DPoP proof was used before.", "Make a new proof, with a new jti, for every request."
    ),
    Fault.REPLAY_UNAVAILABLE: _away("first use"),
    Fault.GATE_CLOSED: _away("freshness"),
    Fault.NO_SIGNING_KEY: _away("freshness"),
    Fault.RESOURCE_SERVER: _client(
        "key",
        "Send the id and the secret of a resource server of this environment, by HTTP Basic.",
        "The resource server could not be authenticated.",
    ),
    Fault.FOREIGN_TOKEN: _request(
        "key", "The token was issued to another client.", "Have its own client revoke it.", "invalid_grant"
    ),
    Fault.UNKNOWN_CLIENT: _client("client", "Copy the client id anew."),
    Fault.SECRET_FORM: _client("secret", "Copy the secret anew: it is mistyped, cut, or another environment's."),
    Fault.SECRET: _client("secret", "The secret is none of this client's: copy it anew, or issue another one."),
    Fault.SECRET_ENDED: _client("secret", "The secret has ended: use the one that took its place, or issue another."),
    Fault.CREDENTIAL_INACTIVE: _client("credential", "The credential is switched off: activate it, or use another."),
    Fault.CREDENTIAL_EXPIRED: _client("credential", "The credential has ended: give it a later end, or use another."),
    Fault.CREDENTIAL_ENVIRONMENT: _client(
        "credential", "Each environment has credentials and an origin of its own: use those that match."
    ),
    Fault.ADDRESS: _client("address", "Ask from one of the credential's address ranges, or add this one to them."),
    Fault.UNKNOWN_AUDIENCE: Ruling(
        "invalid_target",
        403,
        "audience",
        "No API here is called with tokens for this audience.",
        "Ask for one of those that are known, or leave audience out.",
    ),
    Fault.GUESSES: Ruling(
        "slow_down",
        429,
        "secret",
        "Too many requests of this client from here had a wrong secret.",
        "Wait as long as Retry-After says. Elsewhere the right secret is still taken.",
    ),
}


class Denied(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request for a token, or about one, is refused. `told` goes outside, `detail` only to the owner of the key that
    `record` is of. `retry_after_s` is 0 where waiting is of no use."""

    def __init__(
        self,
        fault: Fault,
        *,
        told: str = "",
        detail: str = "",
        record: KeyRecord | None = None,
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(fault)
        self.fault = fault
        self.record = record
        self.retry_after_s = retry_after_s
        self.told = told or RULINGS[fault].told
        self.detail = detail or told

"""Why calls are refused, in the words of a list: the gate's codes, and the steps in which it checks."""

from __future__ import annotations

from credenza.gate.decision import Code


def _(text: str) -> str:
    """Mark a text for translation; it is translated when it is shown."""
    return text


REASONS: dict[str, str] = {
    Code.INVALID_HEADER: _("unreadable header"),
    Code.MISSING_PARAMETER: _("missing OAuth parameter"),
    Code.UNSUPPORTED_METHOD: _("unsupported signature method"),
    Code.NONCE: _("unusable nonce"),
    Code.INVALID_TARGET: _("ambiguous target"),
    Code.BAD_REQUEST: _("malformed request"),
    Code.TIMESTAMP: _("clock is off"),
    Code.BODY_HASH_MISSING: _("body not signed"),
    Code.BODY_HASH: _("body differs from the signed one"),
    Code.SIGNATURE: _("wrong signature"),
    Code.UNKNOWN_KEY: _("unknown key"),
    Code.WRONG_KIND: _("key of another kind"),
    Code.INACTIVE: _("inactive key"),
    Code.REVOKED: _("revoked key"),
    Code.EXPIRED: _("expired key"),
    Code.NOT_YET_VALID: _("key not yet valid"),
    Code.REPLAYED: _("call repeated"),
    Code.OTHER_ENVIRONMENT: _("key of the other environment"),
    Code.NOT_ENTITLED: _("service not added to the project"),
    Code.UNMAPPED_PATH: _("no API at this path"),
    Code.BODY_TOO_LARGE: _("body too large"),
    Code.BODY_TIMEOUT: _("body came too late"),
    Code.GATE_CLOSED: _("gate closed"),
    Code.REPLAY_UNAVAILABLE: _("replay memory away"),
    Code.UPSTREAM_UNREACHABLE: _("API unreachable"),
    Code.UPSTREAM_TIMEOUT: _("API too slow"),
    Code.PAYLOAD_SIGNATURE: _("wrong signature of the payload"),
    Code.PAYLOAD_KEY: _("payload for an unknown key"),
    Code.PAYLOAD_UNDECRYPTED: _("payload not decrypted"),
    Code.PAYLOAD_NO_RECIPIENT: _("no key for encrypted answers"),
    Code.PAYLOAD_ANSWER: _("answer cannot be protected"),
    Code.PAYLOAD_UNAVAILABLE: _("keys of payloads away"),
}

STEPS: dict[str, str] = {
    "header": _("Header"),
    "target": _("Target"),
    "time": _("Time"),
    "body": _("Body"),
    "signature": _("Signature"),
    "key": _("Key"),
    "environment": _("Environment"),
    "path": _("Path"),
    "entitlement": _("Entitlement"),
    "first use": _("First use"),
    "freshness": _("Freshness of the gate"),
    "keys of payloads": _("Keys of payloads"),
    "key for answers": _("Key for answers"),
    "x-jws-signature": _("Signature of the payload"),
    "decryption key": _("Decryption key"),
    "decryption": _("Decryption"),
    "answer": _("Answer"),
}

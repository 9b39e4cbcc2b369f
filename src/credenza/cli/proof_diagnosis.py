"""Why a DPoP proof would be refused, claim by claim: RFC 9449 section 4.3."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from credenza.cli import jwt_parts
from credenza.cli.diagnosis import Step
from credenza.cli.jwt_parts import Parts
from credenza.protocol import dpop, jose
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.public_key import PublicKey

_TYPES = frozenset({dpop.TYPE})
_CLOCK = "Set the clock of the machine that signs (NTP), and make a new proof for every request."
_PROOF_ALONE = "Give the whole request: --request FILE."


@dataclass(frozen=True, slots=True)
class Expected:
    """The request that the proof came with. `method` and `uri` are None for a proof alone; `access_token` is empty at
    the token endpoint, and `jkt` what that token is bound to. `nonce` is what the server has sent, if that is known."""

    now: datetime
    method: str | None = None
    uri: str | None = None
    access_token: str = ""
    jkt: str | None = None
    nonce: str | None = None


def explain(jwt: str, expected: Expected) -> list[Step]:
    """Judge every claim for itself. Raises Malformed for what is no JWT."""
    parts = jwt_parts.take_apart("proof", jwt)
    key, of_key = _key(parts)
    steps = [
        *jwt_parts.header_steps(parts, _TYPES, dpop.TYPE, key),
        of_key,
        _htm(parts, expected.method),
        _htu(parts, expected.uri),
        _iat(parts, jwt, expected.now),
        jwt_parts.jti_step(parts),
        _ath(parts, expected),
        _nonce(parts, expected.nonce),
        jwt_parts.signature_step(parts, key, of="the key in its header", without="Put the public key there, as jwk."),
        _jkt(key, expected.jkt),
    ]
    return [*steps, *jwt_parts.unexplained(parts, steps, lambda: dpop.parse(jwt.strip()))]


def _key(parts: Parts) -> tuple[PublicKey | None, Step]:
    raw = bytes(parts.compact.header.jwk)
    if not raw:
        return None, parts.step("jwk", False, "none", "The public key goes into the header, as jwk.")
    try:
        key = jose.parse_jwk(raw)
    except (Malformed, Refused) as error:
        return None, parts.step("jwk", False, str(error))
    return key, parts.step("jwk", True, f"a public key for {jose.algorithm_of(key)}")


def _htm(parts: Parts, method: str | None) -> Step:
    htm = parts.text("htm")
    if htm is None:
        return parts.step("htm", False, "none", "It is the method of the request.")
    if method is None:
        return Step("proof_htm", None, jwt_parts.shown(htm), _PROOF_ALONE)
    return parts.step("htm", htm == method, jwt_parts.shown(htm), f"The request is a {method}, in capitals.")


def _htu(parts: Parts, uri: str | None) -> Step:
    htu = parts.text("htu")
    if htu is None:
        return parts.step("htu", False, "none", "It is the URL of the request, without its query.")
    if uri is None:
        return Step("proof_htu", None, jwt_parts.shown(htu), _PROOF_ALONE)
    try:
        same = dpop.normalized_uri(htu) == dpop.normalized_uri(uri)
    except Malformed as error:
        return parts.step("htu", False, f"{jwt_parts.shown(htu)}: {error}")
    cure = f"The request went to {uri}. Behind a proxy, give what the client called: --origin URL"
    return parts.step("htu", same, jwt_parts.shown(htu), cure)


def _iat(parts: Parts, jwt: str, now: datetime) -> Step:
    iat = parts.number("iat")
    if iat is None:
        return parts.step("iat", False, "none", "It is the time of the proof, in seconds.")
    detail = f"{iat:.0f}, {now.timestamp() - iat:.0f} s before {now:%FT%TZ}"
    try:
        proof = dpop.parse(jwt.strip())
    except (Malformed, Refused):
        return Step("proof_iat", None, detail)  # another step says what cannot be read
    return parts.judged("iat", detail, lambda: dpop.check_time(proof, now=now), _CLOCK)


def _ath(parts: Parts, expected: Expected) -> Step:
    ath = parts.text("ath")
    wanted = dpop.access_token_hash(expected.access_token) if expected.access_token else None
    if expected.method is None:
        return Step("proof_ath", None, ath or "none", _PROOF_ALONE)
    if wanted is None:
        return parts.step("ath", ath is None, ath or "none, and none needed", "No access token goes with this request.")
    return parts.step("ath", ath == wanted, ath or "none", f"The access token of this request has the hash {wanted}.")


def _nonce(parts: Parts, sent: str | None) -> Step:
    nonce = parts.text("nonce")
    told = jwt_parts.shown(nonce) if nonce is not None else "none"
    if sent is None:
        return Step("proof_nonce", None, told, "Give the server's last DPoP-Nonce, if it has sent one: --nonce TEXT")
    return parts.step("nonce", nonce == sent, told, f"Sign again with nonce {sent}, from the answer's DPoP-Nonce.")


def _jkt(key: PublicKey | None, bound: str | None) -> Step:
    jkt = "" if key is None else jose.thumbprint(key)
    if not jkt or bound is None:
        return Step("proof_jkt", None, jkt or "no key", "" if jkt else "The token is bound to the key of the proof.")
    cure = f"The token is bound to {bound}: sign with the key that got it."
    return Step("proof_jkt", jkt == bound, jkt, "" if jkt == bound else cure)

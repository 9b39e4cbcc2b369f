"""Why an access token would be refused, claim by claim: RFC 9068 section 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from credenza.cli import jwt_parts
from credenza.cli.diagnosis import Step
from credenza.cli.jwt_parts import Parts
from credenza.protocol import access_token
from credenza.protocol.public_key import PublicKey

_TYPES = frozenset({access_token.TYPE})


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token is compared with. What is None is not compared. `keys` are the issuer's, by their `kid`."""

    now: datetime
    issuer: str | None
    keys: Mapping[str, PublicKey] | None


def explain(jwt: str, expected: Expected) -> list[Step]:
    """Judge every claim for itself. Raises Malformed for what is no JWT."""
    parts = jwt_parts.take_apart("token", jwt)
    key = (expected.keys or {}).get(parts.compact.header.kid or "")
    steps = [
        *jwt_parts.header_steps(parts, _TYPES, access_token.TYPE, key),
        _kid(parts, expected),
        _place(parts, "iss", expected.issuer),
        _place(parts, "aud", expected.issuer),
        _exp(parts, expected.now),
        _client(parts),
        _cnf(parts),
        _scope(parts),
        jwt_parts.signature_step(
            parts, key, of="a key of the issuer", without="Give the issuer's keys: curl ISSUER/oauth/jwks, --jwks FILE"
        ),
    ]
    return [*steps, *jwt_parts.unexplained(parts, steps, lambda: access_token.parse(jwt.strip()))]


def bound_to(jwt: str) -> str | None:
    """Say which key the holder has to show, by the token's own account. Raises Malformed."""
    _, claims = access_token.parse(jwt.strip())
    return claims.cnf.jkt or None


def _kid(parts: Parts, expected: Expected) -> Step:
    kid = parts.compact.header.kid or ""
    if expected.keys is None:
        return Step("token_kid", None, kid or "none", "")
    known = ", ".join(expected.keys) or "none"
    return parts.step("kid", kid in expected.keys, kid or "none", f"The issuer publishes {known}. Get a new token.")


def _place(parts: Parts, claim: str, issuer: str | None) -> Step:
    value = jwt_parts.shown(parts.claims.get(claim))
    if issuer is None:
        return Step(f"token_{claim}", None, value, "Give --issuer URL, the origin of the environment.")
    return parts.step(claim, parts.claims.get(claim) == issuer, value, f"It is a token of another place than {issuer}.")


def _exp(parts: Parts, now: datetime) -> Step:
    exp = parts.number("exp")
    if exp is None:
        return parts.step("exp", False, "none", "Every token has one.")
    ends = datetime.fromtimestamp(exp, UTC)
    return parts.step("exp", exp > now.timestamp(), f"{ends:%FT%TZ}; it is {now:%FT%TZ}", "Get a new token.")


def _client(parts: Parts) -> Step:
    what = "certificate" if parts.claims.get("certificate_sha256") else "key"
    told = f"{jwt_parts.shown(parts.claims.get('client_id'))}, by {what} {jwt_parts.shown(parts.claims.get('key_id'))}"
    return Step("token_client_id", None, f"{told}: whether that one is still good only the server knows")


def _cnf(parts: Parts) -> Step:
    cnf = parts.claims.get("cnf")
    bound_to = (cnf.get("jkt") or cnf.get("x5t#S256")) if isinstance(cnf, dict) else None
    cure = "It is bound to no key and no certificate, and nobody can show it."
    return parts.step("cnf", isinstance(bound_to, str), jwt_parts.shown(bound_to), cure)


def _scope(parts: Parts) -> Step:
    scope = parts.text("scope")
    return Step("token_scope", None, jwt_parts.shown(scope) if scope else "not narrowed: all that the project may")

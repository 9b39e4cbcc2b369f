"""Why a client assertion would be refused, claim by claim: RFC 7523 as FAPI 2.0 narrows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from credenza.cli import jwt_parts
from credenza.cli.diagnosis import Step
from credenza.cli.jwt_parts import Parts
from credenza.protocol import client_assertion
from credenza.protocol.client_assertion import ClientAssertion
from credenza.protocol.public_key import PublicKey

_TYPES = frozenset({"", "jwt", "client-authentication+jwt"})
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{48}")
_KEY_ID = re.compile(r"[0-9a-f]{48}")
_CLOCK = "Set the clock of the machine that signs (NTP), and make each assertion anew."


@dataclass(frozen=True, slots=True)
class ClientKey:
    """The public key of the client, and how long its certificate counts, where there is one."""

    public_key: PublicKey
    not_before: datetime | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What the assertion is compared with. What is None is not compared. `client_id` is the parameter of the form."""

    now: datetime
    issuer: str | None
    consumer_key: str | None
    key: ClientKey | None
    client_id: str | None = None


def explain(jwt: str, expected: Expected) -> list[Step]:
    """Judge every claim for itself. Raises Malformed for what is no JWT."""
    parts = jwt_parts.take_apart("assertion", jwt)
    key = None if expected.key is None else expected.key.public_key
    steps = [
        *jwt_parts.header_steps(parts, _TYPES, "JWT", key),
        _kid(parts, expected),
        _client_id(parts, expected),
        _aud(parts, expected),
        _exp(parts, expected.now),
        _iat(parts, expected.now),
        jwt_parts.jti_step(parts),
        *_certificate(parts, expected),
        jwt_parts.signature_step(
            parts, key, of="the key of this kid", without="Give its --certificate FILE or --public-key FILE."
        ),
    ]
    return [*steps, *jwt_parts.unexplained(parts, steps, lambda: client_assertion.parse(jwt.strip()))]


def _kid(parts: Parts, expected: Expected) -> Step:
    kid = parts.compact.header.kid or ""
    if not _KEY_ID.fullmatch(kid):
        return parts.step("kid", False, jwt_parts.shown(kid or "none"), "It is the key id: 48 hexadecimal digits.")
    _, _, wanted = (expected.consumer_key or "").partition("!")
    return parts.step("kid", not wanted or kid == wanted, kid, f"The consumer key ends with {wanted}.")


def _client_id(parts: Parts, expected: Expected) -> Step:
    issued_by, subject = parts.text("iss"), parts.text("sub")
    if issued_by is None or issued_by != subject:
        told = f"iss is {jwt_parts.shown(issued_by)}, sub is {jwt_parts.shown(subject)}"
        return parts.step("client_id", False, told, "Both are the client id.")
    if not _CLIENT_ID.fullmatch(issued_by):
        return parts.step("client_id", False, jwt_parts.shown(issued_by), "It has 48 characters: A-Z a-z 0-9 _ -")
    wanted = expected.client_id or (expected.consumer_key or "").partition("!")[0]
    cure = f"The request is by {jwt_parts.shown(wanted)}: the two belong together."
    return parts.step("client_id", not wanted or issued_by == wanted, issued_by, cure)


def _aud(parts: Parts, expected: Expected) -> Step:
    aud = parts.text("aud")
    if aud is None:
        cure = "It is the issuer of the metadata, as one string: not a list, not the token endpoint."
        return parts.step("aud", False, jwt_parts.shown(parts.claims.get("aud")), cure)
    if expected.issuer is None:
        return Step("assertion_aud", None, jwt_parts.shown(aud), "Give --issuer URL, the origin of the environment.")
    return parts.judged("aud", aud, lambda: _check(parts, expected.now, issuer=expected.issuer or "", audience=aud))


def _exp(parts: Parts, now: datetime) -> Step:
    exp = parts.number("exp")
    if exp is None:
        return parts.step(
            "exp", False, "none" if "exp" not in parts.claims else "no number", "It is needed, in seconds."
        )
    left = f"{exp:.0f}, {exp - now.timestamp():.0f} s away from {now:%FT%TZ}"
    return parts.judged("exp", left, lambda: _check(parts, now, expires_s=exp), _CLOCK)


def _iat(parts: Parts, now: datetime) -> Step:
    earliest = max(parts.number("iat") or 0.0, parts.number("nbf") or 0.0)
    detail = f"{earliest:.0f}, {now.timestamp() - earliest:.0f} s before {now:%FT%TZ}" if earliest else "neither sent"
    return parts.judged("iat_nbf", detail, lambda: _check(parts, now, earliest_s=earliest), _CLOCK)


def _check(
    parts: Parts,
    now: datetime,
    *,
    issuer: str = "",
    audience: str = "",
    expires_s: float | None = None,
    earliest_s: float = 0.0,
) -> None:
    """Put one claim before the server's own rule, beside others that pass. Raises Refused."""
    passing_s = (now + timedelta(seconds=1)).timestamp()
    assertion = ClientAssertion(
        token=parts.compact,
        client_id="",
        kid=None,
        audience=audience,
        jti="",
        expires_s=passing_s if expires_s is None else expires_s,
        earliest_s=earliest_s,
    )
    client_assertion.check_claims(assertion, issuer=issuer, now=now)


def _certificate(parts: Parts, expected: Expected) -> Iterator[Step]:
    key = expected.key
    if key is None or key.not_before is None or key.not_after is None:
        return
    # RFC 5280 4.1.2.5: the period includes its last second.
    valid = key.not_before <= expected.now < key.not_after + timedelta(seconds=1)
    detail = f"valid from {key.not_before:%FT%TZ} to {key.not_after:%FT%TZ}"
    yield parts.step("certificate", valid, detail, "Sign with a key whose certificate is valid now: credenza key list")

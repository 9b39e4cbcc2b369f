"""Why a call is refused, step by step: every check of OAuth 1.0a for itself, also after the first that fails."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from credenza.cli.captured import Captured
from credenza.protocol import oauth1
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.oauth1 import SignatureMethod, SignedCall

_AROUND = 24
"""How many characters are shown before and after the first difference."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a gate checks. `ok` is None for what could not be checked here."""

    name: str
    ok: bool | None
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key a call is checked with, and how long its certificate counts, where there is one."""

    public_key: RSAPublicKey
    not_before: datetime | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReadingOutcome:
    """One way to build the base string, and whether the signature is over it; None without a key."""

    name: str
    verifies: bool | None
    base_string: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `credenza debug oauth1 -o json` prints. `readings` is empty when the header cannot be read."""

    steps: tuple[Step, ...]
    readings: tuple[ReadingOutcome, ...] = ()

    @property
    def ok(self) -> bool:
        return all(step.ok is not False for step in self.steps)


def explain(
    message: Captured, key: SigningKey | None, *, now: datetime, max_skew: timedelta, own_base_string: str | None
) -> Verdict:
    """Check everything that can be checked, also after a first failure."""
    try:
        call = oauth1.parse(message.header("authorization") or "")
    except Malformed as error:
        return Verdict((Step("header", False, str(error), "Compare with: credenza sign oauth1 METHOD URL"),))
    steps = [_header(call), _timestamp(call, now, max_skew), *_certificate(key, now), _body_hash(message, call)]
    try:
        readings = _read_all(message, call, key)
    except Malformed as error:
        return Verdict((*steps, Step("target", False, str(error))))
    return Verdict((*steps, *_signature(call, key, readings), *_compared(readings, own_base_string)), readings)


def _header(call: SignedCall) -> Step:
    detail = f"{call.signature_method.value}, consumer key {call.consumer_key}"
    if call.client_id:
        return Step("header", True, detail)
    return Step("header", False, detail, "A consumer key is client id!key id: 48 characters, !, 48 hexadecimal digits.")


def _timestamp(call: SignedCall, now: datetime, max_skew: timedelta) -> Step:
    try:
        oauth1.check_timestamp(call, now=now, max_skew=max_skew)
    except Refused as error:
        return Step(
            "timestamp", False, str(error), "Set the client's clock, or check the captured call with --now TIME."
        )
    behind_s = now.timestamp() - call.timestamp
    return Step(
        "timestamp",
        True,
        f"{call.timestamp}, {abs(behind_s):.0f} s {'behind' if behind_s >= 0 else 'ahead of'} {_zulu(now)}",
    )


def _certificate(key: SigningKey | None, now: datetime) -> Iterator[Step]:
    if key is None or key.not_before is None or key.not_after is None:
        return
    detail = f"valid from {_zulu(key.not_before)} to {_zulu(key.not_after)}"
    # RFC 5280 4.1.2.5: the period includes its last second.
    valid = key.not_before <= now < key.not_after + timedelta(seconds=1)
    yield Step(
        "certificate",
        valid,
        detail,
        "" if valid else "Sign with a key whose certificate is valid now: credenza key list",
    )


def _body_hash(message: Captured, call: SignedCall) -> Step:
    received = f"{len(message.body)} bytes received"
    try:
        oauth1.check_body_hash(message.to_request(), call, hashlib.sha256(message.body).digest())
    except Refused as error:
        return Step("body_hash", False, f"{error} ({received})")
    return Step("body_hash", True, f"{call.body_hash or 'none sent, none needed'} ({received})")


def _read_all(message: Captured, call: SignedCall, key: SigningKey | None) -> tuple[ReadingOutcome, ...]:
    """Build every base string a gate may try, those a project must turn on included."""
    request = message.to_request()
    signed = None
    if key is not None:
        try:
            reading = oauth1.check_signature(request, call, key.public_key, allow_ambiguous=True)
            signed = oauth1.signature_base_string(request, call, reading)
        except Refused:
            signed = ""
    readings = oauth1.readings(request, call, allow_ambiguous=True)
    # A signature fits one text only, so the readings that verify are those with the text of the one that did.
    return tuple(ReadingOutcome(name, None if signed is None else text == signed, text) for name, text in readings)


def _signature(call: SignedCall, key: SigningKey | None, readings: tuple[ReadingOutcome, ...]) -> Iterator[Step]:
    if key is None:
        yield Step(
            "signature",
            None,
            "Without a key only the texts can be compared.",
            "Give --certificate FILE or --public-key FILE.",
        )
        return
    fitting = [reading.name for reading in readings if reading.verifies]
    if fitting:
        yield _fitting(fitting)
        return
    yield Step(
        "signature", False, "oauth_signature fits no base string that a gate tries.", "Compare with --base-string FILE."
    )
    yield _origin(call, key.public_key)


def _fitting(fitting: list[str]) -> Step:
    names = ", ".join(fitting)
    if {reading.name for reading in oauth1.AMBIGUOUS_READINGS}.issuperset(fitting):
        cure = "Encode + as %2B, or let the owner of the project turn ambiguous readings on."
        return Step("signature", False, f"It fits only as {names}, which cannot tell + from %2B.", cure)
    return Step("signature", True, f"fits as {names}")


def _origin(call: SignedCall, key: RSAPublicKey) -> Step:
    """Tell a wrong key from a wrong text: an RSA-SHA256 signature gives its hash back to the key it was made with."""
    if call.signature_method is not SignatureMethod.RSA_SHA256:
        return Step("key", None, "An RSA-PSS signature does not tell which key made it.")
    try:
        key.recover_data_from_signature(call.signature, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        cure = "Sign with the private key of this certificate, or check with the certificate of that consumer key."
        return Step("key", False, "The signature was made with another key, or is damaged.", cure)
    return Step("key", True, "The signature was made with this key, over another text.")


def _compared(readings: tuple[ReadingOutcome, ...], own: str | None) -> Iterator[Step]:
    if own is None:
        return
    nearest = max(readings, key=lambda reading: _agreeing(reading.base_string, own))
    if nearest.base_string == own:
        yield Step("base_string", True, f"yours is the one of {nearest.name}")
        return
    at = _agreeing(nearest.base_string, own)
    yield Step(
        "base_string",
        False,
        f"first difference to {nearest.name} at character {at + 1}\n"
        f"yours  {_around(own, at)}\nours   {_around(nearest.base_string, at)}",
    )


def _agreeing(one: str, other: str) -> int:
    """Count the characters before the first difference."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _around(text: str, at: int) -> str:
    start, end = max(0, at - _AROUND), at + 1 + _AROUND
    before, after = text[start:at], text[at + 1 : end]
    return f"{'...' if start else ''}{before}[{text[at : at + 1]}]{after}{'...' if len(text) > end else ''}"


def _zulu(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"

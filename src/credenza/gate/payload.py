"""Payloads by the rules of their service: a request is verified, then decrypted; an answer encrypted, then signed.

Every failure of a request is one of three outside: a signature that is not good, a key that is not found, a body that
cannot be decrypted. What exactly it was, only the owner of the credential is told, and of a decryption not even they.

Not here: HTTP. `payload_exchange` applies this to calls on their way, `payload_app` for those who serve themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

from credenza.domain.model import EnvironmentName
from credenza.domain.token_keys import IssuerKind
from credenza.gate.decision import Code
from credenza.gate.freshness import Freshness
from credenza.gate.issuers import ReadyKey
from credenza.gate.keyring import UNLOADED, GateClosed
from credenza.gate.payload_keys import KeysSealed, PairKeys, PayloadKeys
from credenza.gate.signed_identity import SigningKeys
from credenza.protocol import detached_jws, payload, payload_rules
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.json_places import LARGEST_BYTES
from credenza.protocol.payload import Outside, Sealed, Undecrypted
from credenza.protocol.payload_rules import Direction, PayloadRules, SignatureAlgorithm, SignatureRules
from credenza.protocol.public_key import PublicKey
from credenza.store.payload_lookup import Parties
from credenza.wire.payloads import DECRYPT, ENCRYPT, SIGN, VERIFY

Random: TypeAlias = Callable[[int], bytes]

DESCRIPTIONS: Final = {
    Code.PAYLOAD_SIGNATURE: "The x-jws-signature of the request is missing or not accepted.",
    Code.PAYLOAD_KEY: "The private key for this payload is not found.",
    Code.PAYLOAD_UNDECRYPTED: "The payload cannot be decrypted.",
    Code.PAYLOAD_NO_RECIPIENT: "Answers of this service are encrypted, and the project has no active key for them.",
    Code.PAYLOAD_ANSWER: "The answer of the API cannot be encrypted or signed, and is not sent as it is.",
    Code.PAYLOAD_UNAVAILABLE: "Payloads of this service cannot be read or written at the moment. Try again shortly.",
}

_CODE_OUTSIDE = {Outside.KEY_NOT_FOUND: Code.PAYLOAD_KEY, Outside.FAILED: Code.PAYLOAD_UNDECRYPTED}
_SKEW = timedelta(seconds=60)
_LOAD_ATTEMPTS = 8
_ESCAPED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_SIGNED_WITH: tuple[SignatureAlgorithm, ...] = ("PS256", "RS256")


class PayloadFailure(Exception):  # noqa: N818 - a refusal, told by whoever catches it
    """`hint` is for the owner of the credential alone."""

    def __init__(self, code: Code, hint: str) -> None:
        super().__init__(hint)
        self.code = code
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it came; `target` is the path and query of its first line."""

    body: bytes
    headers: Sequence[tuple[str, str]]
    target: str


# Few services have rules, and every call to one asks for them.
@lru_cache(maxsize=1024)
def rules_of(text: str) -> PayloadRules:
    """Raises PayloadFailure: a gate that cannot read the rules, being older than they, lets nothing through."""
    try:
        return payload_rules.parse(text)
    except Malformed as error:
        raise PayloadFailure(Code.PAYLOAD_UNAVAILABLE, f"The rules of the service cannot be read: {error}") from error


def steps(text: str | None) -> tuple[str, ...]:
    """Name what has to be done with the payloads of a service, in its order. Raises PayloadFailure."""
    if text is None:
        return ()
    rules = rules_of(text)
    signed, encrypted = rules.signature, rules.encryption
    wanted = (
        (VERIFY, signed is not None and signed.requests),
        (DECRYPT, encrypted is not None and encrypted.requests is not None),
        (ENCRYPT, encrypted is not None and encrypted.responses is not None),
        (SIGN, signed is not None and signed.responses),
    )
    return tuple(name for name, is_wanted in wanted if is_wanted)


def own_headers(rules: PayloadRules) -> frozenset[str]:
    """List the headers, in lower case, that say something of the protection and nothing of the message in plain."""
    names = payload.header_names(rules.encryption) if rules.encryption is not None else frozenset[str]()
    return names | {detached_jws.HEADER}


class Payloads:
    """`limit_bytes` is the largest body that is read, of requests and of answers."""

    def __init__(
        self, keys: PayloadKeys, issuers: SigningKeys, freshness: Freshness, *, random: Random, limit_bytes: int
    ) -> None:
        self._keys = keys
        self._issuers = issuers
        self._freshness = freshness
        self._random = random
        self.limit_bytes = min(limit_bytes, LARGEST_BYTES)

    async def keys(self, parties: Parties) -> PairKeys:
        """Find the keys between two parties as they are now. Raises PayloadFailure when that cannot be known."""
        try:
            for _ in range(_LOAD_ATTEMPTS):
                found = self._keys.peek(parties)
                pair = await self._keys.load(parties) if found is UNLOADED else found
                self._freshness.look()
                if pair.live:
                    return pair
        except GateClosed:
            pass
        raise PayloadFailure(Code.PAYLOAD_UNAVAILABLE, "The gate cannot tell which keys are good. Try again shortly.")

    def check_ready(self, rules: PayloadRules, pair: PairKeys, environment: EnvironmentName, *, now: datetime) -> None:
        """Make sure that an answer could be given as the rules want it, before anybody works on one. Raises
        PayloadFailure."""
        if rules.encryption is not None and rules.encryption.responses is not None and pair.recipient(now=now) is None:
            raise PayloadFailure(
                Code.PAYLOAD_NO_RECIPIENT,
                "Add a key for encrypted answers (MASTERCARD_ENCRYPTION) to the project's service, or activate one.",
            )
        if rules.signature is not None and rules.signature.responses:
            self._signing(environment, now=now)

    # ------------------------------------------------------------------------------------------------------- requests

    def verify(self, rules: SignatureRules, pair: PairKeys, message: Message, *, now: datetime) -> None:
        """Prove that the project signed the request (contracts 6). Raises PayloadFailure."""
        try:
            detached = detached_jws.parse(_only(detached_jws.HEADER, message.headers))
            detached_jws.check(
                detached,
                detached_jws.payload(message.body, message.target),
                _key_of(pair, detached.header.kid, rules, now),
                algorithms=rules.algorithms,
                now=now,
                max_age=timedelta(seconds=rules.max_age_s),
                skew=_SKEW,
            )
        except (Malformed, Refused) as error:
            raise PayloadFailure(Code.PAYLOAD_SIGNATURE, str(error)) from error

    def decrypt(self, rules: payload.Rules, pair: PairKeys, message: Message, *, now: datetime) -> bytes:
        """Return the body of a request in plain. Raises PayloadFailure."""
        if rules.requests is None:
            return message.body
        keys = pair.decrypting(self._keys.vault, now=now)
        try:
            return payload.decrypt(message.body, message.headers, rules, rules.requests, keys=keys, random=self._random)
        except Undecrypted as error:
            raise PayloadFailure(_CODE_OUTSIDE[error.outside], str(error)) from None
        except KeysSealed:
            raise PayloadFailure(
                Code.PAYLOAD_UNAVAILABLE, "This gate has not the key-encryption key and decrypts nothing."
            ) from None

    # -------------------------------------------------------------------------------------------------------- answers

    def encrypt(self, rules: payload.Rules, pair: PairKeys, body: bytes, *, status: int, now: datetime) -> Sealed:
        """Encrypt the body of an answer. One that tells of an error need not have the elements that others have.
        Raises PayloadFailure: nothing goes out in plain for want of a key."""
        if rules.responses is None:
            return Sealed(body)
        recipient = pair.recipient(now=now)
        if recipient is None:
            raise PayloadFailure(Code.PAYLOAD_ANSWER, "The project has no active key for answers any more.")
        direction = _lenient(rules.responses) if status >= 400 else rules.responses
        try:
            return payload.encrypt(body, rules, direction, recipient=recipient, random=self._random)
        except (Malformed, Refused) as error:
            raise PayloadFailure(Code.PAYLOAD_ANSWER, f"The API's answer does not fit the rules: {error}") from error

    def sign(
        self, rules: SignatureRules, environment: EnvironmentName, body: bytes, target: str, *, now: datetime
    ) -> str:
        """Sign an answer as it is sent; see `minified`. Raises PayloadFailure."""
        ready = self._signing(environment, now=now)
        assert ready.private is not None, "_signing finds keys that sign"
        algorithm = next((each for each in _SIGNED_WITH if each in rules.algorithms), _SIGNED_WITH[0])
        signed = detached_jws.payload(body, target)
        return detached_jws.sign(signed, ready.private, algorithm=algorithm, kid=ready.key.kid, now=now)

    def _signing(self, environment: EnvironmentName, *, now: datetime) -> ReadyKey:
        ready = self._issuers.signing(environment, IssuerKind.PAYLOAD, now=now)
        if ready is None:
            raise PayloadFailure(Code.PAYLOAD_UNAVAILABLE, "This gate has no key to sign answers with.")
        return ready


def minified(body: bytes) -> bytes:
    """Write JSON as JavaScript's JSON.stringify does, numbers aside: clients verify what they parsed and wrote again.
    What is not JSON, or deeper than can be read, stays as it is."""
    try:
        msgspec.json.decode(body)
        plain = msgspec.json.format(body, indent=-1)
    except (ValueError, RecursionError):
        return body
    return _ESCAPED.sub(_respelt, plain) if b"\\" in plain else plain


def _respelt(string: re.Match[bytes]) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(string.group()))


def _key_of(pair: PairKeys, kid: str, rules: SignatureRules, now: datetime) -> PublicKey:
    key = pair.verifying(kid, grace=timedelta(seconds=rules.grace_s), now=now)
    if key is None:
        raise Refused("kid", f"There is no active key for signatures of the kid {kid[:64]!r}.")
    return key


def _lenient(direction: Direction) -> Direction:
    places = tuple(msgspec.structs.replace(place, optional=True) for place in direction.places)
    return msgspec.structs.replace(direction, places=places)


def _only(name: str, headers: Sequence[tuple[str, str]]) -> str:
    found = [value for each, value in headers if each.lower() == name]
    if len(found) != 1:
        raise Malformed(name, f"The request needs one header {name}, and has {len(found)}.")
    return found[0]

"""OAuth 1.0a at the gate (RFC 5849): is this call proven, and is it allowed?

One straight line for every call: read the header, find the key, prove time, body and signature, see what the key may
do, remember the nonce, and look last whether all that is still true. The order is by cost, and nothing is remembered
of a caller who has proven nothing (settled 14, 23).

`decide_now` answers from memory: always for a known key on SQLite and LMDB. `decide` waits where waiting is needed.
Refusals are values; no exception of one leaves this module.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from credenza.domain.model import AuthenticationType, ProjectType
from credenza.gate import target
from credenza.gate.bearer import Later, TokenVerifier, is_token_call
from credenza.gate.compat import ApiTokenVerifier
from credenza.gate.decision import Admitted, Call, Code, Decision, Evidence, Refused
from credenza.gate.freshness import Freshness
from credenza.gate.keyring import UNLOADED, Entry, GateClosed, Keyring, RouteTable
from credenza.gate.mtls import CertificateVerifier
from credenza.gate.possession import ReplayMemory
from credenza.gate.standing import identity_of, unfit
from credenza.protocol import oauth1
from credenza.protocol.errors import Malformed
from credenza.protocol.errors import Refused as Disproven
from credenza.protocol.oauth1 import MissingParameter, SignedCall
from credenza.store.lookup import KeyRecord, Route
from credenza.store.replay import ReplayUnavailable

MAX_SKEW = timedelta(seconds=300)

# A query or a form can be long, and the base string has it escaped.
_LONGEST_ECHO = 4096

_TAKES_OAUTH1 = frozenset({AuthenticationType.OAUTH10A, AuthenticationType.DUAL_OAUTH})
_CODE_OF_FIELD = {
    "oauth_signature_method": Code.UNSUPPORTED_METHOD,
    "oauth_nonce": Code.NONCE,
    "target": Code.INVALID_TARGET,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """`max_skew`: how far from now a call may be signed. `echo_base_string`: refusals show one that would do."""

    max_skew: timedelta = MAX_SKEW
    echo_base_string: bool = True


class _Verdict(msgspec.Struct, frozen=True):
    """A decision, and what could turn it: a change of `entry` (None: no key matters) or of the routes."""

    decision: Decision
    claim: SignedCall | None
    entry: Entry | None
    routes_number: int


class _Load(msgspec.Struct, frozen=True):
    """The key has to be loaded. `remembered`: the nonce of the call is in the replay memory already."""

    key_id: str
    remembered: bool = False


class _Ask(msgspec.Struct, frozen=True):
    """The replay memory has been asked and will answer."""

    verdict: _Verdict
    answer: Awaitable[bool]


_Waiting: TypeAlias = _Load | _Ask
Waiting: TypeAlias = _Waiting | Later


class Verifier:
    """Decides calls from what it is given, and owns none of it."""

    def __init__(
        self,
        *,
        keyring: Keyring,
        routes: RouteTable,
        freshness: Freshness,
        replay: ReplayMemory,
        policy: Policy | None = None,
        tokens: TokenVerifier | None = None,
        certificates: CertificateVerifier | None = None,
        api_tokens: ApiTokenVerifier | None = None,
    ) -> None:
        self._tokens = tokens
        self._api_tokens = api_tokens
        self._certificates = certificates
        self._keyring = keyring
        self._routes = routes
        self._freshness = freshness
        self._replay = replay
        self._policy = policy or Policy()
        # Calls by unknown keys are checked against this one and take as long as a wrong signature (settled 14).
        self._nobodys_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()

    def look(self) -> None:
        """Make sure that calls can be decided now. Raises GateClosed."""
        self._freshness.look()

    async def decide(self, call: Call, *, clock: Callable[[], datetime]) -> Decision:
        outcome = self.decide_now(call, now=clock())
        return outcome if isinstance(outcome, Admitted | Refused) else await self.finish(outcome, call, clock=clock)

    async def finish(self, outcome: Waiting, call: Call, *, clock: Callable[[], datetime]) -> Decision:
        """Wait for what `decide_now` could not answer without."""
        while True:
            if isinstance(outcome, Later):
                return await outcome.finish(clock)
            after = await self._wait(outcome, call, clock)
            if isinstance(after, Admitted | Refused):
                return after
            outcome = after

    def decide_now(self, call: Call, *, now: datetime) -> Decision | Waiting:
        """Decide from memory, or say what has to be waited for; `decide` does both."""
        judged = self._of_others(call, now)
        if judged is not None:
            return judged
        verdict = self._examine(call, now)
        if not isinstance(verdict, _Verdict):  # asked in this way since asking for another class of ours takes longer
            return verdict
        if not isinstance(verdict.decision, Admitted):
            return self._settle(verdict, call, now, remembered=False)
        try:
            answer = self._replay.first_seen(_replay_key(verdict.claim), now.timestamp())
        except ReplayUnavailable:
            return _unavailable(Code.REPLAY_UNAVAILABLE, verdict, call, now)
        if isinstance(answer, bool):
            return self._conclude(verdict, call, now, first_seen=answer)
        return _Ask(verdict, answer)

    def screen(self, call: Call, *, now: datetime) -> Refused | None:
        """Refuse a call that no body could save, before its body is read; nothing is remembered.

        The signature covers the claimed hash of the body and not the body itself, so it can be checked without.
        """
        if self._api_tokens is not None and self._api_tokens.takes(call, now=now):
            return self._api_tokens.screen(call, now=now)
        if self._certificates is not None and not call.authorization:
            judged = self._certificates.decide_now(call, now=now)
            if judged is not None:
                return judged if isinstance(judged, Refused) else None
        if self._tokens is not None and call.environment is not None and is_token_call(call):
            return self._tokens.screen(call, now=now)
        verdict = self._examine(call, now)
        if isinstance(verdict, _Load) or isinstance(verdict.decision, Admitted):
            return None
        outcome = self._settle(verdict, call, now, remembered=False)
        return outcome if isinstance(outcome, Refused) else None

    def _of_others(self, call: Call, now: datetime) -> Decision | Later | None:
        """Have a call judged that proves itself in another way."""
        if self._api_tokens is not None and self._api_tokens.takes(call, now=now):
            return self._api_tokens.decide_now(call, now=now)
        if not call.authorization and self._certificates is not None:
            return self._certificates.decide_now(call, now=now)
        if self._tokens is not None and call.environment is not None and is_token_call(call):
            return self._tokens.decide_now(call, now=now)
        return None

    async def _wait(self, waiting: _Waiting, call: Call, clock: Callable[[], datetime]) -> Decision | Waiting:
        if isinstance(waiting, _Ask):
            return await self._wait_for_replay_memory(waiting, call, clock)
        try:
            await self._keyring.load(waiting.key_id)
        except GateClosed:
            return _refused(Code.GATE_CLOSED, _UNAVAILABLE[Code.GATE_CLOSED], Evidence(call, clock()))
        now = clock()
        if not waiting.remembered:
            return self.decide_now(call, now=now)
        verdict = self._examine(call, now)
        return verdict if isinstance(verdict, _Load) else self._settle(verdict, call, now, remembered=True)

    async def _wait_for_replay_memory(
        self, asked: _Ask, call: Call, clock: Callable[[], datetime]
    ) -> Decision | Waiting:
        try:
            first_seen = await asked.answer
        except ReplayUnavailable:
            return _unavailable(Code.REPLAY_UNAVAILABLE, asked.verdict, call, clock())
        now = clock()
        late = self._late(asked.verdict, call, now)
        return late or self._conclude(asked.verdict, call, now, first_seen=first_seen)

    def _late(self, verdict: _Verdict, call: Call, now: datetime) -> Refused | None:
        """Judge time once more. A call that waited must be in time when it came, which was seen, and when it is
        admitted: the replay memory keeps its nonce only as long as it would be."""
        claim, entry = verdict.claim, verdict.entry
        assert claim is not None, "a call that could be admitted has claimed something"
        assert entry is not None, "and is by a key"
        evidence = _evidence(verdict, call, now)
        try:
            oauth1.check_timestamp(claim, now=now, max_skew=self._policy.max_skew)
        except Disproven as failure:
            return self._disproven(failure, evidence)
        reason = unfit(entry.record, call.environment, now)
        return None if reason is None else self._unproven(reason, evidence)

    def _examine(self, call: Call, now: datetime) -> _Verdict | _Load:
        """Decide all that needs no memory of other calls."""
        number = self._routes.number
        try:
            claim = oauth1.parse(_only(call.authorization))
        except Malformed as malformed:
            return _Verdict(_unreadable(malformed, Evidence(call, now)), None, None, number)
        try:
            entry = self._keyring.peek(claim.key_id) if claim.key_id else None
        except GateClosed:
            closed = _refused(Code.GATE_CLOSED, _UNAVAILABLE[Code.GATE_CLOSED], Evidence(call, now, claim))
            return _Verdict(closed, claim, None, number)
        if entry is UNLOADED:
            return _Load(claim.key_id)
        if entry is not None and entry.record.client_id != claim.client_id:
            entry = None  # the halves of a consumer key belong together, or it is nobody's
        try:
            self._prove(call, claim, entry, now)
        except (Malformed, Disproven) as failure:
            evidence = Evidence(call, now, claim, None if entry is None else entry.record)
            return _Verdict(self._disproven(failure, evidence), claim, entry, number)
        assert entry is not None  # unreachable: nobody has the private half of nobody's key
        return _Verdict(self._allow(entry, call, claim, now), claim, entry, number)

    def _prove(self, call: Call, claim: SignedCall, entry: Entry | None, now: datetime) -> None:
        """Check time, body and signature (RFC 5849 3.2). Raises Malformed or Disproven."""
        if call.body_sha256 is None and claim.body_hash is None and _may_have_body(call):
            raise Disproven("body_hash_missing", "The request has a body, but no oauth_body_hash covers it.")
        key, first, allow_ambiguous = self._nobodys_key, None, False
        known = self._keyring.rsa_key(entry) if entry is not None and _speaks_oauth1(entry.record) else None
        if entry is not None and known is not None:
            key, first, allow_ambiguous = known, entry.reading, entry.record.ambiguous_readings
        reading = oauth1.check(
            call.request,
            claim,
            key,
            now=now,
            max_skew=self._policy.max_skew,
            body_sha256=call.body_sha256,
            first=first,
            allow_ambiguous=allow_ambiguous,
        )
        if entry is not None:
            entry.reading = reading

    def _disproven(self, failure: Malformed | Disproven, evidence: Evidence) -> Refused:
        if isinstance(failure, Malformed):
            return _unreadable(failure, evidence)
        if failure.reason != "signature":
            return _refused(Code(failure.reason), str(failure), evidence)
        if evidence.record is None:
            return self._unproven(Code.UNKNOWN_KEY, evidence)
        return self._unproven(Code.SIGNATURE if _speaks_oauth1(evidence.record) else Code.WRONG_KIND, evidence)

    def _unproven(self, code: Code, evidence: Evidence) -> Refused:
        """Refuse in the words that an unknown, revoked or expired key and a wrong signature share (settled 14)."""
        description = "The consumer key, the signature or both are not accepted."
        if self._policy.echo_base_string and evidence.claim is not None:
            base_string = oauth1.acceptable_base_string(evidence.call.request, evidence.claim)
            description += f" An accepted key would sign this base string: {_cut(base_string)}"
        return _refused(code, description, evidence)

    def _allow(self, entry: Entry, call: Call, claim: SignedCall, now: datetime) -> Decision:
        """See what the holder of the key may do. Refusals are plain once the key is fit: it is known who asks."""
        record = entry.record
        reason = unfit(record, call.environment, now)
        if reason is not None:
            return self._unproven(reason, Evidence(call, now, claim, record))
        if call.environment is None:
            return Admitted(identity_of(entry, None), None, claim.body_hash)
        if record.environment is not call.environment:
            text = f"This is {call.environment}, and the key belongs to {record.environment}."
            return _refused(Code.OTHER_ENVIRONMENT, text, Evidence(call, now, claim, record))
        try:
            route = target.route(self._routes, call.environment, call.request.path)
        except Malformed as malformed:
            return _unreadable(malformed, Evidence(call, now, claim, record))
        return _enter(entry, route, call, claim, now)

    def _conclude(self, verdict: _Verdict, call: Call, now: datetime, *, first_seen: bool) -> Decision | Waiting:
        """Judge by the replay memory's answer, whose `remembers_since` is to be read after it."""
        claim = verdict.claim
        assert claim is not None  # unreachable: an admitted call has claimed something
        if claim.timestamp <= self._replay.remembers_since:
            return _unavailable(Code.REPLAY_UNAVAILABLE, verdict, call, now)
        if not first_seen:
            return self._unproven(Code.REPLAYED, _evidence(verdict, call, now))
        return self._settle(verdict, call, now, remembered=True)

    def _settle(self, verdict: _Verdict, call: Call, now: datetime, *, remembered: bool) -> Decision | Waiting:
        """Look last (settled 23): is this gate up to date, and has the key not changed meanwhile?"""
        if verdict.entry is None:
            return verdict.decision
        try:
            self._freshness.look()
        except GateClosed:
            return _unavailable(Code.GATE_CLOSED, verdict, call, now)
        if verdict.entry.live and verdict.routes_number == self._routes.number:
            return verdict.decision
        return _Load(verdict.entry.record.key_id, remembered)


_UNAVAILABLE = {
    Code.GATE_CLOSED: "The gate cannot tell at the moment whether credentials are still valid. Try again shortly.",
    Code.REPLAY_UNAVAILABLE: "The gate cannot tell at the moment whether the call is new. Sign it again shortly.",
}


def _unavailable(code: Code, verdict: _Verdict, call: Call, now: datetime) -> Refused:
    return _refused(code, _UNAVAILABLE[code], _evidence(verdict, call, now))


def _evidence(verdict: _Verdict, call: Call, now: datetime) -> Evidence:
    return Evidence(call, now, verdict.claim, None if verdict.entry is None else verdict.entry.record)


def _refused(code: Code, description: str, evidence: Evidence) -> Refused:
    return Refused(evidence.call.id, code, description, evidence)


def _only(authorization: tuple[str, ...]) -> str:
    # RFC 9110 5.3: a field that is no list comes once. Two would let a proxy and the gate read different ones.
    if len(authorization) > 1:
        raise Malformed("authorization", "The request has more than one Authorization header.")
    return authorization[0] if authorization else ""


def _unreadable(malformed: Malformed, evidence: Evidence) -> Refused:
    if isinstance(malformed, MissingParameter):
        return _refused(Code.MISSING_PARAMETER, str(malformed), evidence)
    return _refused(_CODE_OF_FIELD.get(malformed.field, Code.INVALID_HEADER), str(malformed), evidence)


def _may_have_body(call: Call) -> bool:
    """Whether a request whose body nobody sees could have one. HTTP/2 announces none that is streamed, so that only
    methods whose content means nothing (RFC 9110 9.3) are taken at their word."""
    return call.announces_body or call.request.method not in ("GET", "HEAD", "DELETE", "OPTIONS")


def _speaks_oauth1(record: KeyRecord) -> bool:
    return record.project_type is not ProjectType.OAUTH2_FAPI or record.dual


def _enter(entry: Entry, route: Route | None, call: Call, claim: SignedCall, now: datetime) -> Decision:
    if route is None:
        text = f"No API in {call.environment} has this path."
        return _refused(Code.UNMAPPED_PATH, text, Evidence(call, now, claim, entry.record))
    if route.service_id not in entry.record.services or route.authentication not in _TAKES_OAUTH1:
        text = f"The project may not use {route.service_name} in {call.environment}."
        return _refused(Code.NOT_ENTITLED, text, Evidence(call, now, claim, entry.record))
    return Admitted(identity_of(entry, route.service_id), route, claim.body_hash)


def _replay_key(claim: SignedCall | None) -> bytes:
    assert claim is not None  # unreachable: an admitted call has claimed something
    return f"{claim.consumer_key} {claim.timestamp} {claim.nonce}".encode("ascii")


def _cut(base_string: str) -> str:
    return base_string if len(base_string) <= _LONGEST_ECHO else base_string[:_LONGEST_ECHO] + "…"

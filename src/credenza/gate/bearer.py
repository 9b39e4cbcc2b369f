"""Calls with an access token at the gate: RFC 9068 section 4, RFC 9449 section 7 and RFC 8705 section 3.

One straight line, as for OAuth 1.0a: read the token and the proof; prove the token, then the holder; see what the key
behind it may do now, for the live record wins over the token (settled 20); remember the proof; look last. A token's own
signature is verified once and remembered: what it says cannot change, and everything else is asked anew at every call.

A holder has a DPoP key or a certificate, whichever the token is bound to. The certificate is the connection's: there is
no proof then to remember, and a token dies with the certificate it is bound to as with the credential that fetched it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import TypeAlias

import msgspec

from credenza.domain.model import AuthenticationType, ChangeNumber, EnvironmentName
from credenza.domain.token_keys import IssuerKind
from credenza.gate import target
from credenza.gate.decision import Admitted, Call, Code, Decision, Evidence, Refused
from credenza.gate.freshness import Freshness
from credenza.gate.issuers import Issuers
from credenza.gate.keyring import UNLOADED, Entry, GateClosed, Keyring, Peeked, RouteTable
from credenza.gate.possession import Nonces, ReplayMemory, replay_key
from credenza.gate.standing import identity_of, unfit
from credenza.gate.token_server import speaks_oauth2
from credenza.gate.verified_tokens import NotGood, VerifiedTokens
from credenza.protocol import access_token, dpop, jose
from credenza.protocol.access_token import Claims
from credenza.protocol.dpop import Proof
from credenza.protocol.errors import Malformed
from credenza.protocol.errors import Refused as Disproven
from credenza.store.lookup import KeyRecord, Route
from credenza.store.replay import ReplayUnavailable
from credenza.wire.decisions import DPOP_NONCE

SCHEMES = frozenset({"dpop", "bearer"})

_TAKES_OAUTH2 = frozenset({AuthenticationType.OAUTH2_FAPI, AuthenticationType.DUAL_OAUTH})

# A key by its id, a certificate by its SHA-256.
_Name: TypeAlias = str | bytes


@dataclass(frozen=True, slots=True)
class Audience:
    """Where tokens of an environment are issued and used: its origin, which is both (settled 20)."""

    environment: EnvironmentName
    origin: str


class Later(msgspec.Struct, frozen=True):
    """A decision that has to wait for a database or a replay memory."""

    finish: Callable[[Callable[[], datetime]], Awaitable[Decision]]


class _Known(msgspec.Struct, frozen=True):
    """A token whose signature was verified, with what is asked of it at every call. `credential` has fetched it; it is
    bound to the certificate `binding`, or to a DPoP key where that is empty. `names` are what has to be good for it."""

    claims: Claims
    ath: str
    scopes: frozenset[str]
    credential: _Name
    binding: bytes
    names: tuple[_Name, ...]


class _Proven(msgspec.Struct, frozen=True):
    """A call that is admitted if its proof is new and nothing has changed since the change of that `number`. Whoever
    has shown a certificate has no proof."""

    admitted: Admitted
    entry: Entry
    proof: Proof | None
    token: str
    number: ChangeNumber


class _Load(msgspec.Struct, frozen=True):
    name: _Name


class _Denied(Exception):  # noqa: N818 - an answer, not an error of ours
    """How the check of one call ends early; it leaves as a value."""

    def __init__(self, code: Code, description: str, *, error: str = "", scope: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.error = error
        self.scope = scope


class _Unheld(_Denied):
    """A token that is bound to a certificate comes without it."""

    def __init__(self, description: str) -> None:
        super().__init__(Code.TOKEN_BINDING, description, error="invalid_token")


_Examined: TypeAlias = _Proven | _Load | Refused


class TokenVerifier:
    """Decides calls from what it is given, and owns only its memory of tokens whose signature it has verified."""

    def __init__(
        self,
        *,
        keyring: Keyring,
        routes: RouteTable,
        issuers: Issuers,
        freshness: Freshness,
        replay: ReplayMemory,
        audiences: tuple[Audience, ...],
        nonces: Nonces,
    ) -> None:
        self._keyring = keyring
        self._routes = routes
        self._freshness = freshness
        self._replay = replay
        self._nonces = nonces
        origins = {each.environment: each.origin for each in audiences}
        self._tokens = VerifiedTokens(issuers, IssuerKind.FAPI2, names=origins, audiences=origins, read=_read)

    def decide_now(self, call: Call, *, now: datetime) -> Decision | Later:
        """Decide from memory, or say what has to be waited for."""
        examined = self._examine(call, now)
        if isinstance(examined, _Load):
            return Later(partial(self._finish, call, examined))
        if isinstance(examined, Refused):
            return examined
        if examined.proof is None:
            return self._settle(call, examined, now)
        try:
            answer = self._replay.first_seen(replay_key(examined.proof), now.timestamp())
        except ReplayUnavailable:
            return self._away(call, now, Code.REPLAY_UNAVAILABLE)
        if isinstance(answer, bool):
            return self._conclude(call, examined, now, first_seen=answer)
        return Later(partial(self._finish_asked, call, examined, answer))

    def screen(self, call: Call, *, now: datetime) -> Refused | None:
        """Refuse a call that no body could save, before its body is read; nothing is remembered."""
        examined = self._examine(call, now)
        return examined if isinstance(examined, Refused) else None

    def look(self) -> None:
        """Make sure that what is remembered is true now. Raises GateClosed."""
        self._freshness.look()

    async def good(self, environment: EnvironmentName, sent: str, *, clock: Callable[[], datetime]) -> Claims | None:
        """Read a token that would be admitted now, shown by its holder; None for any other. Raises GateClosed.

        Looks last: what is asked next without waiting is true now as well.
        """
        self._freshness.look()
        try:
            known = self._known(environment, sent, clock())
            unloaded = [each for each in known.names if self._peek(each) is UNLOADED]
            if unloaded:
                for each in unloaded:
                    await self._load(each)
                self._freshness.look()
                self._known(environment, sent, clock())  # who waited is told what is true after it
            now = clock()
            found = [_check_live(environment, known.claims, self._loaded(each), now) for each in known.names]
            return known.claims if {each.environment for each in found} == {environment} else None
        except _Denied:
            return None

    def scope(self, environment: EnvironmentName, claims: Claims) -> str:
        """What a token that is good may be used for now: of what it was narrowed to, or of everything, the part that
        its project is entitled to. Raises GateClosed."""
        entry = self._loaded(_credential(claims))
        granted = self._routes.scopes(environment, entry.record.services) if entry is not None else frozenset()
        asked = frozenset(claims.scope.split())
        return " ".join(sorted(asked & granted if asked else granted))

    # ------------------------------------------------------------------------------------------------------------ wait

    async def _finish(self, call: Call, load: _Load, clock: Callable[[], datetime]) -> Decision:
        try:
            await self._load(load.name)
        except GateClosed:
            return self._away(call, clock(), Code.GATE_CLOSED)
        outcome = self.decide_now(call, now=clock())
        return await outcome.finish(clock) if isinstance(outcome, Later) else outcome

    async def _finish_asked(
        self, call: Call, proven: _Proven, answer: Awaitable[bool], clock: Callable[[], datetime]
    ) -> Decision:
        try:
            first_seen = await answer
        except ReplayUnavailable:
            return self._away(call, clock(), Code.REPLAY_UNAVAILABLE)
        now = clock()
        again = self._again(call, proven, now)  # a call that waited is judged by the time that it waited to
        return again if isinstance(again, Refused) else self._conclude(call, again, now, first_seen=first_seen)

    def _conclude(self, call: Call, proven: _Proven, now: datetime, *, first_seen: bool) -> Decision:
        """Judge by the replay memory's answer, whose `remembers_since` is to be read after it; then look last."""
        assert proven.proof is not None, "the memory was asked about one"
        if proven.proof.claims.iat <= self._replay.remembers_since:
            return self._away(call, now, Code.REPLAY_UNAVAILABLE)
        if not first_seen:
            text = "The DPoP proof was used before: make a new one for every request."
            return self._refused(
                call, now, _Denied(Code.PROOF_REPLAYED, text, error="invalid_dpop_proof"), proven.entry
            )
        return self._settle(call, proven, now)

    def _settle(self, call: Call, proven: _Proven, now: datetime) -> Decision:
        """Look last (settled 23): is this gate up to date, and has nothing changed meanwhile?"""
        try:
            self._freshness.look()
        except GateClosed:
            return self._away(call, now, Code.GATE_CLOSED)
        if proven.entry.live and proven.number == self._keyring.number:
            return proven.admitted
        again = self._again(call, proven, now)
        return again if isinstance(again, Refused) else again.admitted

    def _again(self, call: Call, proven: _Proven, now: datetime) -> _Proven | Refused:
        """Judge once more all that time and changes move. What a signature has proven stays proven."""
        entry: Entry | None = None
        try:
            self._freshness.look()
            known = self._known(_environment(call), proven.token, now)
            entry = self._loaded(known.credential)
            record = _check_live(_environment(call), known.claims, entry, now)
            if proven.proof is not None:
                _check_time(proven.proof, now)
            else:
                _check_live(_environment(call), known.claims, self._loaded(known.binding), now)
            assert entry is not None, "a key that is live is known"
            return self._allow(call, known, record, entry, proven.proof, proven.token, now)
        except GateClosed:
            return self._away(call, now, Code.GATE_CLOSED)
        except _Denied as denied:
            return self._refused(call, now, denied, entry)

    # --------------------------------------------------------------------------------------------------------- examine

    def _examine(self, call: Call, now: datetime) -> _Examined:
        """Decide all that needs no memory of other calls. A refusal is true now; else `_conclude` looks last."""
        number = self._keyring.number
        examined = self._judge(call, now)
        if not isinstance(examined, Refused):
            return examined
        try:
            self._freshness.look()
        except GateClosed:
            return self._away(call, now, Code.GATE_CLOSED)
        return examined if number == self._keyring.number else self._judge(call, now)

    def _judge(self, call: Call, now: datetime) -> _Examined:
        entry: Entry | None = None
        try:
            sent, is_dpop = _credentials(call)
            known = self._known(_environment(call), sent, now)
            found = self._peek(known.credential)
            if found is UNLOADED:
                return _Load(known.credential)
            entry = found if isinstance(found, Entry) else None
            record = _check_live(_environment(call), known.claims, entry, now)
            if known.binding:
                _check_certificate(call, known, is_dpop=is_dpop)
                if self._peek(known.binding) is UNLOADED:
                    return _Load(known.binding)
                _check_live(_environment(call), known.claims, self._loaded(known.binding), now)
                proof = None
            else:
                proof = self._check_holder(call, known, is_dpop=is_dpop, now=now)
            assert entry is not None, "a key that is live is known"
            return self._allow(call, known, record, entry, proof, sent, now)
        except GateClosed:
            return self._away(call, now, Code.GATE_CLOSED)
        except _Denied as denied:
            return self._refused(call, now, denied, entry)

    def _peek(self, name: _Name) -> Peeked:
        return self._keyring.peek(name) if isinstance(name, str) else self._keyring.peek_certificate(name)

    async def _load(self, name: _Name) -> None:
        await (self._keyring.load(name) if isinstance(name, str) else self._keyring.load_certificate(name))

    def _loaded(self, name: _Name) -> Entry | None:
        """Find a credential that was in memory a moment ago. Raises GateClosed when it changed meanwhile."""
        found = self._peek(name)
        if found is UNLOADED:
            raise GateClosed("changed")
        return found if isinstance(found, Entry) else None

    def _known(self, environment: EnvironmentName, sent: str, now: datetime) -> _Known:
        """Prove that the environment's issuer has issued the token, for its own origin, and that it has not ended."""
        try:
            return self._tokens.find(environment, sent, now=now)
        except NotGood as failure:
            raise _Denied(failure.code, str(failure), error="invalid_token") from failure

    def _check_holder(self, call: Call, known: _Known, *, is_dpop: bool, now: datetime) -> Proof:
        """Prove that the caller holds the key that the token is bound to (RFC 9449 7.1)."""
        if not is_dpop:
            text = "The token is bound to a key: send it as Authorization: DPoP, with a proof."
            raise _Denied(Code.TOKEN_BINDING, text, error="invalid_token")
        if len(call.proofs) != 1 or not call.proofs[0]:
            text = "One DPoP header with a proof has to come with the token."
            raise _Denied(Code.PROOF_MISSING, text, error="invalid_dpop_proof")
        try:
            proof = dpop.parse(call.proofs[0])
            dpop.check_claims(proof, method=call.request.method, uri=_uri(call), now=now, ath=known.ath)
        except (Malformed, Disproven) as failure:
            raise _Denied(Code.INVALID_PROOF, str(failure), error="invalid_dpop_proof") from failure
        if proof.jkt != known.claims.cnf.jkt:
            raise _Denied(
                Code.TOKEN_BINDING, "The proof is by another key than the token is bound to.", error="invalid_token"
            )
        if not self._nonces.accept(proof, now=now):
            raise _Denied(Code.PROOF_NONCE, "The DPoP proof needs the nonce of this answer.", error="use_dpop_nonce")
        try:
            dpop.check_signature(proof)
        except Disproven as failure:
            raise _Denied(Code.INVALID_PROOF, str(failure), error="invalid_dpop_proof") from failure
        return proof

    def _allow(
        self, call: Call, known: _Known, record: KeyRecord, entry: Entry, proof: Proof | None, sent: str, now: datetime
    ) -> _Proven:
        """See what the holder may do: refusals are plain, it is known who asks."""
        if record.environment is not call.environment:
            text = f"This is {call.environment}, and the key belongs to {record.environment}."
            raise _Denied(Code.OTHER_ENVIRONMENT, text)
        route = self._route(call)
        if route.service_id not in record.services or route.authentication not in _TAKES_OAUTH2:
            raise _Denied(Code.NOT_ENTITLED, f"The project may not use {route.service_name} in {call.environment}.")
        if known.scopes and known.scopes.isdisjoint(route.scopes):
            needed = " ".join(sorted(route.scopes))
            text = f"One of these scopes is needed: {needed}."
            raise _Denied(Code.INSUFFICIENT_SCOPE, text, error="insufficient_scope", scope=needed)
        offered = self._nonces.offered(now=now)
        admitted = Admitted(identity_of(entry, route.service_id), route, None, headers=offered)
        return _Proven(admitted, entry, proof, sent, self._keyring.number)

    def _route(self, call: Call) -> Route:
        try:
            route = target.route(self._routes, _environment(call), call.request.path)
        except Malformed as malformed:
            raise _Denied(Code.INVALID_TARGET, str(malformed)) from malformed
        if route is None:
            raise _Denied(Code.UNMAPPED_PATH, f"No API in {call.environment} has this path.")
        return route

    # --------------------------------------------------------------------------------------------------------- answers

    def _refused(self, call: Call, now: datetime, denied: _Denied, entry: Entry | None) -> Refused:
        record = entry.record if entry is not None else None
        headers = [("WWW-Authenticate", _challenge(call, denied))]
        if denied.code is Code.PROOF_NONCE:
            headers.append((DPOP_NONCE, self._nonces.current(now=now)))
        evidence = Evidence(call, now, None, record)
        return Refused(call.id, denied.code, denied.description, evidence, tuple(headers))

    def _away(self, call: Call, now: datetime, code: Code) -> Refused:
        text = "The gate cannot tell at the moment whether the call may be admitted. Try again shortly."
        return Refused(call.id, code, text, Evidence(call, now))


def _check_live(environment: EnvironmentName, claims: Claims, entry: Entry | None, now: datetime) -> KeyRecord:
    """A token dies with the key or certificate that fetched it, and with the certificate it is bound to: these have to
    be as good as they were then."""
    if entry is None or entry.record.client_id != claims.client_id or not speaks_oauth2(entry.record):
        raise _Denied(Code.TOKEN_REVOKED, "The client that the token was given to is gone.", error="invalid_token")
    if unfit(entry.record, environment, now) is not None or not entry.record.trusted:
        kind = "certificate" if entry.record.certificate_sha256 else "key"
        text = f"The {kind} that the token was fetched with is not accepted any more."
        raise _Denied(Code.TOKEN_REVOKED, text, error="invalid_token")
    return entry.record


def _check_certificate(call: Call, known: _Known, *, is_dpop: bool) -> None:
    """Prove that the connection is made with the certificate that the token is bound to (RFC 8705 3). One that was
    issued again for the same key is another."""
    if is_dpop:
        raise _Unheld("The token is bound to a certificate: send it as Authorization: Bearer, over mutual TLS.")
    if not call.certificate:
        raise _Unheld("The token is bound to a certificate: connect with it.")
    if sha256(call.certificate).digest() != known.binding:
        raise _Unheld("The connection is made with another certificate than the token is bound to.")


def _read(sent: str, claims: Claims) -> _Known:
    scopes, credential, binding = frozenset(claims.scope.split()), _credential(claims), _binding(claims)
    names = tuple(dict.fromkeys((credential, binding) if binding else (credential,)))
    return _Known(claims, dpop.access_token_hash(sent), scopes, credential, binding, names)


def _credential(claims: Claims) -> _Name:
    return bytes.fromhex(claims.certificate_sha256) or claims.key_id


def _binding(claims: Claims) -> bytes:
    return jose.decode(claims.cnf.x5t_s256.encode(), "cnf")


def _check_time(proof: Proof, now: datetime) -> None:
    try:
        dpop.check_time(proof, now=now)
    except Disproven as failure:
        raise _Denied(Code.INVALID_PROOF, str(failure), error="invalid_dpop_proof") from failure


def _environment(call: Call) -> EnvironmentName:
    assert call.environment is not None, "the management API takes no tokens of an environment"
    return call.environment


def _challenge(call: Call, denied: _Denied) -> str:
    """Challenge in the scheme of the token: DPoP, unless it is, or may well be, bound to a certificate."""
    is_bearer = call.authorization[0].partition(" ")[0].lower() == "bearer"
    if isinstance(denied, _Unheld) or (denied.error and is_bearer and call.certificate):
        return access_token.challenge(denied.error, scope=denied.scope)
    return dpop.challenge(denied.error, scope=denied.scope)


def is_token_call(call: Call) -> bool:
    for sent in call.authorization:  # noqa: SIM110 - a generator costs more than all that it would look at
        # The first letter tells most calls apart, at a fifth of the price.
        if sent[:1] in "bBdD" and sent.partition(" ")[0].lower() in SCHEMES:
            return True
    return False


def _credentials(call: Call) -> tuple[str, bool]:
    """Read the token (RFC 6750 2.1, RFC 9449 7.1): once, in the header, the scheme in any case."""
    if len(call.authorization) != 1:
        raise _Denied(
            Code.INVALID_HEADER, "The request has more than one Authorization header.", error="invalid_request"
        )
    scheme, _, token = call.authorization[0].partition(" ")
    if not token or " " in token.strip():
        raise _Denied(Code.INVALID_HEADER, "The Authorization header has no token.", error="invalid_request")
    if target.has_token(call.request):
        raise _Denied(Code.INVALID_HEADER, "Send the token in the header, and nowhere else.", error="invalid_request")
    return token.strip(), scheme.lower() == "dpop"


def _uri(call: Call) -> str:
    request = call.request
    return f"{request.scheme}://{request.authority}{request.path}"

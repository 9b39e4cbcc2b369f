"""The token server of one environment: RFC 6749 4.4 with `private_key_jwt` (RFC 7523) and DPoP (RFC 9449), as FAPI 2.0
has it.

One straight line for every request: read the form, the assertion and the proof; find the key; prove time, client and
possession; see what may be granted; remember both `jti`; look last whether all that is still true; sign. The order is
by cost, and nothing is remembered of a caller who has proven nothing. Refusals are values; none leaves as an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from credenza.domain.model import CredentialKind, EnvironmentName, ProjectType, Status
from credenza.domain.token_keys import IssuerKind
from credenza.gate import token_request
from credenza.gate.freshness import Freshness
from credenza.gate.issuers import Issuers, ReadyKey
from credenza.gate.keyring import Entry, GateClosed, Keyring, RouteTable
from credenza.gate.possession import Nonces, ReplayMemory, replay_key
from credenza.gate.token_faults import RULINGS, Denied, Fault, Ruling
from credenza.protocol import access_token, client_assertion, dpop, jose
from credenza.protocol.access_token import Claims, Confirmation
from credenza.protocol.client_assertion import ClientAssertion
from credenza.protocol.dpop import Proof
from credenza.protocol.errors import Malformed, Refused
from credenza.store.lookup import KeyRecord
from credenza.store.replay import ReplayUnavailable

TOKEN_LIFE = timedelta(seconds=900)
"""The longest there is (settled 11)."""

_LONGEST_LIFE_S = client_assertion.LONGEST_LIFE.total_seconds()


class TokenCall(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it arrived at a token endpoint. `issuer` and `uri` are the public ones, whatever Host says."""

    id: str
    environment: EnvironmentName
    issuer: str
    uri: str
    query: str
    content_type: str
    body: bytes
    authorization: tuple[str, ...]
    proofs: tuple[str, ...]
    address: str = ""
    user_agent: str = ""


class Granted(msgspec.Struct, frozen=True):
    """A token, and to whom it was given."""

    access_token: str
    expires_in_s: int
    scope: str
    record: KeyRecord


class Denial(msgspec.Struct, frozen=True):
    """A request that got no token. `told` goes outside; the rest is for the owner of the key, where one is known."""

    id: str
    at: datetime
    fault: Fault
    told: str
    detail: str
    record: KeyRecord | None

    @property
    def ruling(self) -> Ruling:
        return RULINGS[self.fault]


class _Asked(msgspec.Struct, frozen=True):
    """A request that could be read. Nothing of it is proven."""

    assertion: ClientAssertion
    proof: Proof
    scopes: frozenset[str]


class TokenServer:
    """Decides requests from what it is given, and owns none of it."""

    def __init__(
        self,
        *,
        keyring: Keyring,
        routes: RouteTable,
        issuers: Issuers,
        freshness: Freshness,
        replay: ReplayMemory,
        nonces: Nonces,
        random: Callable[[int], bytes],
        token_life: timedelta = TOKEN_LIFE,
    ) -> None:
        self._keyring = keyring
        self._routes = routes
        self._issuers = issuers
        self._freshness = freshness
        self._replay = replay
        self._nonces = nonces
        self._random = random
        self._token_life_s = int(token_life.total_seconds())
        # Unknown keys are checked against this one and take as long as a wrong signature (RFC 7523 3, settled 14).
        self._nobodys_key = ec.generate_private_key(ec.SECP256R1()).public_key()

    @property
    def requires_nonce(self) -> bool:
        return self._nonces.required

    def nonce(self, *, now: datetime) -> str:
        """The nonce to send along: clients keep the last one they saw (RFC 9449 8.2)."""
        return self._nonces.current(now=now)

    async def grant(self, call: TokenCall, *, clock: Callable[[], datetime]) -> Granted | Denial:
        """Give a token, or say why not."""
        now, entry = clock(), None
        try:
            self._look()
            asked = self._read(call, now)
            entry = await self._entry(asked.assertion)
            self._prove(asked, entry, call, now)
            assert entry is not None  # unreachable: nobody has the private half of nobody's key
            scope = self._scope(asked.scopes, entry.record)
            await self._first_use(asked.assertion, entry, now)
            await self._first_seen(replay_key(asked.proof), asked.proof.claims.iat, Fault.PROOF_REPLAYED, now)
            return self._issue(call, asked, entry, scope, clock())
        except Denied as denied:
            record = None if entry is None else entry.record
            return Denial(call.id, now, denied.fault, denied.told, denied.detail, record)

    async def authenticate(
        self, call: TokenCall, parameters: Mapping[str, str], *, clock: Callable[[], datetime]
    ) -> KeyRecord:
        """Prove who asks, by a client assertion alone (RFC 7009 2.1). Raises Denied, about the key it names."""
        self._look()
        now = clock()
        assertion = _assertion(parameters, call)
        _check_times(assertion, call.issuer, now)
        entry = await self._entry(assertion)
        try:
            self._prove_client(assertion, entry, call.environment, now)
            assert entry is not None  # as in grant
            await self._first_use(assertion, entry, now)
            self._look_last(entry)
        except Denied as denied:
            denied.record = None if entry is None else entry.record
            raise
        return entry.record

    # ------------------------------------------------------------------------------------------------------------ read

    def _read(self, call: TokenCall, now: datetime) -> _Asked:
        parameters = token_request.parse(call.content_type, call.query, call.body)
        assertion = _assertion(parameters, call)
        if parameters.get("grant_type") != token_request.GRANT_TYPE:
            raise Denied(Fault.GRANT_TYPE)
        _check_times(assertion, call.issuer, now)
        proof = self._proof(call, now)
        return _Asked(assertion, proof, frozenset(parameters.get("scope", "").split(" ")) - {""})

    def _proof(self, call: TokenCall, now: datetime) -> Proof:
        """Read the proof and see that it is for this request, by its own account (RFC 9449 5)."""
        if len(call.proofs) != 1 or not call.proofs[0]:
            raise Denied(Fault.PROOF_MISSING)
        try:
            proof = dpop.parse(call.proofs[0])
            dpop.check_claims(proof, method="POST", uri=call.uri, now=now)
        except Refused as refused:
            fault = Fault.PROOF_TIME if refused.reason in ("stale", "future") else Fault.PROOF
            raise Denied(fault, told=str(refused)) from refused
        except Malformed as malformed:
            raise Denied(Fault.PROOF, told=str(malformed)) from malformed
        if not self._nonces.accept(proof, now=now):
            raise Denied(Fault.NONCE)
        return proof

    # ----------------------------------------------------------------------------------------------------------- prove

    async def _entry(self, assertion: ClientAssertion) -> Entry | None:
        """Find the key that the assertion names; the client id and it belong together, or it is nobody's."""
        if not assertion.kid:
            raise Denied(Fault.UNKNOWN_KEY, detail="The header of the assertion has no kid.")
        try:
            found = self._keyring.peek(assertion.kid)
            entry = found if found is None or isinstance(found, Entry) else await self._keyring.load(assertion.kid)
        except GateClosed:
            raise Denied(Fault.GATE_CLOSED) from None
        return None if entry is None or entry.record.client_id != assertion.client_id else entry

    def _prove(self, asked: _Asked, entry: Entry | None, call: TokenCall, now: datetime) -> None:
        """See that the client's key has signed, and that the proof's key has. Raises Denied."""
        self._prove_client(asked.assertion, entry, call.environment, now)
        try:
            dpop.check_signature(asked.proof)
        except Refused as refused:
            raise Denied(Fault.PROOF, told=str(refused)) from refused

    def _prove_client(
        self, assertion: ClientAssertion, entry: Entry | None, environment: EnvironmentName, now: datetime
    ) -> None:
        """See that the key is fit and has signed. Raises Denied."""
        key = self._keyring.public_key(entry) if entry is not None else self._nobodys_key
        fault = _unfit(entry.record, environment, now) if entry is not None else Fault.UNKNOWN_KEY
        try:
            jose.check(assertion.token, key, jose.algorithm_of(key))
        except Refused as refused:
            # Whose the key is was not proven: unfit or not, the owner reads that the signature is not of it.
            wrong = Fault.ALGORITHM if refused.reason == "algorithm" else Fault.SIGNATURE
            raise Denied(wrong if entry is not None else Fault.UNKNOWN_KEY, detail=str(refused)) from refused
        if fault is not None:
            raise Denied(fault)

    def _scope(self, asked: frozenset[str], record: KeyRecord) -> str:
        """Grant what was asked for, all of it or nothing; asked for nothing, the token is not narrowed (settled 20)."""
        if not asked:
            return ""
        granted = self._routes.scopes(record.environment, record.services)
        beyond = sorted(asked - granted)
        if beyond:
            raise Denied(Fault.SCOPE, detail=f"Not granted: {' '.join(beyond)[:500]}.")
        return " ".join(sorted(asked))

    # ----------------------------------------------------------------------------------------------- remember and sign

    async def _first_use(self, assertion: ClientAssertion, entry: Entry, now: datetime) -> None:
        """Use an assertion's `jti` up."""
        key = f"assertion {entry.record.client_id} {assertion.jti}".encode()
        earliest_s = max(assertion.earliest_s, assertion.expires_s - _LONGEST_LIFE_S)
        await self._first_seen(key, earliest_s, Fault.ASSERTION_REPLAYED, now)

    async def _first_seen(self, key: bytes, own_time_s: float, replayed: Fault, now: datetime) -> None:
        """Use a key up. What a memory cannot vouch for is refused, whatever it said (`store.replay`)."""
        try:
            answer = self._replay.first_seen(key, now.timestamp())
            first = answer if isinstance(answer, bool) else await answer
        except ReplayUnavailable:
            raise Denied(Fault.REPLAY_UNAVAILABLE) from None
        if own_time_s <= self._replay.remembers_since:
            raise Denied(Fault.REPLAY_UNAVAILABLE)
        if not first:
            raise Denied(replayed)

    def _issue(self, call: TokenCall, asked: _Asked, entry: Entry, scope: str, now: datetime) -> Granted:
        """Look last (settled 23), then sign. A key that changed meanwhile gets no token; the next request may."""
        self._look_last(entry)
        signing = self._issuers.signing(call.environment, IssuerKind.FAPI2, now=now)
        if signing is None:
            raise Denied(Fault.NO_SIGNING_KEY)
        claims = self._claims(call, asked.proof.jkt, entry.record, scope, now)
        return Granted(_signed(claims, signing), claims.exp - claims.iat, scope, entry.record)

    def _look(self) -> None:
        """Make sure that what is remembered is true now; also at first, or a key would be judged as it was."""
        try:
            self._freshness.look()
        except GateClosed:
            raise Denied(Fault.GATE_CLOSED) from None

    def _look_last(self, entry: Entry) -> None:
        self._look()
        if not entry.live:
            raise Denied(Fault.GATE_CLOSED, detail="The key changed while the request was decided.")

    def _claims(self, call: TokenCall, jkt: str, record: KeyRecord, scope: str, now: datetime) -> Claims:
        """RFC 9068 2.2. `aud` is the environment's origin (settled 20)."""
        issued_s = int(now.timestamp())
        return Claims(
            iss=call.issuer,
            exp=issued_s + self._token_life_s,
            aud=call.issuer,
            sub=record.client_id,
            client_id=record.client_id,
            iat=issued_s,
            jti=self._random(16).hex(),
            key_id=record.key_id,
            scope=scope,
            cnf=Confirmation(jkt=jkt),
        )


def _assertion(parameters: Mapping[str, str], call: TokenCall) -> ClientAssertion:
    """Read how the client authenticates: by an assertion, and in no other way besides (RFC 6749 2.3)."""
    sent = parameters.get("client_assertion")
    if sent is None:
        raise Denied(Fault.NO_AUTHENTICATION)
    if call.authorization or "client_secret" in parameters:
        raise Denied(Fault.TWO_AUTHENTICATIONS)
    if parameters.get("client_assertion_type") != client_assertion.ASSERTION_TYPE:
        raise Denied(Fault.ASSERTION, detail=f"client_assertion_type is {client_assertion.ASSERTION_TYPE}.")
    try:
        assertion = client_assertion.parse(sent)
    except Malformed as malformed:
        raise Denied(Fault.ASSERTION, detail=str(malformed)) from malformed
    if parameters.get("client_id", assertion.client_id) != assertion.client_id:
        raise Denied(Fault.ASSERTION, detail="client_id is another one than iss and sub.")
    return assertion


def _check_times(assertion: ClientAssertion, issuer: str, now: datetime) -> None:
    """Judge what needs no look at the client: a stranger learns nothing about one from the answer."""
    try:
        client_assertion.check_claims(assertion, issuer=issuer, now=now)
    except Refused as refused:
        raise Denied(Fault(refused.reason), told=str(refused)) from refused


def _unfit(record: KeyRecord, environment: EnvironmentName, now: datetime) -> Fault | None:
    """Say why a key authenticates no client here, whatever it signed."""
    if record.kind is not CredentialKind.SIGNING_KEY or not speaks_oauth2(record):
        return Fault.WRONG_KIND
    if record.status is Status.REVOKED or record.project_deleted:
        return Fault.KEY_REVOKED
    if record.status is not Status.ACTIVE:
        return Fault.KEY_INACTIVE
    if not record.not_before <= now <= record.not_after:
        return Fault.KEY_EXPIRED if now > record.not_after else Fault.KEY_NOT_YET_VALID
    return None if record.environment is environment else Fault.KEY_ENVIRONMENT


def speaks_oauth2(record: KeyRecord) -> bool:
    return record.project_type is ProjectType.OAUTH2_FAPI or record.dual


def _signed(claims: Claims, signing: ReadyKey) -> str:
    assert signing.private is not None, "a key that signs has its private half"
    return access_token.issue(claims, signing.private, kid=signing.key.kid)

"""The token server of one environment: RFC 6749 4.4 with `private_key_jwt` (RFC 7523) or `tls_client_auth` (RFC 8705
section 2), and tokens bound by DPoP (RFC 9449) or to a certificate (RFC 8705 section 3): FAPI 2.0 in its four variants.

One straight line for every request: read the form, the assertion and the proof; find the key or the certificate; prove
time, client and possession; see what may be granted; remember both `jti`; look last whether all that is still true;
sign. The order is by cost, and nothing is remembered of a caller who has proven nothing. A proof binds the token; the
certificate of the connection does where there is none. Refusals are values; none leaves as an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeAlias

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from credenza.domain.model import CredentialKind, EnvironmentName, ProjectType, Status
from credenza.domain.token_keys import IssuerKind
from credenza.gate import token_request
from credenza.gate.freshness import Freshness
from credenza.gate.issuers import Issuers, ReadyKey
from credenza.gate.keyring import Entry, GateClosed, Keyring, RouteTable
from credenza.gate.possession import Nonces, ReplayMemory, replay_key
from credenza.gate.token_faults import RULINGS, Denied, Fault, Ruling
from credenza.protocol import access_token, client_assertion, dpop, jose, tls_client_name
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
    """A request as it arrived at a token endpoint. `issuer` and `uri` are the public ones, whatever Host says.
    `certificate` is the client's (DER) that TLS has proven, empty where there is none."""

    id: str
    environment: EnvironmentName
    issuer: str
    uri: str
    query: str
    content_type: str
    body: bytes
    authorization: tuple[str, ...]
    proofs: tuple[str, ...]
    certificate: bytes = b""
    address: str = ""
    user_agent: str = ""


class Granted(msgspec.Struct, frozen=True):
    """A token, and to whom it was given. `scope` is None where none is asked for."""

    access_token: str
    expires_in_s: int
    scope: str | None
    record: KeyRecord
    token_type: str
    at: datetime


class Denial(msgspec.Struct, frozen=True):
    """A request that got no token. `told` goes outside, and how long to wait where that is of use; the rest is for the
    owner of the key, where one is known."""

    id: str
    at: datetime
    fault: Fault
    told: str
    detail: str
    record: KeyRecord | None
    retry_after_s: int = 0

    @property
    def ruling(self) -> Ruling:
        return RULINGS[self.fault]


class TlsClient(msgspec.Struct, frozen=True):
    """A client that authenticates by its certificate (DER), which TLS has proven, and whom it says that it is."""

    client_id: str
    certificate: bytes


_Client: TypeAlias = ClientAssertion | TlsClient


class _Asked(msgspec.Struct, frozen=True):
    """A request that could be read. Nothing of it is proven. Without a proof the connection has a certificate."""

    client: _Client
    proof: Proof | None
    scopes: frozenset[str]


class _Use(msgspec.Struct, frozen=True):
    """What is good once: its name in the replay memory, and by its own account when it was made."""

    key: bytes
    own_time_s: float
    replayed: Fault


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
        ids: Iterator[str],
        token_life: timedelta = TOKEN_LIFE,
    ) -> None:
        self._keyring = keyring
        self._routes = routes
        self._issuers = issuers
        self._freshness = freshness
        self._replay = replay
        self._nonces = nonces
        self._ids = ids
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
            entry = await self._entry(asked.client)
            self._prove(asked, entry, call, now)
            assert entry is not None  # unreachable: nobody has the private half of nobody's key
            binding = entry if asked.proof is not None else await self._binding(asked.client, entry, call, now)
            scope = self._scope(asked.scopes, entry.record)
            await self._use_up((*_of_client(asked.client, entry), *_of_proof(asked.proof)), now)
            return self._issue(call, asked, entry, binding, scope, clock())
        except Denied as denied:
            record = None if entry is None else entry.record
            return Denial(call.id, now, denied.fault, denied.told, denied.detail, record)

    async def authenticate(
        self, call: TokenCall, parameters: Mapping[str, str], *, clock: Callable[[], datetime]
    ) -> KeyRecord:
        """Prove who asks, as a client does at the token endpoint (RFC 7009 2.1). Raises Denied, about the key or the
        certificate it shows."""
        self._look()
        now = clock()
        client = _client(parameters, call)
        _check_times(client, call.issuer, now)
        entry = await self._entry(client)
        try:
            self._prove_client(client, entry, call.environment, now)
            assert entry is not None  # as in grant
            await self._use_up(_of_client(client, entry), now)
            self._look_last(entry)
        except Denied as denied:
            denied.record = None if entry is None else entry.record
            raise
        return entry.record

    # ------------------------------------------------------------------------------------------------------------ read

    def _read(self, call: TokenCall, now: datetime) -> _Asked:
        parameters = token_request.parse(call.content_type, call.query, call.body)
        client = _client(parameters, call)
        if parameters.get("grant_type") != token_request.GRANT_TYPE:
            raise Denied(Fault.GRANT_TYPE)
        _check_times(client, call.issuer, now)
        proof = self._proof(call, now) if call.proofs or not call.certificate else None
        return _Asked(client, proof, frozenset(parameters.get("scope", "").split(" ")) - {""})

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

    async def _entry(self, client: _Client) -> Entry | None:
        """Find the key that an assertion names, or the certificate that was shown. A client id and its key belong
        together, or the key is nobody's."""
        if isinstance(client, TlsClient):
            return await self._certificate(client.certificate)
        if not client.kid:
            raise Denied(Fault.UNKNOWN_KEY, detail="The header of the assertion has no kid.")
        try:
            found = self._keyring.peek(client.kid)
            entry = found if found is None or isinstance(found, Entry) else await self._keyring.load(client.kid)
        except GateClosed:
            raise Denied(Fault.GATE_CLOSED) from None
        return None if entry is None or entry.record.client_id != client.client_id else entry

    async def _certificate(self, certificate: bytes) -> Entry | None:
        """Find the certificate that TLS has proven, by its thumbprint: one of the same name or key is another."""
        digest = sha256(certificate).digest()
        try:
            found = self._keyring.peek_certificate(digest)
            return found if found is None or isinstance(found, Entry) else await self._keyring.load_certificate(digest)
        except GateClosed:
            raise Denied(Fault.GATE_CLOSED) from None

    async def _binding(self, client: _Client, entry: Entry, call: TokenCall, now: datetime) -> Entry:
        """Find the certificate that the token is to be bound to: the client's own, and as good as one that
        authenticates, so that the token dies with it."""
        if isinstance(client, TlsClient):
            return entry
        binding = await self._certificate(call.certificate)
        if binding is None or binding.record.client_id != client.client_id:
            raise Denied(Fault.BINDING, detail="The certificate of the connection is none of this client's.")
        fault = unfit_certificate(binding.record, call.environment, now)
        if fault is not None:
            raise Denied(Fault.BINDING, detail=f"The certificate {binding.record.alias}: {RULINGS[fault].hint}")
        return binding

    def _prove(self, asked: _Asked, entry: Entry | None, call: TokenCall, now: datetime) -> None:
        """See that the client is who it says, and that the proof's key has signed. Raises Denied."""
        self._prove_client(asked.client, entry, call.environment, now)
        if asked.proof is None:
            return
        try:
            dpop.check_signature(asked.proof)
        except Refused as refused:
            raise Denied(Fault.PROOF, told=str(refused)) from refused

    def _prove_client(self, client: _Client, entry: Entry | None, environment: EnvironmentName, now: datetime) -> None:
        if isinstance(client, TlsClient):
            _check_tls_client(client, entry, environment, now)
        else:
            self._check_assertion(client, entry, environment, now)

    def _check_assertion(
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
            has = " ".join(sorted(granted))[:500] or "none"
            raise Denied(
                Fault.SCOPE, detail=f"Not granted: {' '.join(beyond)[:500]}. The project's services have: {has}."
            )
        return " ".join(sorted(asked))

    # ----------------------------------------------------------------------------------------------- remember and sign

    async def _use_up(self, uses: tuple[_Use, ...], now: datetime) -> None:
        """See that nothing of it was used before. What a memory cannot vouch for is refused, whatever it said
        (`store.replay`)."""
        if not uses:
            return
        try:
            answer = self._replay.first_seen_each([use.key for use in uses], now.timestamp())
            first = answer if isinstance(answer, tuple) else await answer
        except ReplayUnavailable:
            raise Denied(Fault.REPLAY_UNAVAILABLE) from None
        for use, is_first in zip(uses, first, strict=True):
            if use.own_time_s <= self._replay.remembers_since:
                raise Denied(Fault.REPLAY_UNAVAILABLE)
            if not is_first:
                raise Denied(use.replayed)

    def _issue(
        self, call: TokenCall, asked: _Asked, entry: Entry, binding: Entry, scope: str, now: datetime
    ) -> Granted:
        """Look last (settled 23), then sign. A key that changed meanwhile gets no token; the next request may."""
        self._look_last(entry)
        if not binding.live:
            raise Denied(Fault.GATE_CLOSED, detail="The certificate changed while the request was decided.")
        signing = self._issuers.signing(call.environment, IssuerKind.FAPI2, now=now)
        if signing is None:
            raise Denied(Fault.NO_SIGNING_KEY)
        claims = self._claims(call, _confirmation(asked.proof, call.certificate), entry.record, scope, now)
        token_type = claims.cnf.token_type
        return Granted(_signed(claims, signing), claims.exp - claims.iat, scope, entry.record, token_type, now)

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

    def _claims(self, call: TokenCall, cnf: Confirmation, record: KeyRecord, scope: str, now: datetime) -> Claims:
        """RFC 9068 2.2. `aud` is the environment's origin (settled 20)."""
        issued_s = int(now.timestamp())
        return Claims(
            iss=call.issuer,
            exp=issued_s + self._token_life_s,
            aud=call.issuer,
            sub=record.client_id,
            client_id=record.client_id,
            iat=issued_s,
            jti=next(self._ids),
            key_id=record.key_id,
            certificate_sha256=record.certificate_sha256,
            scope=scope,
            cnf=cnf,
        )


def _client(parameters: Mapping[str, str], call: TokenCall) -> _Client:
    """Read how the client authenticates, which is in one way (RFC 6749 2.3). A certificate beside an assertion is no
    second one: it binds the token (RFC 8705 3)."""
    by_assertion = "client_assertion" in parameters
    if not by_assertion and not call.certificate:
        raise Denied(Fault.NO_AUTHENTICATION)
    if call.authorization or "client_secret" in parameters:
        raise Denied(Fault.TWO_AUTHENTICATIONS)
    return _assertion(parameters) if by_assertion else _tls_client(parameters, call)


def _assertion(parameters: Mapping[str, str]) -> ClientAssertion:
    if parameters.get("client_assertion_type") != client_assertion.ASSERTION_TYPE:
        raise Denied(Fault.ASSERTION, detail=f"client_assertion_type is {client_assertion.ASSERTION_TYPE}.")
    try:
        assertion = client_assertion.parse(parameters["client_assertion"])
    except Malformed as malformed:
        raise Denied(Fault.ASSERTION, detail=str(malformed)) from malformed
    if parameters.get("client_id", assertion.client_id) != assertion.client_id:
        raise Denied(Fault.ASSERTION, detail="client_id is another one than iss and sub.")
    return assertion


def _tls_client(parameters: Mapping[str, str], call: TokenCall) -> TlsClient:
    if "client_assertion_type" in parameters:
        # Who meant to send an assertion is not taken for who meant to send none.
        raise Denied(Fault.ASSERTION, detail="client_assertion is missing.")
    client_id = parameters.get("client_id")
    if client_id is None:
        raise Denied(Fault.NO_AUTHENTICATION)  # RFC 8705 2: the certificate alone names no client
    return TlsClient(client_id, call.certificate)


def _check_times(client: _Client, issuer: str, now: datetime) -> None:
    """Judge what needs no look at the client: a stranger learns nothing about one from the answer."""
    if isinstance(client, TlsClient):
        return
    try:
        client_assertion.check_claims(client, issuer=issuer, now=now)
    except Refused as refused:
        raise Denied(Fault(refused.reason), told=str(refused)) from refused


def _of_client(client: _Client, entry: Entry) -> tuple[_Use, ...]:
    """An assertion is used up by its `jti`. What TLS has protected comes once."""
    if isinstance(client, TlsClient):
        return ()
    key = f"assertion {entry.record.client_id} {client.jti}".encode()
    earliest_s = max(client.earliest_s, client.expires_s - _LONGEST_LIFE_S)
    return (_Use(key, earliest_s, Fault.ASSERTION_REPLAYED),)


def _of_proof(proof: Proof | None) -> tuple[_Use, ...]:
    return () if proof is None else (_Use(replay_key(proof), proof.claims.iat, Fault.PROOF_REPLAYED),)


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


def _check_tls_client(client: TlsClient, entry: Entry | None, environment: EnvironmentName, now: datetime) -> None:
    """See that the certificate is this client's, and bears its registered name (RFC 8705 2.1). Raises Denied."""
    if entry is None:
        raise Denied(Fault.UNKNOWN_CERTIFICATE)
    record = entry.record
    if record.client_id != client.client_id:
        raise Denied(Fault.CERTIFICATE_CLIENT, detail=f"client_id is {client.client_id[:100]!r}.")
    fault = unfit_certificate(record, environment, now)
    if fault is not None:
        raise Denied(fault)
    if record.tls_client_name is None:
        return  # known by its own subject, which no other certificate of the environment may have (settled 12)
    try:
        tls_client_name.check(x509.load_der_x509_certificate(client.certificate), record.tls_client_name)
    except Refused as refused:
        raise Denied(Fault.CERTIFICATE_NAME, detail=str(refused)) from refused


def unfit_certificate(record: KeyRecord, environment: EnvironmentName, now: datetime) -> Fault | None:
    """Say why a certificate authenticates no client here, and binds no token. What it may be used for was checked when
    it was added."""
    if not speaks_oauth2(record):
        return Fault.WRONG_KIND
    if not record.trusted:
        return Fault.CERTIFICATE_UNTRUSTED
    if record.status is not Status.ACTIVE or record.project_deleted:
        return Fault.CERTIFICATE_REVOKED
    if not record.not_before <= now <= record.not_after:
        return Fault.CERTIFICATE_EXPIRED if now > record.not_after else Fault.CERTIFICATE_NOT_YET_VALID
    return None if record.environment is environment else Fault.KEY_ENVIRONMENT


def _confirmation(proof: Proof | None, certificate: bytes) -> Confirmation:
    """Name what the token's holder has to show. A proof is made for this request; a certificate may just be there."""
    return Confirmation(jkt=proof.jkt) if proof is not None else access_token.bound_to_certificate(certificate)


def speaks_oauth2(record: KeyRecord) -> bool:
    return record.project_type is ProjectType.OAUTH2_FAPI or record.dual


def _signed(claims: Claims, signing: ReadyKey) -> str:
    assert signing.private is not None, "a key that signs has its private half"
    return access_token.issue(claims, signing.private, kid=signing.key.kid)

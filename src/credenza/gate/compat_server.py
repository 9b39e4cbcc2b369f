"""The token server that takes client secrets, of one or more environments: RFC 6749 2.3.1 and 4.4, Bearer tokens.

Its issuer is `<origin>/sso`, which shares neither keys nor metadata with the FAPI one. One straight line for every
request: read it; see that the secret can be one, before anything is looked up; find the client; compare the secret's
keyed hash; see whether the credential is good here and now, and what the token is for; look last; sign.

Whoever does not know a secret gets the same answer in like time, whatever is wrong. Who guesses has to wait longer and
longer, and only from where the guesses come: the right secret is taken from everywhere else. So has who makes up client
ids: those that were made here are told by their form, and look-ups for all others are counted by where they come from.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Protocol

import msgspec

from credenza.domain import client_ids, secret_text
from credenza.domain.api_credentials import secret_prefix
from credenza.domain.catalog import TOKEN_LIFE_S
from credenza.domain.model import EnvironmentName, Status
from credenza.domain.sign_in import network_of
from credenza.domain.token_buckets import TokenBuckets
from credenza.domain.token_keys import IssuerKind
from credenza.gate import basic, token_request
from credenza.gate.api_clients import ApiClient, ApiClients, Name
from credenza.gate.audiences import Audiences
from credenza.gate.freshness import Freshness
from credenza.gate.issuers import Issuers
from credenza.gate.keyring import UNLOADED, GateClosed, RouteTable
from credenza.gate.token_faults import RULINGS, Denied, Fault
from credenza.gate.token_server import Denial, Granted, TokenCall
from credenza.protocol import access_token
from credenza.protocol.access_token import Claims
from credenza.store.api_lookup import SecretRecord
from credenza.store.lookup import KeyRecord

GUESSES_PER_MINUTE, GUESSES_AT_ONCE = 6, 10
"""Wrong secrets of one client from one network before the next request has to wait."""

STRANGERS_PER_MINUTE, STRANGERS_AT_ONCE = 60, 60
"""Look-ups for client ids that are nobody's and were not made here, from one network. Whoever has many networks has so
many for each of them; requests that are under way together count when they are answered."""

_GUESSERS = 20_000
# What a client id can be. Nothing else is looked up, nor kept in the memory of those that are unknown.
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_CLIENT_ID = 64
_WAYS = "Send client_id and client_secret in the body, or both by HTTP Basic."
# Compared with where there is no hash: as many comparisons are made for nobody as for a client with two secrets.
_NOBODYS = SecretRecord("", "0" * 64, None)
_SECRETS_AT_MOST = 2


class SecretHashes(Protocol):
    """What knows the pepper. Raises GateClosed as long as it does not."""

    async def hash_secret(self, secret: str) -> str: ...


class _Shown(msgspec.Struct, frozen=True):
    """What a client shows of itself, and the network it shows it from."""

    client_id: str
    secret: str
    network: str


class _Found(msgspec.Struct, frozen=True):
    """What is known of who was shown. `strange`: the client id does not bear this installation's mark."""

    client: ApiClient | None
    secret: SecretRecord | None
    strange: bool


def guesses() -> TokenBuckets:
    return TokenBuckets(per_minute=GUESSES_PER_MINUTE, burst=GUESSES_AT_ONCE, most=_GUESSERS)


class CompatServer:
    """Decides requests from what it is given, and owns none of it; its own is what it remembers of guesses. `monotonic`
    tells seconds that never go back."""

    requires_nonce = False

    def __init__(
        self,
        *,
        clients: ApiClients,
        routes: RouteTable,
        issuers: Issuers,
        freshness: Freshness,
        audiences: Audiences,
        hashes: SecretHashes,
        ids: Iterator[str],
        monotonic: Callable[[], float],
    ) -> None:
        self._clients = clients
        self._routes = routes
        self._issuers = issuers
        self._freshness = freshness
        self._audiences = audiences
        self._hashes = hashes
        self._ids = ids
        self._monotonic = monotonic
        self._guesses = guesses()
        self._strangers = TokenBuckets(per_minute=STRANGERS_PER_MINUTE, burst=STRANGERS_AT_ONCE, most=_GUESSERS)

    def nonce(self, *, now: datetime) -> str:  # noqa: ARG002
        """None is ever wanted: nothing is bound here."""
        return ""

    async def grant(self, call: TokenCall, *, clock: Callable[[], datetime]) -> Granted | Denial:
        """Give a token, or say why not."""
        now = clock()
        try:
            parameters = token_request.parse_json_or_form(call.content_type, call.query, call.body)
            client, secret = await self._authenticate(call, parameters, clock)
            try:
                return self._grant(call, parameters, client, secret, clock())
            except Denied as denied:
                denied.record = client.key
                raise
        except Denied as denied:
            return Denial(call.id, now, denied.fault, denied.told, denied.detail, denied.record, denied.retry_after_s)

    async def authenticate(
        self, call: TokenCall, parameters: Mapping[str, str], *, clock: Callable[[], datetime]
    ) -> KeyRecord:
        """Prove who asks, as a client does at the token endpoint (RFC 7009 2.1). Raises Denied."""
        client, _ = await self._authenticate(call, parameters, clock)
        self._look_last(client)
        return client.key

    # ----------------------------------------------------------------------------------------------------------- prove

    async def _authenticate(
        self, call: TokenCall, parameters: Mapping[str, str], clock: Callable[[], datetime]
    ) -> tuple[ApiClient, SecretRecord]:
        shown = _shown(parameters, call)
        guesser = f"{shown.client_id[:_LONGEST_CLIENT_ID]} {shown.network}"
        _wait(self._guesses.wait_s(guesser, now=self._monotonic()))
        if not secret_text.is_well_formed(secret_prefix(call.environment), shown.secret):
            raise Denied(Fault.SECRET_FORM)
        found = await self._compare(shown)
        client, secret = found.client, found.secret
        if client is None or secret is None:
            self._count(found, shown, guesser)
            fault = Fault.UNKNOWN_CLIENT if client is None else Fault.SECRET
            raise Denied(fault, record=None if client is None else client.key)
        fault_of_record = _unfit(client, secret, call, clock())
        if fault_of_record is not None:
            raise Denied(fault_of_record, record=client.key, detail=_detail(fault_of_record, client, secret, call))
        return client, secret

    def _count(self, found: _Found, shown: _Shown, guesser: str) -> None:
        """Count a wrong guess. Raises Denied where nothing is looked up any more: a client that is remembered looks
        there like one that nobody has."""
        now = self._monotonic()
        if found.strange:
            _wait(self._strangers.wait_s(shown.network, now=now))
        self._guesses.take(guesser, now=now)
        if found.strange and found.client is None:
            self._strangers.take(shown.network, now=now)

    async def _compare(self, shown: _Shown) -> _Found:
        try:
            secret_hash = await self._hashes.hash_secret(shown.secret)
            self._freshness.look()
            known = self._clients.remembered(Name(shown.client_id, is_client_id=True))
            secret = _matching(known, secret_hash)
            if secret is not None:  # the mark tells strangers apart, of whom this is none
                return _Found(known, secret, strange=False)
            strange = await self._is_strange(shown.client_id)
            self._freshness.look()
            client = await self._find(shown, strange=strange)
        except GateClosed:
            raise Denied(Fault.GATE_CLOSED) from None
        return _Found(client, _matching(client, secret_hash), strange)

    async def _is_strange(self, client_id: str) -> bool:
        if _CLIENT_ID.fullmatch(client_id) is None:
            return False
        mark = await self._hashes.hash_secret(client_ids.marked(client_id))
        return not client_ids.bears_mark(client_id, mark)

    async def _find(self, shown: _Shown, *, strange: bool) -> ApiClient | None:
        if _CLIENT_ID.fullmatch(shown.client_id) is None:
            return None
        name = Name(shown.client_id, is_client_id=True)
        if strange and self._strangers.wait_s(shown.network, now=self._monotonic()) > 0:
            return self._clients.remembered(name)
        found = self._clients.peek(name)
        client = await self._clients.load(name) if found is UNLOADED else found
        assert client is None or isinstance(client, ApiClient), "what is unloaded was loaded"
        return client

    # ----------------------------------------------------------------------------------------------------------- grant

    def _grant(
        self,
        call: TokenCall,
        parameters: Mapping[str, str],
        client: ApiClient,
        secret: SecretRecord,
        now: datetime,
    ) -> Granted:
        if parameters.get("grant_type") != token_request.GRANT_TYPE:
            raise Denied(Fault.GRANT_TYPE)
        if parameters.get("scope", "").strip():
            text = "No scope is asked for here: what the credential may do was chosen when it was made."
            raise Denied(Fault.SCOPE, told=text)
        audience = self._audience(call.environment, parameters.get("audience"))
        life_s = self._life_s(call.environment, client, audience)
        self._look_last(client)
        signing = self._issuers.signing(call.environment, IssuerKind.COMPAT, now=now)
        if signing is None or signing.private is None:
            raise Denied(Fault.NO_SIGNING_KEY)
        claims = self._claims(call, client, secret, audience, life_s, now)
        token = access_token.issue(claims, signing.private, kid=signing.key.kid)
        return Granted(token, claims.exp - claims.iat, None, client.key, "Bearer", now)

    def _audience(self, environment: EnvironmentName, asked: str | None) -> str:
        if asked is None:
            return self._audiences.usual(environment)
        known = self._audiences.known(environment, self._routes)
        if asked not in known:
            raise Denied(Fault.UNKNOWN_AUDIENCE, told=f"{RULINGS[Fault.UNKNOWN_AUDIENCE].told} Known: {_listed(known)}")
        return asked

    def _life_s(self, environment: EnvironmentName, client: ApiClient, audience: str) -> int:
        """The least of what the APIs that the credential may call with it give."""
        granted = client.record.grants
        lives = [
            route.entry.token_life_s
            for route in self._routes.by_secret(environment)
            if route.service_id in granted and self._audiences.fits(audience, route)
        ]
        return min(lives, default=TOKEN_LIFE_S)

    def _claims(
        self, call: TokenCall, client: ApiClient, secret: SecretRecord, audience: str, life_s: int, now: datetime
    ) -> Claims:
        """RFC 9068 2.2. No token outlives its credential, nor the secret that has fetched it."""
        issued_s, record = int(now.timestamp()), client.key
        end = min(record.not_after, secret.expires_at or record.not_after)
        return Claims(
            iss=call.issuer,
            exp=min(issued_s + life_s, int(end.timestamp())),
            aud=audience,
            sub=record.client_id,
            client_id=record.client_id,
            iat=issued_s,
            jti=next(self._ids),
            key_id=record.key_id,
            secret_id=secret.id,
        )

    def _look_last(self, client: ApiClient) -> None:
        """Look last (settled 23). A credential that changed meanwhile gets no token; the next request may."""
        try:
            self._freshness.look()
        except GateClosed:
            raise Denied(Fault.GATE_CLOSED) from None
        if not client.live:
            raise Denied(Fault.GATE_CLOSED, detail="The credential changed while the request was decided.")


def _wait(wait_s: float) -> None:
    if wait_s > 0:
        raise Denied(Fault.GUESSES, retry_after_s=math.ceil(wait_s))


def _shown(parameters: Mapping[str, str], call: TokenCall) -> _Shown:
    """Read how the client authenticates, which is in one way (RFC 6749 2.3)."""
    in_body = "client_secret" in parameters
    if (call.authorization and in_body) or "client_assertion" in parameters:
        raise Denied(Fault.TWO_AUTHENTICATIONS)
    if call.authorization:
        return _by_basic(call, parameters)
    if not in_body or "client_id" not in parameters:
        raise Denied(Fault.NO_AUTHENTICATION, told=_WAYS)
    return _Shown(parameters["client_id"], parameters["client_secret"], _network(call.address))


def _by_basic(call: TokenCall, parameters: Mapping[str, str]) -> _Shown:
    given = basic.read(call.authorization)
    if given is None:
        raise Denied(Fault.NO_AUTHENTICATION, told=_WAYS)
    client_id, secret = given
    if parameters.get("client_id", client_id) != client_id:
        raise Denied(Fault.TWO_AUTHENTICATIONS, told="The body names another client than HTTP Basic does.")
    return _Shown(client_id, secret, _network(call.address))


def _matching(client: ApiClient | None, secret_hash: str) -> SecretRecord | None:
    """Find the client's secret of this hash, in the time that all of them take."""
    secrets = () if client is None else client.record.secrets
    padded = [*secrets, *[_NOBODYS] * (_SECRETS_AT_MOST - len(secrets))]
    same = [each for each in padded if hmac.compare_digest(each.secret_hash, secret_hash)]
    return same[0] if same and same[0] is not _NOBODYS else None


def _unfit(client: ApiClient, secret: SecretRecord, call: TokenCall, now: datetime) -> Fault | None:
    """Say why the right secret gets no token."""
    record = client.key
    if record.environment is not call.environment:
        return Fault.CREDENTIAL_ENVIRONMENT
    if record.status is not Status.ACTIVE:
        return Fault.CREDENTIAL_INACTIVE
    if now >= record.not_after:
        return Fault.CREDENTIAL_EXPIRED
    if not secret.is_usable(now):
        return Fault.SECRET_ENDED
    return None if client.may_come_from(call.address) else Fault.ADDRESS


def _detail(fault: Fault, client: ApiClient, secret: SecretRecord, call: TokenCall) -> str:
    """What was found, for the owner of the credential."""
    said = {
        Fault.ADDRESS: f"asked from {call.address or 'no address'}, not from {', '.join(client.record.networks)}",
        Fault.CREDENTIAL_EXPIRED: f"it ended at {client.key.not_after:%Y-%m-%dT%H:%M:%SZ}",
        Fault.SECRET_ENDED: f"it ended at {secret.expires_at:%Y-%m-%dT%H:%M:%SZ}" if secret.expires_at else "",
        Fault.CREDENTIAL_INACTIVE: f"it is {client.key.status}",
        Fault.CREDENTIAL_ENVIRONMENT: f"it belongs to {client.key.environment}",
    }
    return said.get(fault, "")


# Clients come from few addresses, and to read one takes as long as to hash a secret.
_network = lru_cache(maxsize=4096)(network_of)


def _listed(known: frozenset[str]) -> str:
    return ", ".join(sorted(known))

"""What becomes of tokens that were given: resource servers ask whether one is good (RFC 7662), clients revoke theirs
(RFC 7009).

The gate writes nothing: a revocation is handed to the management plane's records, and is answered when it has reached
every gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from credenza.domain.model import EnvironmentName, OrganizationId
from credenza.domain.tokens import RevokedToken, hash_jti
from credenza.gate import resource_servers, token_request
from credenza.gate.issuers import Issuers
from credenza.gate.keyring import GateClosed
from credenza.gate.token_faults import Denied, Fault
from credenza.gate.token_server import TokenCall
from credenza.protocol.access_token import Claims, Confirmation
from credenza.store.lookup import KeyRecord

_UNBOUND = Confirmation()
INACTIVE: Final[Mapping[str, object]] = {"active": False}


class Records(Protocol):
    """What needs the platform's secrets, or changes its records. Both raise GateClosed when that is not possible."""

    async def hash_secret(self, secret: str) -> str: ...

    async def revoke(self, token: RevokedToken, *, client_id: str) -> None:
        """Revoke a token; returns when no gate admits it any more."""


class Clients(Protocol):
    """What `token_server` and `compat_server` offer: a client proves itself as it does for a token."""

    async def authenticate(
        self, call: TokenCall, parameters: Mapping[str, str], *, clock: Callable[[], datetime]
    ) -> KeyRecord: ...


class Tokens(Protocol):
    """What `bearer` and `compat` offer: whether a token is good, and for what."""

    def look(self) -> None: ...

    async def good(
        self, environment: EnvironmentName, sent: str, *, clock: Callable[[], datetime]
    ) -> Claims | None: ...

    def scope(self, environment: EnvironmentName, claims: Claims) -> str: ...


class TokenStatus:
    """Of one issuer."""

    def __init__(self, server: Clients, verifier: Tokens, issuers: Issuers, records: Records) -> None:
        self._server = server
        self._verifier = verifier
        self._issuers = issuers
        self._records = records

    def look(self) -> None:
        """Make sure that what is known is true now. Raises GateClosed."""
        self._verifier.look()

    async def introspect(self, call: TokenCall, *, clock: Callable[[], datetime]) -> Mapping[str, object]:
        """Say what a token is good for; of one that is not good here and now, only that. Raises Denied."""
        token = _token(token_request.parse(call.content_type, call.query, call.body))
        name, secret = _credentials(call)
        try:
            secret_hash = await self._records.hash_secret(secret)
            self._check_asker(call, name, secret_hash)
            claims = await self._verifier.good(call.environment, token, clock=clock)
            # The verifier has looked last: whoever was removed meanwhile learns nothing.
            if self._asker(call, secret_hash) != name:
                raise Denied(Fault.RESOURCE_SERVER)
            return INACTIVE if claims is None else _active(claims, self._verifier.scope(call.environment, claims))
        except GateClosed:
            raise Denied(Fault.GATE_CLOSED) from None

    async def revoke(self, call: TokenCall, *, clock: Callable[[], datetime]) -> None:
        """Revoke a client's own token. One that is not good is not good afterwards (RFC 7009 2.2). Raises Denied."""
        parameters = token_request.parse(call.content_type, call.query, call.body)
        client = await self._server.authenticate(call, parameters, clock=clock)
        token = _token(parameters, client)
        try:
            claims = await self._verifier.good(call.environment, token, clock=clock)
            if claims is None:
                return
            if claims.client_id != client.client_id:
                raise Denied(Fault.FOREIGN_TOKEN, record=client)
            owner = OrganizationId(client.organization_id)
            revoked = RevokedToken(hash_jti(claims.jti), call.environment, owner, claims.expires_at)
            await self._records.revoke(revoked, client_id=client.client_id)
        except GateClosed:
            raise Denied(Fault.GATE_CLOSED, record=client) from None

    def _check_asker(self, call: TokenCall, name: str, secret_hash: str) -> None:
        """Nothing is worked out for a stranger; one who was added a moment ago is none."""
        if self._asker(call, secret_hash) == name:
            return
        self._verifier.look()
        if self._asker(call, secret_hash) != name:
            raise Denied(Fault.RESOURCE_SERVER)

    def _asker(self, call: TokenCall, secret_hash: str) -> str | None:
        found = self._issuers.introspector(call.environment, secret_hash)
        return None if found is None else found.id


def _token(parameters: Mapping[str, str], client: KeyRecord | None = None) -> str:
    """`token_type_hint` is not needed: there is one type."""
    token = parameters.get("token")
    if token is None:
        raise Denied(Fault.REQUEST, told="The parameter token is missing.", record=client)
    return token


def _credentials(call: TokenCall) -> tuple[str, str]:
    found = resource_servers.credentials(call.environment, call.authorization)
    if found is None:
        raise Denied(Fault.RESOURCE_SERVER)
    return found


def _active(claims: Claims, scope: str) -> dict[str, object]:
    """RFC 7662 2.2, RFC 9449 6.2, RFC 8705 3.2. `scope` is what the token is good for: what is not narrowed does not
    say it."""
    said: dict[str, object] = {
        "active": True,
        "client_id": claims.client_id,
        "token_type": claims.cnf.token_type,
        "exp": claims.exp,
        "iat": claims.iat,
        "sub": claims.sub,
        "aud": claims.aud,
        "iss": claims.iss,
        "jti": claims.jti,
    }
    bound = {"cnf": claims.cnf} if claims.cnf != _UNBOUND else {}
    return said | bound | ({"scope": scope} if scope else {})

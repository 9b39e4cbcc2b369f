"""Who calls the management API: the bearer of a personal access token, or the signer of an OAuth 1.0a call.

A signed call is proven by the gate's own machinery, with the same replay memory and freshness; only an account-level
key may sign here (contracts 1.1).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.types import Scope

from credenza.actions import access_tokens
from credenza.actions.context import Platform
from credenza.api.arrival import Arrival
from credenza.api.errors import CallRefused
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, OrganizationId, UserId
from credenza.gate.decision import Call, Decision, Refused
from credenza.protocol.oauth1 import Request
from credenza.wire.decisions import Identity


class Verifier(Protocol):
    """What `gate.oauth1` offers; calls with no environment are calls of this API."""

    async def decide(self, call: Call, *, now: datetime) -> Decision: ...


@dataclass(frozen=True, slots=True)
class Authentication:
    """`public_url`: what clients call this server, when a proxy rewrites Host; signatures cover it."""

    platform: Platform
    verifier: Verifier
    public_url: str | None = None

    async def __call__(self, scope: Scope, arrival: Arrival) -> Actor:
        """Raises Refusal(UNAUTHENTICATED) or CallRefused."""
        authorization = tuple(Headers(scope=scope).getlist("authorization"))
        scheme = _scheme(authorization)
        if scheme == "oauth":
            return await self._signer(scope, arrival, authorization)
        if scheme == "bearer" and len(authorization) == 1:
            return await self._bearer(scope, arrival, authorization[0])
        raise Refusal(
            Code.UNAUTHENTICATED,
            "Say who asks: Authorization: Bearer with a personal access token, or a request signed (OAuth 1.0a) with "
            "an account-level API key.",
        )

    async def _bearer(self, scope: Scope, arrival: Arrival, authorization: str) -> Actor:
        secret = authorization[len("bearer ") :].strip()

        def find() -> Actor:
            return access_tokens.authenticate(self.platform, secret, address=_address(scope), now=arrival.now)

        # SQLite answers before a thread would have heard the question, and lets readers wait for nobody.
        return find() if self.platform.database.embedded else await to_thread.run_sync(find)

    async def _signer(self, scope: Scope, arrival: Arrival, authorization: tuple[str, ...]) -> Actor:
        call = Call(
            id=arrival.id,
            request=self._request(scope),
            authorization=authorization,
            environment=None,
            body_sha256=hashlib.sha256(arrival.body).digest(),
            announces_body=bool(arrival.body),
            address=_address(scope),
            user_agent=Headers(scope=scope).get("user-agent", ""),
        )
        decided = await self.verifier.decide(call, now=arrival.now)
        if isinstance(decided, Refused):
            raise CallRefused(decided)
        return _owner(decided.identity, _address(scope))

    def _request(self, scope: Scope) -> Request:
        public = urlsplit(self.public_url or "")
        return Request(
            method=scope["method"],
            scheme=public.scheme or scope["scheme"],
            authority=public.netloc or Headers(scope=scope).get("host", ""),
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
        )


def _scheme(authorization: tuple[str, ...]) -> str:
    """Name the scheme. One OAuth header among several is enough to be judged, and refused, as a signed call."""
    schemes = {each.partition(" ")[0].lower() for each in authorization}
    return "oauth" if "oauth" in schemes else "".join(sorted(schemes))


def _owner(identity: Identity, address: str) -> Actor:
    """An account-level key acts for the person it belongs to."""
    return Actor(
        kind=ActorKind.ACCOUNT_KEY,
        id=identity.key_id,
        user_id=UserId(identity.owner_id) if identity.owner_id else None,
        organization_id=OrganizationId(identity.organization_id),
        address=address,
    )


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""

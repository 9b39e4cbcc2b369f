"""Calls with a token that was fetched with a client secret (product row D10): RFC 6750, RFC 9068 section 4.

One straight line, as in `bearer`: read the token and prove it; see what its credential may do now, for the live record
wins over the token (settled 20); find the route of the catalog and decide; count the call; look last. A token dies with
its credential, and with the secret that has fetched it.

Services that take client secrets take nothing else, and are called with nothing else: this judges every call to one of
them that comes with a Bearer token or with no proof at all, and every token of the compat issuer wherever it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TypeAlias

import msgspec

from credenza.domain import catalog
from credenza.domain.call_limits import Standing
from credenza.domain.catalog import Matched, MissingPermission, NotInTree, OtherMethod, OutsideScope, Unclear, Unmapped
from credenza.domain.model import AuthenticationType, ChangeNumber, EnvironmentName, Status
from credenza.domain.token_keys import IssuerKind
from credenza.gate import target
from credenza.gate.api_clients import ApiClient, ApiClients, Name
from credenza.gate.audiences import Audiences
from credenza.gate.bearer import Later
from credenza.gate.call_counts import CallCounts
from credenza.gate.decision import Admitted, Call, Code, Decision, Evidence, Refused
from credenza.gate.freshness import Freshness
from credenza.gate.issuers import Issuers
from credenza.gate.keyring import UNLOADED, GateClosed, Keyring, RouteTable
from credenza.gate.verified_tokens import NotGood, VerifiedTokens
from credenza.protocol import access_token
from credenza.protocol.access_token import Claims
from credenza.protocol.errors import Malformed
from credenza.store.lookup import Route
from credenza.wire.decisions import RATE_LIMIT, RATE_LIMIT_REMAINING, RATE_LIMIT_USED, Identity

ROOT = "/sso"
"""Where the compat issuer is, below the environment's origin (settled 1)."""

_DEAD = "The credential that the token was fetched with, or its secret, is not accepted any more."
_CLOSED = "The gate cannot tell at the moment whether the call may be admitted. Try again shortly."


class _Proven(msgspec.Struct, frozen=True):
    """A call that is admitted if it is within its limit and nothing has changed since the change of that `number`."""

    admitted: Admitted
    client: ApiClient
    number: ChangeNumber


class _Denied(Exception):  # noqa: N818 - an answer, not an error of ours
    """How the check of one call ends early; it leaves as a value. `hint` is for the owner of the credential."""

    def __init__(self, code: Code, description: str, *, error: str = "", hint: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.error = error
        self.hint = hint


_Examined: TypeAlias = _Proven | Name | Refused


class ApiTokenVerifier:
    """Decides calls from what it is given, and owns only its memory of tokens whose signature it has verified.
    `origins` are those of the environments."""

    def __init__(
        self,
        *,
        clients: ApiClients,
        keyring: Keyring,
        routes: RouteTable,
        issuers: Issuers,
        freshness: Freshness,
        origins: Mapping[EnvironmentName, str],
        audiences: Audiences,
        counts: CallCounts,
    ) -> None:
        self._clients = clients
        self._keyring = keyring
        self._routes = routes
        self._freshness = freshness
        self._audiences = audiences
        self._counts = counts
        names = {environment: f"{origin}{ROOT}" for environment, origin in origins.items()}
        self._tokens = VerifiedTokens(issuers, IssuerKind.COMPAT, names=names, audiences=None, read=_claims)

    def takes(self, call: Call, *, now: datetime) -> bool:
        """Whether the call is judged here: by what it shows, or by where it goes."""
        if call.environment is None:
            return False
        if not call.authorization:
            return self._leads_here(call, call.environment)
        scheme, _, sent = call.authorization[0].partition(" ")
        if scheme.lower() != "bearer":
            return False
        return self._tokens.is_issued(call.environment, sent.strip(), now=now) or self._leads_here(
            call, call.environment
        )

    def decide_now(self, call: Call, *, now: datetime) -> Decision | Later:
        """Decide from memory, or say what has to be waited for."""
        examined = self._examine(call, now)
        if isinstance(examined, Name):
            return Later(partial(self._finish, call, examined))
        if isinstance(examined, Refused):
            return examined
        route = _route_of(examined)
        if route.entry.calls_per_minute is None:
            return self._settle(call, examined, now, None)
        counted = self._counts.count(f"{examined.client.key.key_id} {route.service_id}", route.entry.calls_per_minute)
        if isinstance(counted, Standing):
            return self._settle(call, examined, now, counted)
        return Later(partial(self._finish_counted, call, counted))

    def screen(self, call: Call, *, now: datetime) -> Refused | None:
        """Refuse a call that no body could save, before its body is read; nothing is counted."""
        examined = self._examine(call, now)
        return examined if isinstance(examined, Refused) else None

    def look(self) -> None:
        """Make sure that what is remembered is true now. Raises GateClosed."""
        self._freshness.look()

    async def good(self, environment: EnvironmentName, sent: str, *, clock: Callable[[], datetime]) -> Claims | None:
        """Read a token that is good now, wherever it is shown from; None for any other. Raises GateClosed. Looks last,
        as `TokenVerifier.good` does."""
        self._freshness.look()
        try:
            claims = self._known(environment, sent, clock())
            name = _name(claims)
            if self._clients.peek(name) is UNLOADED:
                await self._clients.load(name)
                self._freshness.look()
                self._known(environment, sent, clock())  # who waited is told what is true after it
            _check_live(environment, claims, self._loaded(name), clock())
        except _Denied:
            return None
        return claims

    def scope(self, environment: EnvironmentName, claims: Claims) -> str:  # noqa: ARG002
        """No token here has a scope: what it may be used for is the credential's, and the catalog's."""
        return ""

    # ------------------------------------------------------------------------------------------------------------ wait

    async def _finish(self, call: Call, name: Name, clock: Callable[[], datetime]) -> Decision:
        try:
            await self._clients.load(name)
        except GateClosed:
            return _refused(call, clock(), _Denied(Code.GATE_CLOSED, _CLOSED), None)
        outcome = self.decide_now(call, now=clock())
        return await outcome.finish(clock) if isinstance(outcome, Later) else outcome

    async def _finish_counted(
        self, call: Call, counted: Awaitable[Standing], clock: Callable[[], datetime]
    ) -> Decision:
        standing = await counted
        now = clock()
        again = await self._again(call, clock)  # a call that waited is judged by the time that it waited to
        return again if isinstance(again, Refused) else self._settle(call, again, now, standing)

    async def _again(self, call: Call, clock: Callable[[], datetime]) -> _Proven | Refused:
        while True:
            examined = self._examine(call, clock())
            if not isinstance(examined, Name):
                return examined
            try:
                await self._clients.load(examined)
            except GateClosed:
                return _refused(call, clock(), _Denied(Code.GATE_CLOSED, _CLOSED), None)

    def _settle(self, call: Call, proven: _Proven, now: datetime, standing: Standing | None) -> Decision:
        """Look last (settled 23): is this gate up to date, and has nothing changed meanwhile?"""
        if standing is not None and standing.wait_s > 0:
            return _over_limit(call, proven, standing, now)
        try:
            self._freshness.look()
        except GateClosed:
            return _refused(call, now, _Denied(Code.GATE_CLOSED, _CLOSED), None)
        if not proven.client.live or proven.number != self._keyring.number:
            again = self._judge(call, now)
            if isinstance(again, Name):
                return _refused(call, now, _Denied(Code.GATE_CLOSED, _CLOSED), None)
            if isinstance(again, Refused):
                return again
            proven = again
        headers = () if standing is None else _told(standing)
        return msgspec.structs.replace(proven.admitted, headers=headers) if headers else proven.admitted

    # --------------------------------------------------------------------------------------------------------- examine

    def _examine(self, call: Call, now: datetime) -> _Examined:
        """Decide all that needs no count. A refusal is true now; else `_settle` looks last."""
        number = self._keyring.number
        examined = self._judge(call, now)
        if not isinstance(examined, Refused):
            return examined
        try:
            self._freshness.look()
        except GateClosed:
            return _refused(call, now, _Denied(Code.GATE_CLOSED, _CLOSED), None)
        return examined if number == self._keyring.number else self._judge(call, now)

    def _judge(self, call: Call, now: datetime) -> _Examined:
        client: ApiClient | None = None
        environment = _environment(call)
        try:
            claims = self._known(environment, _token(call), now)
            found = self._clients.peek(_name(claims))
            if found is UNLOADED:
                return _name(claims)
            client = found if isinstance(found, ApiClient) else None
            live = _check_live(environment, claims, client, now)
            if not live.may_come_from(call.address):
                raise _from_elsewhere(live, call)
            return self._allow(call, claims, live)
        except GateClosed:
            return _refused(call, now, _Denied(Code.GATE_CLOSED, _CLOSED), None)
        except _Denied as denied:
            return _refused(call, now, denied, client)

    def _known(self, environment: EnvironmentName, sent: str, now: datetime) -> Claims:
        """Prove that the environment's compat issuer has issued the token, and that it has not ended."""
        try:
            return self._tokens.find(environment, sent, now=now)
        except NotGood as failure:
            raise _Denied(failure.code, str(failure), error="invalid_token") from failure

    def _allow(self, call: Call, claims: Claims, client: ApiClient) -> _Proven:
        """See what the credential may do. Refusals are plain: it is known who asks."""
        number = self._keyring.number
        route = self._route(call)
        if route.authentication is not AuthenticationType.CLIENT_SECRET:
            text = f"{route.service_name} is called with another kind of credential."
            raise _Denied(Code.PERMISSION_MISSING, text, error="insufficient_scope")
        if not self._audiences.fits(claims.aud, route):
            text = f"The token is for {claims.aud[:200]!r}, and {route.service_name} is called with others."
            hint = f"Ask for a token with audience={route.entry.audience or 'the origin of the environment'}."
            raise _Denied(Code.TOKEN_AUDIENCE, text, error="invalid_token", hint=hint)
        match = self._routes.match(route, call.request.method, call.request.path)
        grant = client.record.grants.get(route.service_id, catalog.NOTHING)
        _check_decision(catalog.decide(route.entry, grant, match, client.tree), route, call)
        return _Proven(Admitted(_identity(client, route, match), route, None), client, number)

    def _route(self, call: Call) -> Route:
        try:
            route = target.route(self._routes, _environment(call), call.request.path)
        except Malformed as malformed:
            raise _Denied(Code.INVALID_TARGET, str(malformed)) from malformed
        if route is None:
            raise _Denied(Code.UNMAPPED_PATH, f"No API in {call.environment} has this path.")
        return route

    def _loaded(self, name: Name) -> ApiClient | None:
        """Find a client that was in memory a moment ago. Raises GateClosed when it changed meanwhile."""
        found = self._clients.peek(name)
        if found is UNLOADED:
            raise GateClosed("changed")
        return found if isinstance(found, ApiClient) else None

    def _leads_here(self, call: Call, environment: EnvironmentName) -> bool:
        try:
            self._freshness.look()
            route = target.route(self._routes, environment, call.request.path)
        except (Malformed, GateClosed):
            return False
        return route is not None and route.authentication is AuthenticationType.CLIENT_SECRET


def _token(call: Call) -> str:
    """Read the token (RFC 6750 2.1): once, and in the header alone."""
    if not call.authorization:
        text = "This API is called with a token, as Authorization: Bearer. None came with the call."
        raise _Denied(Code.TOKEN_MISSING, text)
    if len(call.authorization) > 1:
        raise _unreadable("The request has more than one Authorization header.")
    token = call.authorization[0].partition(" ")[2].strip()
    if not token or " " in token:
        raise _unreadable("The Authorization header has no token.")
    if target.has_token(call.request):
        raise _unreadable("Send the token in the header, and nowhere else.")
    return token


def _unreadable(description: str) -> _Denied:
    return _Denied(Code.INVALID_HEADER, description, error="invalid_request")


def _check_live(environment: EnvironmentName, claims: Claims, client: ApiClient | None, now: datetime) -> ApiClient:
    """A token dies with its credential, and with the secret that has fetched it. Outside it looks the same whatever it
    was."""
    if client is None or client.key.client_id != claims.client_id:
        raise _dead("The credential was deleted.")
    record = client.key
    if record.environment is not environment:
        raise _dead(f"The credential belongs to {record.environment}, and this is {environment}.")
    if record.status is not Status.ACTIVE:
        raise _dead("The credential is switched off: activate it, or use another one.")
    if now >= record.not_after:
        raise _dead(f"The credential ended at {record.not_after:%Y-%m-%dT%H:%M:%SZ}: give it a later end.")
    secret = client.record.secret(claims.secret_id)
    if secret is None or not secret.is_usable(now):
        raise _dead("The secret that fetched the token was deleted or has ended: fetch one with another secret.")
    return client


def _dead(hint: str) -> _Denied:
    return _Denied(Code.TOKEN_REVOKED, _DEAD, error="invalid_token", hint=hint)


def _from_elsewhere(client: ApiClient, call: Call) -> _Denied:
    text = "The credential may not be used from this address."
    hint = f"It came from {call.address or 'no address'}, and not from {', '.join(client.record.networks)}."
    return _Denied(Code.ADDRESS, text, hint=hint)


def _check_decision(decision: catalog.Decision, route: Route, call: Call) -> None:
    """Turn the catalog's decision into what the caller is told (contracts 10)."""
    api = route.service_name
    if isinstance(decision, MissingPermission):
        needed = f"the permission {decision.name!r} of {api}" if decision.name else f"a permission of {api}"
        text = f"The call needs {needed}, which the credential does not have."
        raise _Denied(Code.PERMISSION_MISSING, text, error="insufficient_scope")
    if isinstance(decision, OutsideScope):
        text = f"{decision.place_id} is outside the scope of the credential at {api}."
        raise _Denied(Code.OUTSIDE_SCOPE, text, error="insufficient_scope")
    if isinstance(decision, NotInTree):
        raise _Denied(Code.NOT_IN_TREE, "There is no such account or workspace.")
    if isinstance(decision, Unmapped):
        raise _Denied(Code.UNMAPPED_ROUTE, f"{api} has no route for {call.request.method} to this path.")
    if isinstance(decision, OtherMethod):
        raise _Denied(Code.UNMAPPED_ROUTE, f"{api} has routes for this path, and none for {call.request.method}.")
    if isinstance(decision, Unclear):
        raise _Denied(Code.INVALID_TARGET, decision.reason)


def _identity(client: ApiClient, route: Route, match: catalog.Match) -> Identity:
    record, matched = client.key, match if isinstance(match, Matched) else None
    workspace_id = matched.workspace_id or "" if matched is not None else ""
    account_id = (matched.account_id or "" if matched is not None else "") or client.tree.account_of.get(
        workspace_id, ""
    )
    return Identity(
        record.client_id,
        record.key_id,
        record.alias,
        record.organization_id,
        None,
        "",
        record.owner_id,
        record.environment,
        route.service_id,
        permission=matched.rule.permission if matched is not None else "",
        account_id=account_id,
        workspace_id=workspace_id,
    )


def _over_limit(call: Call, proven: _Proven, standing: Standing, now: datetime) -> Refused:
    api = _route_of(proven).service_name
    text = f"The limit of {standing.limit} calls a minute of one credential to {api} is reached."
    headers = (("Retry-After", str(math.ceil(standing.wait_s))), *_told(standing))
    evidence = Evidence(call, now, None, proven.client.key)
    return Refused(call.id, Code.RATE_LIMITED, text, evidence, headers)


def _told(standing: Standing) -> tuple[tuple[str, str], ...]:
    return (
        (RATE_LIMIT, str(standing.limit)),
        (RATE_LIMIT_REMAINING, str(standing.remaining)),
        (RATE_LIMIT_USED, str(standing.percent)),
    )


def _refused(call: Call, now: datetime, denied: _Denied, client: ApiClient | None) -> Refused:
    evidence = Evidence(call, now, None, None if client is None else client.key, denied.hint)
    headers = (("WWW-Authenticate", access_token.bearer_challenge(denied.error)),)
    return Refused(call.id, denied.code, denied.description, evidence, headers if _challenges(denied.code) else ())


def _challenges(code: Code) -> bool:
    return code not in (Code.GATE_CLOSED, Code.NOT_IN_TREE, Code.INVALID_TARGET)


def _claims(_sent: str, claims: Claims) -> Claims:
    return claims


def _name(claims: Claims) -> Name:
    return Name(claims.key_id, is_client_id=False)


def _route_of(proven: _Proven) -> Route:
    assert proven.admitted.route is not None, "a call to an environment is admitted with its route"
    return proven.admitted.route


def _environment(call: Call) -> EnvironmentName:
    assert call.environment is not None, "the management API takes no tokens of an environment"
    return call.environment

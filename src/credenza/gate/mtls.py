"""Calls of TLS clients at the gate: the certificate that a handshake has proven, and nothing else (RFC 8446 4.4.3).

Whoever terminated TLS, our own listener or a proxy that is believed (`gate.vouching`), vouches for one thing: the
caller holds the private key of this very certificate. Whose it is, and what that one may do, is looked up here and anew
at every call, so that a revoked certificate is refused on a connection that was made before (settled 19).

Nothing is remembered of a call: what TLS has protected comes once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from hashlib import sha256

from credenza.domain.model import AuthenticationType, EnvironmentName
from credenza.gate import target
from credenza.gate.bearer import Later
from credenza.gate.decision import Admitted, Call, Code, Decision, Evidence, Refused
from credenza.gate.freshness import Freshness
from credenza.gate.keyring import UNLOADED, Entry, GateClosed, Keyring, RouteTable
from credenza.gate.standing import identity_of, unfit
from credenza.protocol.errors import Malformed
from credenza.store.lookup import KeyRecord, Route

_CLOSED = "The gate cannot tell at the moment whether certificates are still valid. Try again shortly."
_DESCRIPTIONS = {
    Code.CERTIFICATE_MISSING: "This API is called with a TLS client certificate, and none came with the call.",
    Code.CERTIFICATE_UNKNOWN: "The client certificate is none of this platform's.",
    Code.CERTIFICATE_UNTRUSTED: "The authority that issued the client certificate is not trusted any more.",
    Code.CERTIFICATE_EXPIRED: "The client certificate has expired.",
    Code.CERTIFICATE_NOT_YET_VALID: "The client certificate is not valid yet.",
    Code.CERTIFICATE_REVOKED: "The client certificate was revoked.",
}


class CertificateVerifier:
    """Decides calls from what it is given, and owns none of it."""

    def __init__(self, *, keyring: Keyring, routes: RouteTable, freshness: Freshness) -> None:
        self._keyring = keyring
        self._routes = routes
        self._freshness = freshness

    def decide_now(self, call: Call, *, now: datetime) -> Decision | Later | None:
        """Decide from memory, or say what has to be waited for; None when the call is not to be proven in this way.

        Nothing is awaited in here, so that what is looked at first is still so at the end (settled 23).
        """
        environment = call.environment
        if call.authorization or environment is None:
            return None
        try:
            self._freshness.look()
            route = target.route(self._routes, environment, call.request.path)
        except GateClosed:
            return _refused(call, now, Code.GATE_CLOSED, _CLOSED) if call.certificate else None
        except Malformed as malformed:
            return _refused(call, now, Code.INVALID_TARGET, str(malformed)) if call.certificate else None
        wanted = route is not None and route.authentication is AuthenticationType.MTLS
        offered = route is None and bool(call.certificate)
        return self._judge(call, environment, route, now) if wanted or offered else None

    def _judge(self, call: Call, environment: EnvironmentName, route: Route | None, now: datetime) -> Decision | Later:
        if not call.certificate:
            return _unproven(call, now, Code.CERTIFICATE_MISSING)
        digest = sha256(call.certificate).digest()
        try:
            entry = self._keyring.peek_certificate(digest)
        except GateClosed:
            return _refused(call, now, Code.GATE_CLOSED, _CLOSED)
        if entry is UNLOADED:
            return Later(partial(self._finish, call, digest))
        if not isinstance(entry, Entry):
            return _unproven(call, now, Code.CERTIFICATE_UNKNOWN)
        reason = _unfit(entry.record, environment, now)
        if reason is not None:
            return _unproven(call, now, reason, entry.record)
        return _allow(call, entry, environment, route, now)

    async def _finish(self, call: Call, digest: bytes, clock: Callable[[], datetime]) -> Decision:
        try:
            await self._keyring.load_certificate(digest)
        except GateClosed:
            return _refused(call, clock(), Code.GATE_CLOSED, _CLOSED)
        now = clock()
        outcome = self.decide_now(call, now=now)
        if outcome is None:  # while it was loaded the catalog has changed: another kind of proof is wanted here
            return _refused(call, now, Code.NOT_ENTITLED, "This API is called with another kind of credential.")
        return await outcome.finish(clock) if isinstance(outcome, Later) else outcome


def is_certificate_call(call: Call) -> bool:
    return bool(call.certificate) and not call.authorization


def _unfit(record: KeyRecord, environment: EnvironmentName, now: datetime) -> Code | None:
    if not record.trusted:
        return Code.CERTIFICATE_UNTRUSTED
    if not record.not_before <= now <= record.not_after:
        return Code.CERTIFICATE_EXPIRED if now > record.not_after else Code.CERTIFICATE_NOT_YET_VALID
    return None if unfit(record, environment, now) is None else Code.CERTIFICATE_REVOKED


def _allow(call: Call, entry: Entry, environment: EnvironmentName, route: Route | None, now: datetime) -> Decision:
    """See what the holder of the certificate may do. Refusals are plain: it is known who asks."""
    record = entry.record
    if record.environment is not environment:
        text = f"This is {environment}, and the certificate belongs to {record.environment}."
        return _refused(call, now, Code.OTHER_ENVIRONMENT, text, record)
    if route is None:
        return _refused(call, now, Code.UNMAPPED_PATH, f"No API in {environment} has this path.", record)
    if route.service_id not in record.services:
        text = f"The project may not use {route.service_name} in {environment}."
        return _refused(call, now, Code.NOT_ENTITLED, text, record)
    return Admitted(identity_of(entry, route.service_id), route, None)


def _unproven(call: Call, now: datetime, code: Code, record: KeyRecord | None = None) -> Refused:
    return _refused(call, now, code, _DESCRIPTIONS[code], record)


def _refused(call: Call, now: datetime, code: Code, description: str, record: KeyRecord | None = None) -> Refused:
    return Refused(call.id, code, description, Evidence(call, now, None, record))

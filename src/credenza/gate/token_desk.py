"""Where every request for a token is decided, counted and, when it is refused, kept for the owner of the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from credenza.domain.model import CredentialId, CredentialKind, OrganizationId, ProjectId
from credenza.gate.explanation import Step
from credenza.gate.metrics import Metrics
from credenza.gate.refusals import KEPT_FOR, Refusals
from credenza.gate.token_faults import RULINGS, Denied, Fault
from credenza.gate.token_server import Denial, Granted, TokenCall
from credenza.gate.token_status import TokenStatus
from credenza.gate.usage import Usage
from credenza.store.lookup import KeyRecord
from credenza.store.trace_writing import OAUTH2, SECRET, StoredRefusal

# The order in which the server checks. What is wrong with a key is told to whoever has signed with it.
_ASSERTED = ("request", "assertion", "time", "proof", "nonce", "signature", "key", "binding")
_PRESENTED = ("request", "proof", "nonce", "certificate", "key", "chain", "revocation", "dates", "name")
_THEN = ("scope", "first use", "freshness")
_BY_SECRET = ("request", "client", "secret", "credential", "address", "scope", "audience", "freshness")

# Whoever gets one of these has proven to hold the key; the others say nothing about who uses it.
_PROVEN = frozenset(
    {Fault.KEY_REVOKED, Fault.KEY_INACTIVE, Fault.KEY_EXPIRED, Fault.KEY_NOT_YET_VALID, Fault.KEY_ENVIRONMENT}
    | {Fault.CERTIFICATE_CLIENT, Fault.CERTIFICATE_UNTRUSTED, Fault.CERTIFICATE_REVOKED, Fault.CERTIFICATE_NAME}
    | {Fault.CERTIFICATE_EXPIRED, Fault.CERTIFICATE_NOT_YET_VALID, Fault.BINDING}
    | {Fault.SECRET_ENDED, Fault.CREDENTIAL_INACTIVE, Fault.CREDENTIAL_EXPIRED, Fault.CREDENTIAL_ENVIRONMENT}
    | {Fault.ADDRESS, Fault.UNKNOWN_AUDIENCE}
    | {Fault.WRONG_KIND, Fault.SCOPE, Fault.ASSERTION_REPLAYED, Fault.PROOF_REPLAYED, Fault.FOREIGN_TOKEN}
)


class Server(Protocol):
    """What `token_server` and `compat_server` offer."""

    @property
    def requires_nonce(self) -> bool: ...

    def nonce(self, *, now: datetime) -> str: ...

    async def grant(self, call: TokenCall, *, clock: Callable[[], datetime]) -> Granted | Denial: ...


class TokenDesk:
    """Of one issuer, in every environment."""

    def __init__(
        self,
        server: Server,
        status: TokenStatus,
        *,
        clock: Callable[[], datetime],
        usage: Usage,
        refusals: Refusals,
        metrics: Metrics,
    ) -> None:
        self._server = server
        self._status = status
        self._clock = clock
        self._usage = usage
        self._refusals = refusals
        self._metrics = metrics

    @property
    def requires_nonce(self) -> bool:
        return self._server.requires_nonce

    def look(self) -> None:
        """Make sure that what is published is true now. Raises GateClosed."""
        self._status.look()

    def nonce(self) -> str:
        return self._server.nonce(now=self._clock())

    async def grant(self, call: TokenCall) -> Granted | Denial:
        answer = await self._server.grant(call, clock=self._clock)
        if isinstance(answer, Granted):
            self._metrics.token(call.environment, "granted")
            self._count(answer.record, call, answer.at, admitted=True)
        else:
            self._note(answer, call)
        return answer

    async def introspect(self, call: TokenCall) -> Mapping[str, object] | Denial:
        try:
            return await self._status.introspect(call, clock=self._clock)
        except Denied as denied:
            return self._denial(call, denied)

    async def revoke(self, call: TokenCall) -> Mapping[str, object] | Denial:
        """Answer as of success with an empty object: clients ignore it (RFC 7009 2.2)."""
        try:
            await self._status.revoke(call, clock=self._clock)
        except Denied as denied:
            return self._denial(call, denied)
        return {}

    def _denial(self, call: TokenCall, denied: Denied) -> Denial:
        fault, at = denied.fault, self._clock()
        denial = Denial(call.id, at, fault, denied.told, denied.detail, denied.record, denied.retry_after_s)
        self._note(denial, call)
        return denial

    def _note(self, denial: Denial, call: TokenCall) -> None:
        """Count a refusal, and keep it when it is known whose key it is about: whom a made-up key belongs to nobody can
        say, and a resource server has none."""
        self._metrics.token(call.environment, denial.fault)
        record = denial.record
        if record is None:
            return
        self._refusals.keep(record.key_id, denial.at, lambda: _stored(denial, call, record))
        if denial.fault in _PROVEN:
            self._count(record, call, denial.at, admitted=False)

    def _count(self, record: KeyRecord, call: TokenCall, at: datetime, *, admitted: bool) -> None:
        self._usage.count(
            record.organization_id,
            record.key_id,
            0,
            call.address,
            call.user_agent,
            admitted=admitted,
            now=at,
            scheme=SECRET if _is_by_secret(record) else OAUTH2,
        )


def _stored(denial: Denial, call: TokenCall, record: KeyRecord) -> StoredRefusal:
    return StoredRefusal(
        id=denial.id,
        organization_id=OrganizationId(record.organization_id),
        project_id=None if record.project_id is None else ProjectId(record.project_id),
        credential_id=CredentialId(record.key_id),
        at=denial.at,
        expires_at=denial.at + KEPT_FOR,
        code=f"token_{denial.fault}",
        explanation=msgspec.json.encode(
            {"method": "POST", "target": call.uri, "steps": list(steps(denial)), "baseStrings": []}
        ).decode(),
    )


def steps(denial: Denial) -> Iterator[Step]:
    """Tell how far the request had come: what was fine, what was not and what to do; None for what was not reached."""
    ruling = RULINGS[denial.fault]
    passed: bool | None = True
    for name in _order(denial.record):
        if name == ruling.step:
            yield Step(name, ok=False, received=denial.detail, hint=ruling.hint)
            passed = None
        else:
            yield Step(name, ok=passed)


def _order(record: KeyRecord | None) -> tuple[str, ...]:
    if record is not None and _is_by_secret(record):
        return _BY_SECRET
    by_certificate = record is not None and record.certificate_sha256
    return (*(_PRESENTED if by_certificate else _ASSERTED), *_THEN)


def _is_by_secret(record: KeyRecord) -> bool:
    return record.kind is CredentialKind.CLIENT_SECRET

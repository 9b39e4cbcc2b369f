"""Where every call is decided, counted and, when it is refused, kept for its owner to look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from time import perf_counter

import msgspec

from credenza.domain.model import AuthenticationType, CredentialId, CredentialKind, OrganizationId, ProjectId
from credenza.gate.bearer import is_token_call
from credenza.gate.decision import Admitted, Call, Code, Decision, Evidence, Refused
from credenza.gate.explanation import explain
from credenza.gate.metrics import Metrics
from credenza.gate.mtls import is_certificate_call
from credenza.gate.oauth1 import Verifier, Waiting
from credenza.gate.payload import DESCRIPTIONS, PayloadFailure, rules_of
from credenza.gate.refusals import KEPT_FOR, Refusals
from credenza.gate.signed_identity import IdentitySigner
from credenza.gate.usage import Usage
from credenza.store.lookup import KeyRecord
from credenza.store.trace_writing import MTLS, OAUTH1, OAUTH2, SECRET, StoredRefusal

# Whoever gets one of these has proven to hold the key. The others say nothing about who uses it, and must not be able
# to fill the list of its callers with addresses of their choice.
_PROVEN = frozenset(
    {Code.REVOKED, Code.INACTIVE, Code.EXPIRED, Code.NOT_YET_VALID, Code.WRONG_KIND}
    | {Code.OTHER_ENVIRONMENT, Code.NOT_ENTITLED, Code.UNMAPPED_PATH, Code.REPLAYED}
    | {Code.PROOF_REPLAYED, Code.INSUFFICIENT_SCOPE}
    | {Code.PAYLOAD_SIGNATURE, Code.PAYLOAD_KEY, Code.PAYLOAD_UNDECRYPTED, Code.PAYLOAD_NO_RECIPIENT}
    | {Code.PERMISSION_MISSING, Code.OUTSIDE_SCOPE, Code.NOT_IN_TREE, Code.UNMAPPED_ROUTE, Code.RATE_LIMITED}
    | {Code.CERTIFICATE_UNTRUSTED, Code.CERTIFICATE_EXPIRED, Code.CERTIFICATE_NOT_YET_VALID, Code.CERTIFICATE_REVOKED}
)


class Pending(msgspec.Struct, frozen=True):
    """A decision that has to be waited for, and when the call came."""

    waiting: Waiting
    at: datetime
    started: float


class Desk:
    def __init__(
        self,
        verifier: Verifier,
        *,
        clock: Callable[[], datetime],
        usage: Usage,
        refusals: Refusals,
        metrics: Metrics,
        signer: IdentitySigner | None = None,
    ) -> None:
        self._verifier = verifier
        self._clock = clock
        self.usage = usage
        self.refusals = refusals
        self.metrics = metrics
        self._signer = signer

    def look(self) -> None:
        """Make sure that calls can be decided now. Raises GateClosed."""
        self._verifier.look()

    async def decide(self, call: Call) -> Decision:
        started, now = perf_counter(), self._clock()
        return self._decided(call, await self._outcome(call, now), now, started)

    def decide_now(self, call: Call) -> Decision | Pending:
        """Decide from memory, or say what `finish` has to wait for."""
        started = perf_counter()
        now = self._clock()
        outcome = self._verifier.decide_now(call, now=now)
        if isinstance(outcome, (Admitted, Refused)):
            return self._decided(call, outcome, now, started)
        return Pending(outcome, now, started)

    async def finish(self, call: Call, pending: Pending) -> Decision:
        decision = await self._verifier.finish(pending.waiting, call, clock=self._clock)
        return self._decided(call, decision, pending.at, pending.started)

    async def decide_unopened(self, call: Call) -> Decision:
        """Decide a call whose payload nobody has opened yet. Where its service has rules for that, an admitted one is
        not counted before `opened`: what is refused then was never admitted."""
        started, now = perf_counter(), self._clock()
        decision = self._signed(call, await self._outcome(call, now))
        if isinstance(decision, Refused) or decision.route is None or decision.route.payload_rules is None:
            return self._noted(call, decision, now, started)
        self.metrics.decided_in(perf_counter() - started)
        return decision

    def opened(self, call: Call, admitted: Admitted) -> None:
        """Count a call that is admitted now that its payload was opened."""
        self._count(call, admitted, self._clock())

    async def _outcome(self, call: Call, now: datetime) -> Decision:
        outcome = self._verifier.decide_now(call, now=now)
        if isinstance(outcome, (Admitted, Refused)):
            return outcome
        return await self._verifier.finish(outcome, call, clock=self._clock)

    def _decided(self, call: Call, outcome: Decision, now: datetime, started: float) -> Decision:
        if isinstance(outcome, Admitted) and not _has_readable_rules(outcome):
            return self._unread(call, outcome, now)
        return self._noted(call, self._signed(call, outcome), now, started)

    def _unread(self, call: Call, admitted: Admitted, now: datetime) -> Refused:
        """Refuse a call of whose payload it cannot be said what is to become."""
        refused = Refused(call.id, Code.PAYLOAD_UNAVAILABLE, DESCRIPTIONS[Code.PAYLOAD_UNAVAILABLE])
        self.note(refused, _environment(call))
        self.usage.total(admitted.identity.organization_id, admitted=False, now=now)
        return refused

    def _signed(self, call: Call, outcome: Decision) -> Decision:
        if self._signer is None or isinstance(outcome, Refused):
            return outcome
        return self._signer.sign(call, outcome, now=self._clock())

    def _noted(self, call: Call, decision: Decision, now: datetime, started: float) -> Decision:
        if isinstance(decision, Admitted):
            self._count(call, decision, now)
            self.metrics.decided_in(perf_counter() - started)
        else:
            self.note(decision, _environment(call))
        return decision

    def _count(self, call: Call, admitted: Admitted, now: datetime) -> None:
        identity = admitted.identity
        self.usage.count(
            identity.organization_id,
            identity.key_id,
            identity.service_id or 0,
            call.address,
            call.user_agent,
            admitted=True,
            now=now,
            scheme=SECRET if _is_by_secret(admitted) else _scheme(call),
        )
        self.metrics.admitted(_environment(call))

    def screen(self, call: Call) -> Refused | None:
        """Refuse a call that no body could save, before its body is read; None tells nothing."""
        refused = self._verifier.screen(call, now=self._clock())
        if refused is not None:
            self.note(refused, _environment(call))
        return refused

    def note(self, refused: Refused, environment: str) -> None:
        """Count a refused call, and keep it when it is known whose key it names."""
        self.note_further(refused, environment)
        evidence = refused.evidence
        if evidence is None or evidence.record is None:
            return
        record = evidence.record
        if refused.code in _PROVEN:
            self.usage.count(
                record.organization_id,
                record.key_id,
                0,
                evidence.call.address,
                evidence.call.user_agent,
                admitted=False,
                now=evidence.at,
                scheme=SECRET if record.kind is CredentialKind.CLIENT_SECRET else _scheme(evidence.call),
            )
        else:
            self.usage.total(record.organization_id, admitted=False, now=evidence.at)

    def note_further(self, refused: Refused, environment: str) -> None:
        """Keep what was refused of a call that has been counted: its answer, or a step that somebody asked for."""
        self.metrics.refused(environment, refused.code)
        evidence = refused.evidence
        # Whom a made-up key belongs to nobody can say, so nobody could ever look at its refusals.
        if evidence is None or evidence.record is None:
            return
        record = evidence.record
        self.refusals.keep(record.key_id, evidence.at, lambda: _stored(refused, evidence, record))


def _has_readable_rules(admitted: Admitted) -> bool:
    if admitted.route is None or admitted.route.payload_rules is None:
        return True
    try:
        rules_of(admitted.route.payload_rules)
    except PayloadFailure:
        return False
    return True


def _is_by_secret(admitted: Admitted) -> bool:
    return admitted.route is not None and admitted.route.authentication is AuthenticationType.CLIENT_SECRET


def _scheme(call: Call) -> str:
    if is_certificate_call(call):
        return MTLS
    return OAUTH2 if is_token_call(call) else OAUTH1


def _environment(call: Call) -> str:
    return call.environment or "MANAGEMENT"


def _stored(refused: Refused, evidence: Evidence, record: KeyRecord) -> StoredRefusal:
    return StoredRefusal(
        id=refused.id,
        organization_id=OrganizationId(record.organization_id),
        project_id=None if record.project_id is None else ProjectId(record.project_id),
        credential_id=CredentialId(record.key_id),
        at=evidence.at,
        expires_at=evidence.at + KEPT_FOR,
        code=refused.code,
        explanation=msgspec.json.encode(explain(refused)).decode(),
    )

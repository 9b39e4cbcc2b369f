"""Who calls, signed: for upstreams that do not want to believe whoever reaches them (`identity_life_s`).

Every call has one of its own. Its id and its URL are in it, so that an upstream can refuse the same again or elsewhere;
a signature that was remembered could say neither, and saves no more than the 30 µs that it costs.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from credenza.domain.model import EnvironmentName
from credenza.domain.token_keys import IssuerKind
from credenza.gate.decision import Admitted, Call, Code, Decision, Refused
from credenza.gate.issuers import ReadyKey
from credenza.protocol import identity_token
from credenza.protocol.identity_token import Claims


class SigningKeys(Protocol):
    """What `gate.issuers` offers."""

    def signing(self, environment: EnvironmentName, issuer: IssuerKind, *, now: datetime) -> ReadyKey | None: ...


class IdentitySigner:
    """`issuers` are the origins of the environments; `life` is at most `identity_token.LONGEST_LIFE`."""

    def __init__(self, keys: SigningKeys, issuers: dict[EnvironmentName, str], *, life: timedelta) -> None:
        if not timedelta(0) < life <= identity_token.LONGEST_LIFE:
            raise ValueError(f"an identity lives for {identity_token.LONGEST_LIFE} at most, not for {life}")
        self._keys = keys
        self._issuers = issuers
        self._life_s = int(life.total_seconds())

    def sign(self, call: Call, admitted: Admitted, *, now: datetime) -> Decision:
        """Add the signed identity. Refuses the call when no key can sign: its upstream would not believe it."""
        if call.environment is None or admitted.route is None:
            return admitted  # the management API believes its own process
        ready = self._keys.signing(call.environment, IssuerKind.FAPI2, now=now)
        if ready is None or ready.private is None:
            return Refused(call.id, Code.GATE_CLOSED, "The gate cannot sign who calls. Try again shortly.")
        claims = self._claims(call, admitted, call.environment, admitted.route.service_id, int(now.timestamp()))
        return msgspec.structs.replace(admitted, signed=identity_token.issue(claims, ready.private, kid=ready.key.kid))

    def _claims(
        self, call: Call, admitted: Admitted, environment: EnvironmentName, service_id: int, now_s: int
    ) -> Claims:
        identity, request = admitted.identity, call.request
        return Claims(
            iss=self._issuers[environment],
            aud=identity_token.audience(service_id),
            sub=identity.client_id,
            iat=now_s,
            exp=now_s + self._life_s,
            jti=call.id,
            htm=request.method,
            htu=f"{request.scheme}://{request.authority}{request.path}",
            client_id=identity.client_id,
            key_id=identity.key_id,
            organization_id=identity.organization_id,
            project_id=identity.project_id,
            environment=environment,
            service_id=service_id,
            permission=identity.permission,
            account_id=identity.account_id,
            workspace_id=identity.workspace_id,
        )

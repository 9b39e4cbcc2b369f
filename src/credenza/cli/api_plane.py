"""What a process decides calls with client secrets with: the audiences of tokens, and where calls are counted."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from importlib import import_module

from credenza.cli import origins
from credenza.cli.known import Known
from credenza.domain.model import EnvironmentName
from credenza.gate.audiences import Audiences
from credenza.gate.call_counts import CallCounts, OwnCounts
from credenza.gate.compat import ApiTokenVerifier
from credenza.settings import Settings


def audiences(settings: Settings) -> Audiences:
    besides = {
        EnvironmentName.SANDBOX: settings.sandbox_audiences,
        EnvironmentName.PRODUCTION: settings.production_audiences,
    }
    return Audiences(
        {each.environment: (each.origin, *besides[each.environment]) for each in origins.audiences(settings)}
    )


def verifier(settings: Settings, known: Known, allowed: Audiences, stack: AsyncExitStack) -> ApiTokenVerifier:
    memory = known.memory
    return ApiTokenVerifier(
        clients=memory.api_clients,
        keyring=memory.keyring,
        routes=memory.routes,
        issuers=memory.issuers,
        freshness=known.freshness,
        origins={each.environment: each.origin for each in origins.audiences(settings)},
        audiences=allowed,
        counts=_open_counts(settings, stack),
    )


def _open_counts(settings: Settings, stack: AsyncExitStack) -> CallCounts:
    """Count where replays are remembered, when that is a Redis that several gates share."""
    own = OwnCounts(clock=time.monotonic)
    if not settings.replay_url:
        return own
    shared: CallCounts = import_module("credenza.store.redis_limits").RedisLimits(
        settings.replay_url, fallback=own.count
    )
    stack.push_async_callback(shared.close)  # type: ignore[attr-defined]  # a RedisLimits
    return shared

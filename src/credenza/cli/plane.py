"""The gate as it runs in one process: what it remembers, what it asks and what it leaves behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import structlog

from credenza.adapters.vault import LocalVault
from credenza.cli import api_plane, installation, origins
from credenza.cli.installation import LateDatabase
from credenza.cli.known import Known, open_embedded
from credenza.gate import refusals, usage
from credenza.gate.api_clients import ApiClients
from credenza.gate.audiences import Audiences
from credenza.gate.bearer import TokenVerifier
from credenza.gate.compat import ApiTokenVerifier
from credenza.gate.flushing import Flusher
from credenza.gate.freshness import Freshness
from credenza.gate.issuers import Issuers
from credenza.gate.keyring import Keyring, RouteTable
from credenza.gate.mtls import CertificateVerifier
from credenza.gate.oauth1 import Policy, Verifier
from credenza.gate.payload_keys import PayloadKeys
from credenza.gate.possession import Nonces, ReplayMemory
from credenza.gate.refusals import Refusals
from credenza.gate.trust import Trust
from credenza.gate.usage import Usage
from credenza.protocol import client_assertion, dpop
from credenza.settings import Settings
from credenza.store import enforced
from credenza.store.embedded_traces import EmbeddedTraces, traces_path
from credenza.store.replay import LmdbReplay
from credenza.store.trace_writing import TraceFile

log = structlog.get_logger()

_NOTE_ENFORCED_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Plane:
    """What gates, and the management API's own authentication, decide with."""

    verifier: Verifier
    tokens: TokenVerifier
    freshness: Freshness
    keyring: Keyring
    routes: RouteTable
    issuers: Issuers
    trust: Trust
    replay: ReplayMemory
    usage: Usage
    refusals: Refusals
    vault: LocalVault | None
    nonces: Nonces
    payload_keys: PayloadKeys
    api_clients: ApiClients
    api_tokens: ApiTokenVerifier
    audiences: Audiences


@asynccontextmanager
async def open_plane(settings: Settings, database: LateDatabase, vault: LocalVault | None) -> AsyncIterator[Plane]:
    """`vault` is the key-encryption key where this process gives tokens."""
    async with AsyncExitStack() as stack:
        replay = _open_replay(settings, stack)
        known = await _open_known(settings, vault, stack)
        memory = known.memory
        traces = _open_traces(settings, database, stack)
        counted, kept = Usage(traces, report=_report), Refusals(traces, clock=installation.now, report=_report)
        _flush_regularly(counted, kept, _Enforced(settings.data_dir, memory.keyring), stack)
        nonces = Nonces(b"" if vault is None else vault.derive("dpop nonces"), settings.require_dpop_nonce)
        tokens = _token_verifier(settings, known, replay, nonces)
        audiences = api_plane.audiences(settings)
        api_tokens = api_plane.verifier(settings, known, audiences, stack)
        yield Plane(
            verifier=_verifier(settings, known, replay, None if vault is None else tokens, api_tokens),
            tokens=tokens,
            freshness=known.freshness,
            keyring=memory.keyring,
            routes=memory.routes,
            issuers=memory.issuers,
            trust=memory.trust,
            replay=replay,
            usage=counted,
            refusals=kept,
            vault=vault,
            nonces=nonces,
            payload_keys=memory.payload_keys,
            api_clients=memory.api_clients,
            api_tokens=api_tokens,
            audiences=audiences,
        )


async def _open_known(settings: Settings, vault: LocalVault | None, stack: AsyncExitStack) -> Known:
    records = installation.embedded_path(settings)
    if records is not None:
        return open_embedded(records, vault, stack)
    # Imported by those who have one: a gate on SQLite is smaller and starts sooner without.
    postgresql = import_module("credenza.cli.postgresql_plane")
    known: Known = await postgresql.open_known(settings, vault, stack, report=_report)
    return known


def _open_traces(settings: Settings, database: LateDatabase, stack: AsyncExitStack) -> TraceFile:
    records = installation.embedded_path(settings)
    if records is None:
        shared: TraceFile = import_module("credenza.store.engine_traces").EngineTraces(database.open().traces)
        return shared
    traces = EmbeddedTraces(traces_path(records))
    stack.callback(traces.close)
    return traces


def _flush_regularly(counted: Usage, kept: Refusals, noted: _Enforced, stack: AsyncExitStack) -> None:
    for flush, every in (
        (counted.flush, usage.FLUSH_EVERY),
        (kept.flush, refusals.FLUSH_EVERY),
        (noted.flush, _NOTE_ENFORCED_EVERY),
    ):
        flusher = Flusher(flush, every=every)
        flusher.start()
        stack.push_async_callback(flusher.stop)


def _token_verifier(settings: Settings, known: Known, replay: ReplayMemory, nonces: Nonces) -> TokenVerifier:
    return TokenVerifier(
        keyring=known.memory.keyring,
        routes=known.memory.routes,
        issuers=known.memory.issuers,
        freshness=known.freshness,
        replay=replay,
        audiences=origins.audiences(settings),
        nonces=nonces,
    )


def _verifier(
    settings: Settings,
    known: Known,
    replay: ReplayMemory,
    tokens: TokenVerifier | None,
    api_tokens: ApiTokenVerifier,
) -> Verifier:
    keyring, routes, freshness = known.memory.keyring, known.memory.routes, known.freshness
    return Verifier(
        keyring=keyring,
        routes=routes,
        freshness=freshness,
        replay=replay,
        policy=Policy(max_skew=timedelta(seconds=settings.max_skew_s), echo_base_string=settings.echo_base_string),
        tokens=tokens,
        certificates=CertificateVerifier(keyring=keyring, routes=routes, freshness=freshness),
        api_tokens=api_tokens,
    )


def replay_window(skew: timedelta) -> tuple[timedelta, timedelta]:
    """For how long something that was used must be remembered, and how far ahead its own time may lie: the longest of
    signed calls, which have the skew of the settings, of client assertions and of DPoP proofs."""
    remember = max(2 * skew, client_assertion.LONGEST_LIFE + client_assertion.SKEW, dpop.PAST + dpop.FUTURE)
    return remember, max(skew, client_assertion.SKEW, dpop.FUTURE)


def _open_replay(settings: Settings, stack: AsyncExitStack) -> ReplayMemory:
    remember, ahead = replay_window(timedelta(seconds=settings.max_skew_s))
    if settings.replay_url:
        shared: ReplayMemory = import_module("credenza.store.redis_replay").RedisReplay(
            settings.replay_url, remember=remember, ahead=ahead
        )
        stack.push_async_callback(shared.close)  # type: ignore[attr-defined]  # a RedisReplay
        return shared
    replay = LmdbReplay(
        settings.data_dir / "replay",
        remember=remember,
        ahead=ahead,
        now=time.time(),
        capacity=settings.replay_capacity,
    )
    stack.callback(replay.close)
    return replay


class _Enforced:
    """Keeps the highest change number this machine has enforced beside the database."""

    def __init__(self, directory: Path, keyring: Keyring) -> None:
        self._directory = directory
        self._keyring = keyring
        self._noted = enforced.read(directory)

    async def flush(self) -> None:
        number = self._keyring.number
        if number <= self._noted:
            return
        try:
            await asyncio.to_thread(enforced.write, self._directory, number)
        except OSError as error:
            _report(error)
        else:
            self._noted = number


def _report(failure: Exception) -> None:
    error = failure.__cause__ or failure
    log.warning("gate.database", error=type(error).__name__, text=str(error).splitlines()[0] if str(error) else "")

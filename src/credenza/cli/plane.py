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
from credenza.gate import refusals, usage
from credenza.gate.api_clients import ApiClients
from credenza.gate.audiences import Audiences
from credenza.gate.bearer import TokenVerifier
from credenza.gate.compat import ApiTokenVerifier
from credenza.gate.flushing import Flusher
from credenza.gate.freshness import Freshness, SqliteFreshness, SqliteKeys
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
from credenza.store.embedded import EmbeddedReader
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
        routes, issuers, trust = RouteTable(), Issuers(vault), Trust()
        replay = _open_replay(settings, stack)
        records = installation.embedded_path(settings)
        traces: TraceFile
        if records is not None:
            keyring, payload_keys, api_clients, freshness = _embedded(records, routes, issuers, trust, vault, stack)
            traces = EmbeddedTraces(traces_path(records))
            stack.callback(traces.close)
        else:
            # Imported by those who have one: a gate on SQLite is smaller and starts sooner without.
            postgresql = import_module("credenza.cli.postgresql_plane")
            keyring, payload_keys, api_clients, freshness = await postgresql.open_freshness(
                settings, routes, issuers, trust, vault, stack, report=_report
            )
            traces = import_module("credenza.store.engine_traces").EngineTraces(database.open().traces)
        counted = Usage(traces, report=_report)
        kept = Refusals(traces, clock=installation.now, report=_report)
        noted = _Enforced(settings.data_dir, keyring)
        for flush, every in (
            (counted.flush, usage.FLUSH_EVERY),
            (kept.flush, refusals.FLUSH_EVERY),
            (noted.flush, _NOTE_ENFORCED_EVERY),
        ):
            flusher = Flusher(flush, every=every)
            flusher.start()
            stack.push_async_callback(flusher.stop)
        policy = Policy(max_skew=timedelta(seconds=settings.max_skew_s), echo_base_string=settings.echo_base_string)
        secret = b"" if vault is None else vault.derive("dpop nonces")
        nonces = Nonces(secret, settings.require_dpop_nonce)
        tokens = TokenVerifier(
            keyring=keyring,
            routes=routes,
            issuers=issuers,
            freshness=freshness,
            replay=replay,
            audiences=origins.audiences(settings),
            nonces=nonces,
        )
        audiences = api_plane.audiences(settings)
        api_tokens = ApiTokenVerifier(
            clients=api_clients,
            keyring=keyring,
            routes=routes,
            issuers=issuers,
            freshness=freshness,
            origins={each.environment: each.origin for each in origins.audiences(settings)},
            audiences=audiences,
            counts=api_plane.open_counts(settings, stack),
        )
        verifier = Verifier(
            keyring=keyring,
            routes=routes,
            freshness=freshness,
            replay=replay,
            policy=policy,
            tokens=None if vault is None else tokens,
            certificates=CertificateVerifier(keyring=keyring, routes=routes, freshness=freshness),
            api_tokens=api_tokens,
        )
        yield Plane(
            verifier,
            tokens,
            freshness,
            keyring,
            routes,
            issuers,
            trust,
            replay,
            counted,
            kept,
            vault,
            nonces,
            payload_keys,
            api_clients,
            api_tokens,
            audiences,
        )


def _embedded(
    records: Path,
    routes: RouteTable,
    issuers: Issuers,
    trust: Trust,
    vault: LocalVault | None,
    stack: AsyncExitStack,
) -> tuple[Keyring, PayloadKeys, ApiClients, Freshness]:
    reader = EmbeddedReader(records)
    stack.callback(reader.close)
    reader.watch()
    source = SqliteKeys(reader)
    payload_keys = PayloadKeys(source, vault)
    api_clients = ApiClients(source, clock=time.monotonic)
    keyring = Keyring(source, clock=time.monotonic, followers=(payload_keys, api_clients))
    freshness = SqliteFreshness(reader, keyring, routes, issuers, trust)
    freshness.look()
    return keyring, payload_keys, api_clients, freshness


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

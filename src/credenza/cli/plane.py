"""The gate as it runs in one process: what it remembers, what it asks and what it leaves behind."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import make_url

from credenza.cli import installation
from credenza.gate import refusals, usage
from credenza.gate.flushing import Flusher
from credenza.gate.freshness import Freshness, PostgresFreshness, PostgresKeys, SqliteFreshness, SqliteKeys
from credenza.gate.keyring import Keyring, RouteTable
from credenza.gate.oauth1 import Policy, ReplayMemory, Verifier
from credenza.gate.refusals import Refusals
from credenza.gate.usage import Usage
from credenza.settings import Settings
from credenza.store import enforced
from credenza.store.embedded import EmbeddedReader
from credenza.store.engine import Database
from credenza.store.postgresql import LineReader
from credenza.store.replay import LmdbReplay, RedisReplay

log = structlog.get_logger()

_READ_DEADLINE_S = 2.0
_NOTE_ENFORCED_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Plane:
    """What gates, and the management API's own authentication, decide with."""

    verifier: Verifier
    freshness: Freshness
    routes: RouteTable
    usage: Usage
    refusals: Refusals


@asynccontextmanager
async def open_plane(settings: Settings, database: Database) -> AsyncIterator[Plane]:
    async with AsyncExitStack() as stack:
        routes = RouteTable()
        replay = _open_replay(settings)
        stack.push_async_callback(_close_replay, replay)
        if database.embedded:
            keyring, freshness = _embedded(settings, routes, stack)
        else:
            keyring, freshness = await _postgresql(settings, routes, stack)
        counted = Usage(database.traces, report=_report)
        kept = Refusals(database.traces, clock=installation.now, report=_report)
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
        verifier = Verifier(keyring=keyring, routes=routes, freshness=freshness, replay=replay, policy=policy)
        yield Plane(verifier, freshness, routes, counted, kept)


def _embedded(settings: Settings, routes: RouteTable, stack: AsyncExitStack) -> tuple[Keyring, Freshness]:
    path = make_url(settings.database).database
    assert path is not None, "an embedded database is a file"
    reader = EmbeddedReader(Path(path))
    stack.callback(reader.close)
    keyring = Keyring(SqliteKeys(reader), clock=time.monotonic)
    freshness = SqliteFreshness(reader, keyring, routes)
    freshness.look()
    return keyring, freshness


async def _postgresql(settings: Settings, routes: RouteTable, stack: AsyncExitStack) -> tuple[Keyring, Freshness]:
    url = make_url(settings.database).set(drivername="postgresql").render_as_string(hide_password=False)
    keys = PostgresKeys(LineReader(url, deadline_s=_READ_DEADLINE_S))
    keyring = Keyring(keys, clock=time.monotonic)
    freshness = PostgresFreshness(
        url,
        keys,
        keyring,
        routes,
        name=socket.gethostname(),
        clock=_boottime,
        report=_report,
        lease=timedelta(seconds=settings.lease_s),
    )
    await freshness.start()
    stack.push_async_callback(freshness.stop)
    return keyring, freshness


def _open_replay(settings: Settings) -> ReplayMemory:
    ahead = timedelta(seconds=settings.max_skew_s)
    if settings.replay_url:
        return RedisReplay(settings.replay_url, remember=2 * ahead, ahead=ahead)
    return LmdbReplay(
        settings.data_dir / "replay",
        remember=2 * ahead,
        ahead=ahead,
        now=time.time(),
        capacity=settings.replay_capacity,
    )


async def _close_replay(replay: ReplayMemory) -> None:
    if isinstance(replay, RedisReplay):
        await replay.close()
    elif isinstance(replay, LmdbReplay):
        replay.close()


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


def _boottime() -> float:
    """Seconds on a clock that runs on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _report(error: Exception) -> None:
    log.warning("gate.database", error=type(error).__name__, text=str(error).splitlines()[0] if str(error) else "")

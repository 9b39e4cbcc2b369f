"""What a gate on PostgreSQL needs in place of SQLite's version number: a line to hear on, and a lease."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

from sqlalchemy import make_url

from credenza.adapters.vault import LocalVault
from credenza.cli import known
from credenza.cli.failure import CommandFailed
from credenza.cli.known import Known
from credenza.gate.postgresql import PostgresFreshness, PostgresKeys
from credenza.settings import Settings
from credenza.store import leases
from credenza.store.engine import Database, reading
from credenza.store.postgresql import LineReader
from credenza.store.replay import place_of

_READ_DEADLINE_S = 2.0


async def open_known(
    settings: Settings, vault: LocalVault | None, stack: AsyncExitStack, *, report: Callable[[Exception], None]
) -> Known:
    url = make_url(settings.database).set(drivername="postgresql").render_as_string(hide_password=False)
    keys = PostgresKeys(LineReader(url, deadline_s=_READ_DEADLINE_S))
    memory = known.empty(keys, vault)
    freshness = PostgresFreshness(
        url,
        keys,
        memory.keyring,
        memory.routes,
        name=socket.gethostname(),
        clock=_boottime,
        report=report,
        memory=_memory(settings),
        lease=timedelta(seconds=settings.lease_s),
        issuers=memory.issuers,
        trust=memory.trust,
    )
    await freshness.start()
    stack.push_async_callback(freshness.stop)
    return Known(memory, freshness)


def check_memory(settings: Settings, database: Database) -> None:
    """Refuse to start beside gates that remember calls elsewhere."""
    with reading(database.records) as connection:
        try:
            leases.check_memory(connection, _memory(settings))
        except leases.OtherMemory as error:
            raise CommandFailed(str(error)) from error


def _memory(settings: Settings) -> str:
    if settings.replay_url:
        return leases.SHARED_MEMORY
    directory = settings.data_dir / "replay"
    directory.mkdir(parents=True, exist_ok=True)
    return place_of(directory)


def _boottime() -> float:
    """Seconds on a clock that runs on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)

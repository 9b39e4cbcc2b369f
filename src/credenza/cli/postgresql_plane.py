"""What a gate on PostgreSQL needs in place of SQLite's version number: a line to hear on, and a lease."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

from sqlalchemy import make_url

from credenza.gate.keyring import Keyring, RouteTable
from credenza.gate.postgresql import PostgresFreshness, PostgresKeys
from credenza.settings import Settings
from credenza.store.postgresql import LineReader

_READ_DEADLINE_S = 2.0


async def open_freshness(
    settings: Settings, routes: RouteTable, stack: AsyncExitStack, *, report: Callable[[Exception], None]
) -> tuple[Keyring, PostgresFreshness]:
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
        report=report,
        lease=timedelta(seconds=settings.lease_s),
    )
    await freshness.start()
    stack.push_async_callback(freshness.stop)
    return keyring, freshness


def _boottime() -> float:
    """Seconds on a clock that runs on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)

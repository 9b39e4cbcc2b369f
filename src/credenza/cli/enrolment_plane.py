"""EST at the gates of one process, wherever it has the key-encryption key, as the token servers have it.

The actions behind it are imported, and the platform opened, when the first device asks: a gate that no device enrols at
stays as small, and starts as soon, as one without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import import_module

import structlog

from credenza.cli import installation
from credenza.cli.failure import CommandFailed
from credenza.cli.installation import LateDatabase
from credenza.cli.plane import Plane
from credenza.domain.model import EnvironmentName
from credenza.gate.answers import Send, send_answer
from credenza.gate.app import Corner
from credenza.gate.arrival import Arrival
from credenza.gate.body import Receive
from credenza.gate.desk import Desk
from credenza.gate.metrics import Metrics
from credenza.settings import Settings

log = structlog.get_logger()

_PLACE = "/.well-known/est/"


def corners(settings: Settings, database: LateDatabase, plane: Plane, desk: Desk) -> Mapping[EnvironmentName, Corner]:
    """Make the corner of each environment; none without the key-encryption key."""
    if plane.vault is None:
        return {}
    opening = _Opening(settings, database, desk.metrics)
    return {name: _Enrolment(name, opening) for name in EnvironmentName}


class _Opening:
    """Opens what serves, once for all environments."""

    def __init__(self, settings: Settings, database: LateDatabase, metrics: Metrics) -> None:
        self._settings = settings
        self._database = database
        self._metrics = metrics
        self._opened: Mapping[EnvironmentName, Corner] = {}
        self._turn = asyncio.Lock()

    async def app_of(self, environment: EnvironmentName) -> Corner:
        """Raises CommandFailed while a token with an authority's key is away."""
        async with self._turn:
            if not self._opened:
                self._opened = await asyncio.to_thread(self._open)
        return self._opened[environment]

    def _open(self) -> Mapping[EnvironmentName, Corner]:
        opened: Mapping[EnvironmentName, Corner] = import_module("credenza.cli.enrolment_apps").open_apps(
            self._settings, self._database.open(), clock=installation.now, metrics=self._metrics
        )
        return opened


class _Enrolment:
    def __init__(self, environment: EnvironmentName, opening: _Opening) -> None:
        self._environment = environment
        self._opening = opening

    def serves(self, path: str) -> bool:
        return path.startswith(_PLACE)

    async def __call__(self, call_id: str, arrived: Arrival, receive: Receive, send: Send) -> None:
        try:
            app = await self._opening.app_of(self._environment)
        except CommandFailed as error:
            log.warning("est.unopened", error=str(error))
            headers = (("Content-Type", "text/plain; charset=utf-8"), ("Retry-After", "60"), ("Connection", "close"))
            await send_answer(send, 503, headers, b"Nothing can be certified here now. Tell the operator.\n")
            return
        await app(call_id, arrived, receive, send)

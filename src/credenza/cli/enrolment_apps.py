"""What serves EST in one process. Imported when the first device asks: see `enrolment_plane`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from credenza.api.est import EstApp
from credenza.api.rate_limits import RateLimits, Rates
from credenza.cli import local
from credenza.domain.model import EnvironmentName
from credenza.gate.metrics import Metrics
from credenza.settings import Settings
from credenza.store.engine import Database


def open_apps(
    settings: Settings, database: Database, *, clock: Callable[[], datetime], metrics: Metrics
) -> Mapping[EnvironmentName, EstApp]:
    platform = local.prepare(settings, database)
    limits = RateLimits(
        Rates(settings.manage_requests_per_minute, settings.manage_attempts_per_minute), clock=monotonic
    )
    outages = (OperationalError, PoolTimeout)
    return {
        name: EstApp(platform, name, clock=clock, limits=limits, metrics=metrics, outages=outages)
        for name in EnvironmentName
    }

"""What comes before serving: the installation is brought to where it can be served, and what is amiss is said."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from importlib import import_module

import structlog

from credenza.cli import databases
from credenza.cli.failure import CommandFailed
from credenza.cli.roles import Role
from credenza.settings import Settings
from credenza.store import changes, enforced, quarantine
from credenza.store.enforced import OlderDatabase
from credenza.store.engine import Database, reading
from credenza.store.replay import LmdbReplay

log = structlog.get_logger()


def prepare(settings: Settings, role: Role) -> str | None:
    """Bring the installation to where it can be served; the link for the first admin when there is nobody yet."""
    with databases.database(settings) as database:
        fresh = not databases.has_started(database)
        _check_not_older(settings, database)
        _announce_quarantine(database)
        if not database.embedded:
            import_module("credenza.cli.postgresql_plane").check_memory(settings, database)
        if fresh:
            _establish_replay(settings)
        if role is Role.GATE:
            return None
        # Imported by those who serve it: a gate alone is smaller and starts sooner without.
        link: str | None = import_module("credenza.cli.management_plane").prepare(settings, database)
        return link


def _check_not_older(settings: Settings, database: Database) -> None:
    with reading(database.records) as connection:
        number = changes.current(connection)
    try:
        enforced.check_not_older(settings.data_dir, number)
    except OlderDatabase as error:
        raise CommandFailed(str(error)) from error


def _announce_quarantine(database: Database) -> None:
    """Say at every start that restored credentials are refused: partners call, and the gate is right to say no."""
    with reading(database.records) as connection:
        held = quarantine.count(connection)
    if held == 0:
        return
    log.warning("installation.quarantined", held=held)
    print(
        f"IN QUARANTINE: {held} credentials were restored from a backup and are refused.\n"
        "See them with: credenza db quarantine; revoke what was revoked since; then: credenza db release",
        file=sys.stderr,
    )


def _establish_replay(settings: Settings) -> None:
    """A new installation's replay memory has nothing to forget: its very first call may be admitted."""
    if not settings.replay_url:
        LmdbReplay.establish(settings.data_dir / "replay")
        return
    window = timedelta(seconds=settings.max_skew_s)

    async def establish() -> None:
        redis = import_module("credenza.store.redis_replay")
        memory = redis.RedisReplay(settings.replay_url, remember=2 * window, ahead=window)
        try:
            await memory.establish()
        finally:
            await memory.close()

    asyncio.run(establish())

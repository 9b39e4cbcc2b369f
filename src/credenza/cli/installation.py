"""This machine's installation: its settings and its database. A gate alone needs no more, no key-encryption key."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from credenza import settings as configuration
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.settings import Settings, Unusable

if TYPE_CHECKING:
    from credenza.store.engine import Database


def now() -> datetime:
    return datetime.now(UTC)


def load_settings() -> Settings:
    """Read the settings, and say which one is wrong."""
    config = os.environ.get("CREDENZA_CONFIG")
    try:
        return configuration.load(Path(config) if config else None)
    except Unusable as error:
        raise CommandFailed(f"The settings are not usable. {error}.", ExitCode.USAGE) from None


def embedded_path(settings: Settings) -> Path | None:
    """Where SQLite keeps the records; None on PostgreSQL."""
    scheme, _, rest = settings.database.partition(":///")
    return Path(rest.partition("?")[0]) if scheme.partition("+")[0] == "sqlite" else None


class LateDatabase:
    """The database, opened when it is first wanted: a gate on SQLite needs no more than its own connections, and what
    opens this one takes 14 MB and a third of a start. May be opened from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = Lock()
        self._stack = ExitStack()
        self._opened: Database | None = None

    def open(self) -> Database:
        """Raises CommandFailed."""
        with self._turn:
            if self._opened is None:
                opening = import_module("credenza.cli.databases").database(self._settings)
                self._opened = self._stack.enter_context(opening)
            opened: Database = self._opened
            return opened

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, traceback)

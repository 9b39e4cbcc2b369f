"""The gate's own connection to SQLite: it looks and never writes, not even to prepare the file (settled 25).

`PRAGMA data_version` moves on one connection only for commits of others, so a connection that wrote would not see its
own; and a look at it reads shared memory and no file, which is why it can come before every decision.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from credenza.domain.model import ChangeNumber
from credenza.store import lookup
from credenza.store.engine import STATEMENT_DEADLINE
from credenza.store.lookup import KeySnapshot, News, RouteSnapshot

_KEY = lookup.KEY.format(key_id="?")
_CHANGES = lookup.CHANGES.format(applied="?")


class EmbeddedReader:
    """Answers in microseconds, inline. Raises sqlite3.Error when the file cannot be read."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(
            path, timeout=STATEMENT_DEADLINE.total_seconds(), isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA query_only=ON").close()
        self._version = self._connection.cursor()

    def data_version(self) -> int:
        """A number that moves with every commit of another connection."""
        version: int = self._version.execute("PRAGMA data_version").fetchone()[0]
        return version

    def key(self, key_id: str) -> KeySnapshot:
        return lookup.key_snapshot(self._connection.execute(_KEY, (key_id,)).fetchall())

    def routes(self) -> RouteSnapshot:
        return lookup.route_snapshot(self._connection.execute(lookup.ROUTES).fetchall())

    def changes_since(self, applied: ChangeNumber) -> News:
        return lookup.news(self._connection.execute(_CHANGES, (applied,)).fetchall())

    def close(self) -> None:
        self._connection.close()

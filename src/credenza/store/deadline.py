"""How long the database may take."""

from __future__ import annotations

from datetime import timedelta

STATEMENT_DEADLINE = timedelta(seconds=5)
"""No statement, lock wait or connection attempt outlives this; a hung database must not hang us."""

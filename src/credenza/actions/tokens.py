"""OAuth 2.0 tokens that were revoked one by one: gates write them down, and here they are forgotten."""

from __future__ import annotations

from datetime import datetime

from credenza.actions.context import Platform
from credenza.store import revoked_tokens
from credenza.store.engine import writing


def forget_ended(platform: Platform, *, now: datetime) -> int:
    """Delete the revocations of tokens that have ended by themselves; `serve` calls it every few minutes."""
    with writing(platform.database.records) as connection:
        return revoked_tokens.delete_ended(connection, now=now)

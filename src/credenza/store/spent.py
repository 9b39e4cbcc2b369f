"""What is good once and kept nowhere before it is used: answered challenges, states of a sign-in at a provider.

They share the table of one-time links, which is cleared of rows that have ended (`links.forget_expired`).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from credenza.domain.model import PLATFORM
from credenza.store.schema import one_time_links
from credenza.store.upsert import insert_if_absent


def mark(connection: Connection, token_hash: str, purpose: str, *, expires_at: datetime, now: datetime) -> bool:
    """Spend it; False when it was spent before, here or by another node."""
    row = {
        "organization_id": PLATFORM,
        "token_hash": token_hash,
        "purpose": purpose,
        "expires_at": expires_at,
        "used_at": now,
    }
    return insert_if_absent(connection, one_time_links, row)

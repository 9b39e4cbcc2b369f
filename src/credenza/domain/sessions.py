"""How long a sign-in lasts: at most a day, an hour without a sign of life (NIST SP 800-63B rev. 4 section 2.2.3)."""

from __future__ import annotations

from datetime import datetime, timedelta

from credenza.domain.model import Session

LIFE = timedelta(hours=24)
IDLE = timedelta(hours=1)
FRESH = timedelta(minutes=15)
"""So long after a proof the most sensitive actions need no other one (ASVS 7.5.3)."""


def is_live(session: Session, *, now: datetime) -> bool:
    return now < session.expires_at and _apart(session.last_seen_at, now) < IDLE


def is_fresh(session: Session, *, now: datetime) -> bool:
    return _apart(session.proven_at, now) < FRESH


def _apart(at: datetime, now: datetime) -> timedelta:
    """Either way: what lies a year ahead was noted by a clock that was wrong, and must not count until then."""
    return abs(now - at)

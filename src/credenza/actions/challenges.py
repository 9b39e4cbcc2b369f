"""Challenges: what a browser has an authenticator sign. Ours, minutes old, for one purpose, answered once.

A challenge is 16 random bytes, its end, and a MAC over both, its purpose and whom it was made for; nothing is kept
until it is answered, so strangers may ask for as many as they like. An answered one is remembered until its end in the
database, which every node sees.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection

from credenza.actions.context import Platform
from credenza.domain.errors import Code, Refusal
from credenza.store import spent
from credenza.store.instants import at_micros, micros

LIFE = timedelta(minutes=5)
_LABEL = "challenge"
_RANDOM_BYTES = 16
_END_BYTES = 8
_MAC_BYTES = 32
_LENGTH = _RANDOM_BYTES + _END_BYTES + _MAC_BYTES


class Purpose(StrEnum):
    REGISTER = "passkey.register"
    SIGN_IN = "passkey.sign_in"
    CONFIRM = "passkey.confirm"


def make(platform: Platform, purpose: Purpose, subject: str, *, now: datetime) -> bytes:
    """Make a challenge that only `subject` (a session, or nobody yet) can answer."""
    front = platform.random(_RANDOM_BYTES) + micros(now + LIFE).to_bytes(_END_BYTES)
    return front + _mac(platform, front, purpose, subject)


def check(platform: Platform, challenge: bytes, purpose: Purpose, subject: str, *, now: datetime) -> None:
    """Refuse a challenge that is not ours, was made for something else, or is too old."""
    front, mac = challenge[:-_MAC_BYTES], challenge[-_MAC_BYTES:]
    ours = len(challenge) == _LENGTH and hmac.compare_digest(mac, _mac(platform, front, purpose, subject))
    if not ours or now >= _end(challenge):
        raise _too_late()


def use_up(connection: Connection, challenge: bytes, *, now: datetime) -> None:
    """Remember that a checked challenge was answered; refuse the second answer."""
    spent_hash = hashlib.sha256(challenge).hexdigest()
    if not spent.mark(connection, spent_hash, _LABEL, expires_at=_end(challenge), now=now):
        raise _too_late()


def _end(challenge: bytes) -> datetime:
    return at_micros(int.from_bytes(challenge[_RANDOM_BYTES : _RANDOM_BYTES + _END_BYTES]))


def _mac(platform: Platform, front: bytes, purpose: Purpose, subject: str) -> bytes:
    text = front + f"{purpose}\n{subject}".encode()
    return hmac.digest(platform.vault.derive(_LABEL), text, hashlib.sha256)


def _too_late() -> Refusal:
    return Refusal(Code.UNAUTHENTICATED, "This took longer than five minutes, or was answered before. Try again.")

"""Wrong passwords and codes, counted per account and network; passkeys are not counted (settled 21).

An attempt counts before it is judged, so that a hundred at once are a hundred, and is forgotten when it was right. What
is counted is the address as it was typed: whether an account exists shows neither in the answer nor in when it is
locked. A new password does not lift a lock.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from credenza.actions.context import Platform
from credenza.domain.errors import Code, Refusal
from credenza.domain.sign_in import FAILURE_LIMIT, LOCKED_FOR, network_of
from credenza.store import sign_in_failures
from credenza.store.engine import writing

_STRANGERS = "strangers"
_NO_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Counted:
    """An attempt that was counted: of which account, from which network."""

    account_hash: str
    network: str


def count(platform: Platform, email: str, address: str, *, now: datetime) -> Counted:
    """Count an attempt on an account from an address. Raises Refusal(TOO_MANY_ATTEMPTS) when it is locked there."""
    counted = Counted(_hash(platform, email.strip().lower()), network_of(address))
    if not _count(platform, counted, FAILURE_LIMIT, now=now):
        minutes = int(LOCKED_FOR.total_seconds() // 60)
        raise Refusal(
            Code.TOO_MANY_ATTEMPTS,
            f"Too many wrong attempts. Wait {minutes} minutes, or sign in with a passkey.",
        )
    return counted


def count_stranger(platform: Platform, address: str, *, now: datetime) -> None:
    """Count an attempt on an account that does not exist.

    A refused attempt on one that exists is written into the audit log, at most ten per network and half an hour. A
    made-up address leaves only this count: anybody can make up millions, and the log is never shortened. It is one
    transaction as well, so that both take alike long.
    """
    _count(platform, Counted(_STRANGERS, network_of(address)), _NO_LIMIT, now=now)


def take_back(platform: Platform, counted: Counted) -> None:
    """Do not count an attempt after all: it was not judged, or was right and is not all that is asked."""
    with writing(platform.database.traces) as connection:
        sign_in_failures.take_back(connection, counted.account_hash, counted.network)


def forget(platform: Platform, counted: Counted) -> None:
    """Begin anew for this account and network: somebody has proven who they are."""
    with writing(platform.database.traces) as connection:
        sign_in_failures.forget(connection, counted.account_hash, counted.network)


def forget_expired(platform: Platform, *, now: datetime) -> int:
    """Delete counts that lock nobody any more; `serve` calls it every few minutes."""
    with writing(platform.database.traces) as connection:
        return sign_in_failures.delete_before(connection, now - LOCKED_FOR)


def _count(platform: Platform, counted: Counted, limit: int, *, now: datetime) -> bool:
    with writing(platform.database.traces) as connection:
        return sign_in_failures.count(
            connection, counted.account_hash, counted.network, limit=limit, locked_for=LOCKED_FOR, now=now
        )


def _hash(platform: Platform, account: str) -> str:
    return hmac.new(platform.pepper, b"account\n" + account.encode(), hashlib.sha256).hexdigest()

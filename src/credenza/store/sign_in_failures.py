"""Attempts at signing in, counted per account and network before they are judged, so that many at once are counted too.

Accounts are told apart by a keyed hash of what was typed: an account that does not exist is counted like any other.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, case, delete, literal, or_, update

from credenza.domain.model import PLATFORM
from credenza.store.schema import Instant, sign_in_failures
from credenza.store.upsert import insert_into

_LONGEST_NETWORK = 64


def count(
    connection: Connection, account_hash: str, network: str, *, limit: int, locked_for: timedelta, now: datetime
) -> bool:
    """Count an attempt, unless there were `limit` and the last was within `locked_for`; say whether it counts."""
    table = sign_in_failures
    forgotten = table.c.last_at <= now - locked_for
    failures = case((forgotten, 1), else_=table.c.failures + 1)
    row = {"account_hash": account_hash, "network": network[:_LONGEST_NETWORK], "failures": 1, "last_at": now}
    statement = insert_into(connection, table).values(organization_id=PLATFORM, locked_until=None, **row)
    statement = statement.on_conflict_do_update(
        index_elements=["account_hash", "network"],
        set_={
            "failures": failures,
            "last_at": now,
            "locked_until": case((failures >= limit, literal(now + locked_for, Instant)), else_=None),
        },
        where=or_(
            table.c.locked_until.is_(None),
            table.c.locked_until <= now,
            # No lock is as long: a clock that was wrong has set it, maybe a year ahead.
            table.c.locked_until > now + 2 * locked_for,
        ),
    )
    return connection.execute(statement.returning(table.c.failures)).one_or_none() is not None


def take_back(connection: Connection, account_hash: str, network: str) -> None:
    """Do as if the last attempt had not been made."""
    statement = update(sign_in_failures).where(
        sign_in_failures.c.account_hash == account_hash, sign_in_failures.c.network == network[:_LONGEST_NETWORK]
    )
    connection.execute(statement.values(failures=sign_in_failures.c.failures - 1, locked_until=None))


def forget(connection: Connection, account_hash: str, network: str) -> None:
    connection.execute(
        delete(sign_in_failures).where(
            sign_in_failures.c.account_hash == account_hash, sign_in_failures.c.network == network[:_LONGEST_NETWORK]
        )
    )


def delete_before(connection: Connection, before: datetime) -> int:
    return connection.execute(delete(sign_in_failures).where(sign_in_failures.c.last_at <= before)).rowcount

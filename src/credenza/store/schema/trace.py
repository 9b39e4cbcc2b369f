"""What calls and wrong passwords leave behind: the second set of tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, text

from credenza.store.schema.columns import Instant, organization_id, traces

callers = Table(
    "callers",
    traces,
    organization_id(),
    Column("credential_id", String(48), primary_key=True),
    Column("service_id", Integer, primary_key=True, autoincrement=False),
    Column("address", String(64), primary_key=True),
    Column("user_agent", String(200), primary_key=True),
    Column("scheme", String(8), primary_key=True, server_default=text("'oauth1'")),
    Column("first_seen_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("admitted", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
)

refusals = Table(
    "refusals",
    traces,
    organization_id(),
    Column("id", String(36), primary_key=True),
    Column("project_id", String(36)),
    Column("credential_id", String(48), nullable=False),
    Column("at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("code", String(48), nullable=False),
    Column("explanation", Text, nullable=False),
)
Index("ix_refusals_project", refusals.c.project_id, refusals.c.at)
Index("ix_refusals_expires_at", refusals.c.expires_at)

# Calls with keys of an organization, by minute, for a look at how much goes on just now.
traffic = Table(
    "traffic",
    traces,
    Column("organization_id", String(36), primary_key=True),
    Column("minute", Instant, primary_key=True),
    Column("admitted", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("last_at", Instant, nullable=False),
)
Index("ix_traffic_minute", traffic.c.minute)

# Admitted calls of services in the last days, by caller and day (UTC).
daily_calls = Table(
    "daily_calls",
    traces,
    organization_id(),
    Column("credential_id", String(48), primary_key=True),
    Column("day", Instant, primary_key=True),
    Column("service_id", Integer, primary_key=True, autoincrement=False),
    Column("address", String(64), primary_key=True),
    Column("user_agent", String(200), primary_key=True),
    Column("scheme", String(8), primary_key=True),
    Column("admitted", BigInteger, nullable=False),
)
Index("ix_daily_calls_day", daily_calls.c.day)

# Wrong passwords and codes, per account and network. Here, because a stranger's guesses must not move the records.
sign_in_failures = Table(
    "sign_in_failures",
    traces,
    organization_id(),
    Column("account_hash", String(64), primary_key=True),
    Column("network", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("locked_until", Instant),
)
Index("ix_sign_in_failures_last_at", sign_in_failures.c.last_at)

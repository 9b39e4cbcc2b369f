"""By what nodes agree: the sequence of changes, the leases of gates, who does a chore, what was answered before."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from credenza.store.schema.columns import Instant, organization_id, records

# Work that one node at a time does: whoever holds the row until `until`.
chores = Table(
    "chores",
    records,
    organization_id(),
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", Instant, nullable=False),
    Column("done_until", Instant, nullable=False),
)

change_counter = Table(
    "change_counter",
    records,
    organization_id(),
    Column("id", Integer, primary_key=True),
    Column("number", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

changes = Table(
    "changes",
    records,
    organization_id(),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    CheckConstraint(
        "kind IN ('credential', 'project', 'organization', 'user', 'catalog', 'issuer', 'token', 'trust', "
        "'service_key')",
        name="kind",
    ),
)

gates = Table(
    "gates",
    records,
    organization_id(),
    Column("id", String(36), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("applied", BigInteger, nullable=False),
    Column("lease_us", BigInteger, nullable=False),
    Column("renewed_at", Instant, nullable=False),
    Column("fenced", Boolean, nullable=False),
    Column("memory", String(64), nullable=False, server_default=text("''")),
)

timelines = Table(
    "timelines",
    records,
    organization_id(),
    Column("timeline", BigInteger, primary_key=True, autoincrement=False),
    Column("first_seen_at", Instant, nullable=False),
)

idempotency = Table(
    "idempotency",
    records,
    organization_id(),
    Column("actor_id", String(64), primary_key=True),
    Column("key_hash", String(64), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("reservation", Text),
    Column("sealed_answer", LargeBinary),
    Column("touched_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("answer_until", Instant, nullable=False),
)
Index("ix_idempotency_expires_at", idempotency.c.expires_at)

"""Who did what: a chain for each organization."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, String, Table, Text

from credenza.store.schema.columns import Instant, records

audit_heads = Table(
    "audit_heads",
    records,
    Column("organization_id", String(36), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_entries = Table(
    "audit_entries",
    records,
    Column("organization_id", String(36), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", String(64), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(48), nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("code", String(48), nullable=False),
    Column("project_id", String(36), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("outcome IN ('done', 'refused', 'failed')", name="outcome"),
)
Index("ix_audit_entries_project", audit_entries.c.organization_id, audit_entries.c.project_id, audit_entries.c.sequence)
Index("ix_audit_entries_subject", audit_entries.c.organization_id, audit_entries.c.subject, audit_entries.c.sequence)

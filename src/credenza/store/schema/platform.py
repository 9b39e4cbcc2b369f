"""What the platform keeps for itself."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, String, Table

from credenza.store.schema.columns import Instant, organization_id, records

wrapped_secrets = Table(
    "wrapped_secrets",
    records,
    organization_id(),
    Column("name", String(64), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

one_time_links = Table(
    "one_time_links",
    records,
    organization_id(),
    Column("token_hash", String(64), primary_key=True),
    Column("purpose", String(32), nullable=False),
    Column("user_id", String(36)),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)

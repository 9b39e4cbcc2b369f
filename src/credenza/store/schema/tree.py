"""The tree below an organization: accounts, and workspaces in them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, String, Table, UniqueConstraint

from credenza.store.schema.columns import Instant, only_where, records

accounts = Table(
    "accounts",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    UniqueConstraint("organization_id", "id"),
)

_LIVE_ACCOUNT = accounts.c.archived_at.is_(None)
Index(
    "uq_accounts_name",
    accounts.c.organization_id,
    accounts.c.name,
    unique=True,
    **only_where(_LIVE_ACCOUNT),
)

# A workspace lies in an account of its own organization, and nowhere else.
workspaces = Table(
    "workspaces",
    records,
    Column("organization_id", String(36), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("account_id", String(36), nullable=False),
    Column("name", String(120), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    ForeignKeyConstraint(["organization_id", "account_id"], ["accounts.organization_id", "accounts.id"]),
)

_LIVE_WORKSPACE = workspaces.c.archived_at.is_(None)
Index(
    "uq_workspaces_name",
    workspaces.c.account_id,
    workspaces.c.name,
    unique=True,
    **only_where(_LIVE_WORKSPACE),
)
Index("ix_workspaces_organization_id", workspaces.c.organization_id)

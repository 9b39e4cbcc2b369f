"""What the platform offers: services, and what may be asked of them."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from credenza.store.schema.columns import Instant, in_environment, organization_id, records

services = Table(
    "services",
    records,
    organization_id(),
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(120), nullable=False, unique=True),
    Column("authentication", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    # What client secrets need to know: at which level of the tree scope is chosen, or that it is all of that level.
    Column("scope_level", String(12)),
    Column("scope_fixed", Boolean, nullable=False, server_default=false()),
    Column("audience", String(200)),
    Column("token_life_s", Integer),
    Column("calls_per_minute", Integer),
    Column("admits_unmapped", Boolean, nullable=False, server_default=false()),
    CheckConstraint(
        "authentication IN ('OAUTH10A', 'DUAL_OAUTH', 'OAUTH2_FAPI', 'MTLS', 'CLIENT_SECRET')", name="authentication"
    ),
    CheckConstraint("status IN ('LIVE', 'RETIRED')", name="status"),
    CheckConstraint(
        "scope_level IS NULL OR scope_level IN ('ORGANIZATION', 'ACCOUNT', 'WORKSPACE')", name="scope_level"
    ),
    CheckConstraint("token_life_s IS NULL OR token_life_s BETWEEN 60 AND 28800", name="token_life_s"),
    CheckConstraint("calls_per_minute IS NULL OR calls_per_minute > 0", name="calls_per_minute"),
)

service_environments = Table(
    "service_environments",
    records,
    organization_id(),
    Column("service_id", Integer, ForeignKey("services.id"), primary_key=True),
    Column("environment", String(16), primary_key=True),
    Column("path_prefix", String(200), nullable=False),
    Column("upstream", String(500), nullable=False),
    Column("validity_months", Integer, nullable=False),
    Column("validity_days", Integer),
    # What is encrypted and signed, as JSON (`protocol.payload_rules`); null: nothing is.
    Column("payload_rules", Text),
    UniqueConstraint("environment", "path_prefix"),
    in_environment(),
    CheckConstraint("validity_months BETWEEN 1 AND 39", name="validity_months"),
    CheckConstraint("validity_days IS NULL OR validity_days BETWEEN 1 AND 1200", name="validity_days"),
)

# What a token may be narrowed to (RFC 6749 3.3), by the service that it opens: a name opens one service only.
service_scopes = Table(
    "service_scopes",
    records,
    organization_id(),
    Column("scope", String(120), primary_key=True),
    Column("service_id", Integer, ForeignKey("services.id"), nullable=False),
)
Index("ix_service_scopes_service_id", service_scopes.c.service_id)

# What an API credential may be permitted to do at a service that takes client secrets (product row D3).
service_permissions = Table(
    "service_permissions",
    records,
    organization_id(),
    Column("service_id", Integer, ForeignKey("services.id"), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("description", String(200), nullable=False),
)

# Which permission a call needs, and which variables of its path name the account or workspace that it is about.
service_routes = Table(
    "service_routes",
    records,
    organization_id(),
    Column("service_id", Integer, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("method", String(16), nullable=False),
    Column("path", String(300), nullable=False),
    Column("permission", String(40), nullable=False),
    Column("account_variable", String(40)),
    Column("workspace_variable", String(40)),
    UniqueConstraint("service_id", "method", "path"),
    ForeignKeyConstraint(["service_id", "permission"], ["service_permissions.service_id", "service_permissions.name"]),
)

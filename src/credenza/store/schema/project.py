"""Projects, their environments, services and members."""

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
)

from credenza.store.schema.columns import Instant, only_where, organization_id, records

projects = Table(
    "projects",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("type", String(16), nullable=False),
    Column("region", String(64), nullable=False),
    Column("company", Text, nullable=False),
    Column("commercial_countries", Text, nullable=False),
    Column("owner_id", String(36), ForeignKey("users.id")),
    Column("dual", Boolean, nullable=False),
    Column("ambiguous_readings", Boolean, nullable=False),
    Column("slot", Integer),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    CheckConstraint("type IN ('OAUTH10A', 'OAUTH2_FAPI', 'MTLS')", name="type"),
)

_LIVE_PROJECT = projects.c.deleted_at.is_(None)
Index(
    "uq_projects_name",
    projects.c.organization_id,
    projects.c.name,
    unique=True,
    **only_where(_LIVE_PROJECT),
)
# The organization's quota of projects, as places: two actors cannot take the same one, and none is above the quota.
Index("uq_projects_slot", projects.c.organization_id, projects.c.slot, unique=True)

environments = Table(
    "environments",
    records,
    organization_id(),
    Column("project_id", String(36), ForeignKey("projects.id"), primary_key=True),
    Column("name", String(16), primary_key=True),
    Column("client_id", String(48), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("name IN ('SANDBOX', 'PRODUCTION')", name="name"),
)

project_services = Table(
    "project_services",
    records,
    organization_id(),
    Column("project_id", String(36), primary_key=True),
    Column("environment", String(16), primary_key=True),
    Column("service_id", Integer, ForeignKey("services.id"), primary_key=True),
    Column("status", String(24), nullable=False),
    Column("created_at", Instant, nullable=False),
    ForeignKeyConstraint(["project_id", "environment"], ["environments.project_id", "environments.name"]),
    CheckConstraint("status IN ('APPROVED', 'PENDING_APPROVAL')", name="status"),
)

project_members = Table(
    "project_members",
    records,
    organization_id(),
    Column("project_id", String(36), ForeignKey("projects.id"), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("slot", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    # At most 10 admins (the owner is one of them) and 20 read-only members: places, not counts.
    UniqueConstraint("project_id", "role", "slot"),
    CheckConstraint(
        "(role = 'admin' AND slot BETWEEN 1 AND 10) OR (role = 'read_only' AND slot BETWEEN 1 AND 20)", name="slot"
    ),
)
Index("ix_project_members_user_id", project_members.c.user_id)

"""Organizations, people, and what people may do in them."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, Text

from credenza.store.schema.columns import Instant, only_where, organization_id, records

organizations = Table(
    "organizations",
    records,
    Column("organization_id", String(36), primary_key=True),
    Column("name", String(120), nullable=False, unique=True),
    Column("project_limit", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("project_limit BETWEEN 0 AND 500", name="project_limit"),
)

users = Table(
    "users",
    records,
    organization_id(),
    Column("id", String(36), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
)

# Roles that an organization has made of single actions (`domain.access.Action`): a JSON list of them.
custom_roles = Table(
    "custom_roles",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("actions", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("removed_at", Instant),
)

_LIVE_ROLE = custom_roles.c.removed_at.is_(None)
Index(
    "uq_custom_roles_name",
    custom_roles.c.organization_id,
    custom_roles.c.name,
    unique=True,
    **only_where(_LIVE_ROLE),
)
_ROLES = "role IN ('admin', 'compliance_admin', 'user', 'read_only', 'custom')"
_ROLE_NAMED = "(role = 'custom') = (custom_role_id IS NOT NULL)"

memberships = Table(
    "memberships",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("role", String(24), nullable=False),
    Column("custom_role_id", String(36), ForeignKey("custom_roles.id")),
    Column("created_at", Instant, nullable=False),
    CheckConstraint(_ROLES, name="role"),
    CheckConstraint(_ROLE_NAMED, name="custom_role"),
)
Index("ix_memberships_user_id", memberships.c.user_id)

access_tokens = Table(
    "access_tokens",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id"), nullable=False),
    Column("name", String(120), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)
Index("ix_access_tokens_owner", access_tokens.c.organization_id, access_tokens.c.user_id)

invitations = Table(
    "invitations",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("email", String(254), nullable=False),
    Column("role", String(24), nullable=False),
    Column("custom_role_id", String(36), ForeignKey("custom_roles.id")),
    Column("project_id", String(36)),
    Column("project_role", String(16)),
    Column("invited_by", String(36), ForeignKey("users.id")),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("accepted_at", Instant),
    Column("withdrawn_at", Instant),
    CheckConstraint(_ROLES, name="role"),
    CheckConstraint(_ROLE_NAMED, name="custom_role"),
    CheckConstraint("(project_id IS NULL) = (project_role IS NULL)", name="project"),
)
_OPEN_INVITATION = invitations.c.accepted_at.is_(None) & invitations.c.withdrawn_at.is_(None)
Index(
    "uq_invitations_open",
    invitations.c.organization_id,
    invitations.c.email,
    unique=True,
    **only_where(_OPEN_INVITATION),
)

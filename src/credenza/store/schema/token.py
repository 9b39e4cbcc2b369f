"""The token server's keys, who may ask about tokens, and which of them were revoked."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from credenza.store.schema.columns import Instant, in_environment, only_where, organization_id, records

# Keys that sign tokens, one line of them per environment and issuer. The generation is what two nodes race for, and a
# key that no cache can know of yet does not sign: ten minutes, except for the very first.
token_keys = Table(
    "token_keys",
    records,
    organization_id(),
    Column("kid", String(43), primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("issuer", String(8), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("algorithm", String(8), nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("wrapped_private_key", LargeBinary, nullable=False),
    Column("published_at", Instant, nullable=False),
    Column("signs_from", Instant, nullable=False),
    Column("signs_until", Instant),
    Column("published_until", Instant),
    Column("retired_at", Instant),
    UniqueConstraint("environment", "issuer", "generation"),
    in_environment(),
    # `payload` signs answers (x-jws-signature), and no tokens.
    CheckConstraint("issuer IN ('fapi2', 'compat', 'payload')", name="issuer"),
    CheckConstraint(
        "signs_from >= published_at + 600000000 OR (generation = 1 AND signs_from >= published_at)",
        name="published_first",
    ),
    CheckConstraint("(signs_until IS NULL) = (published_until IS NULL)", name="ends"),
    CheckConstraint("published_until >= signs_until", name="published_last"),
)

# Who may ask about tokens (RFC 7662).
resource_servers = Table(
    "resource_servers",
    records,
    organization_id(),
    Column("id", String(36), primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("name", String(120), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("removed_at", Instant),
    in_environment(),
)
Index(
    "uq_resource_servers_name",
    resource_servers.c.environment,
    resource_servers.c.name,
    unique=True,
    **only_where(resource_servers.c.removed_at.is_(None)),
)

# Tokens that were revoked one by one (RFC 7009), until they would have ended anyway.
revoked_tokens = Table(
    "revoked_tokens",
    records,
    organization_id(),
    Column("jti_hash", String(64), primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant, nullable=False),
    in_environment(),
)
Index("ix_revoked_tokens_expires_at", revoked_tokens.c.expires_at)

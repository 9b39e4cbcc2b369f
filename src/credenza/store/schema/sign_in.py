"""How people prove who they are."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from credenza.store.schema.columns import Instant, organization_id, records, user_id

passwords = Table(
    "passwords",
    records,
    organization_id(),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("hash", String(200), nullable=False),
    Column("stands_alone", Boolean, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

# Time-based codes (RFC 6238). `last_step` is the newest time step used: a code is good once.
authenticators = Table(
    "authenticators",
    records,
    organization_id(),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("wrapped_secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
)

recovery_codes = Table(
    "recovery_codes",
    records,
    organization_id(),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
    Column("used_at", Instant),
)

passkeys = Table(
    "passkeys",
    records,
    organization_id(),
    Column("id", String(36), primary_key=True),
    user_id(),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", String(120), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
)
Index("ix_passkeys_user_id", passkeys.c.user_id)

# Users of an OpenID Connect provider, by its issuer and their subject there.
identities = Table(
    "identities",
    records,
    organization_id(),
    Column("issuer", String(200), primary_key=True),
    Column("subject", String(255), primary_key=True),
    user_id(),
    Column("created_at", Instant, nullable=False),
    # Whose address another person is given at the provider is not signed in as by that person.
    UniqueConstraint("issuer", "user_id"),
)
Index("ix_identities_user_id", identities.c.user_id)

sessions = Table(
    "sessions",
    records,
    organization_id(),
    Column("id", String(36), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    user_id(),
    Column("method", String(16), nullable=False),
    Column("address", String(64), nullable=False),
    Column("user_agent", String(200), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("proven_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    CheckConstraint("method IN ('password', 'passkey', 'sso', 'link')", name="method"),
)
Index("ix_sessions_user_id", sessions.c.user_id)

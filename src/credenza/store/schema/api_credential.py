"""What API credentials have besides their row among the credentials."""

from __future__ import annotations

from sqlalchemy import (
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

from credenza.store.schema.columns import Instant, organization_id, records

# What an API credential has besides its row among the credentials. `version` is what two editors race for. A deleted
# one has no secrets, grants and places any more; its row stays, so that its id means the same in every log.
api_credentials = Table(
    "api_credentials",
    records,
    organization_id(),
    Column("credential_id", String(48), ForeignKey("credentials.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("note", String(500), nullable=False),
    # Where it may be used from: a JSON list of networks; empty: anywhere.
    Column("networks", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("deleted_at", Instant),
)

api_grants = Table(
    "api_grants",
    records,
    organization_id(),
    Column("credential_id", String(48), ForeignKey("api_credentials.credential_id"), primary_key=True),
    Column("service_id", Integer, primary_key=True, autoincrement=False),
    Column("permission", String(40), primary_key=True),
    ForeignKeyConstraint(["service_id", "permission"], ["service_permissions.service_id", "service_permissions.name"]),
)
Index("ix_api_grants_permission", api_grants.c.service_id, api_grants.c.permission)

# The accounts or workspaces that were chosen for a service, whichever its level asks for.
api_places = Table(
    "api_places",
    records,
    organization_id(),
    Column("credential_id", String(48), ForeignKey("api_credentials.credential_id"), primary_key=True),
    Column("service_id", Integer, ForeignKey("services.id"), primary_key=True, autoincrement=False),
    Column("place_id", String(36), primary_key=True),
)
Index("ix_api_places_place_id", api_places.c.place_id)

# Two live side by side at most, by their places. Kept as keyed hashes.
client_secrets = Table(
    "client_secrets",
    records,
    organization_id(),
    Column("id", String(36), primary_key=True),
    Column("credential_id", String(48), ForeignKey("api_credentials.credential_id"), nullable=False),
    Column("slot", Integer),
    Column("prefix", String(24), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("deleted_at", Instant),
    UniqueConstraint("credential_id", "slot"),
    CheckConstraint("(slot IS NULL) = (deleted_at IS NOT NULL)", name="deleted_has_no_slot"),
    CheckConstraint("slot IS NULL OR slot BETWEEN 1 AND 2", name="slot"),
)

"""Credentials of every kind, with the keys that the platform holds for their owners."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    literal_column,
    text,
)

from credenza.store.schema.columns import Instant, only_where, organization_id, records

LONGEST_ALIAS = 120


def folded(name: str) -> str:
    """Spell a name as it is sought and sorted: without regard to case, whatever the database thinks of letters."""
    return name.casefold()[:LONGEST_ALIAS]


def _folded_alias(context: Any) -> str:
    return folded(context.get_current_parameters()["alias"])


def thumbprint(certificate_der: bytes) -> str | None:
    """Spell RFC 8705's `x5t#S256` as hex; nothing for a credential that nobody certifies."""
    return sha256(certificate_der).hexdigest() if certificate_der else None


def _certificate_sha256(context: Any) -> str | None:
    return thumbprint(context.get_current_parameters()["certificate_der"])


# Byte by byte on both databases, so that all names that begin alike stand together.
_FOLDED = String(LONGEST_ALIAS).with_variant(String(LONGEST_ALIAS, collation="C"), "postgresql")

credentials = Table(
    "credentials",
    records,
    organization_id(),
    Column("id", String(48), primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("project_id", String(36), ForeignKey("projects.id")),
    Column("environment", String(16)),
    Column("service_id", Integer, ForeignKey("services.id")),
    Column("client_id", String(48), nullable=False),
    Column("alias", String(LONGEST_ALIAS), nullable=False),
    Column("folded_alias", _FOLDED, nullable=False, default=_folded_alias, server_default=text("''")),
    Column("status", String(16), nullable=False),
    Column("key_algorithm", String(16), nullable=False),
    Column("public_key_der", LargeBinary, nullable=False),
    Column("spki_sha256", String(64), nullable=False),
    Column("certificate_der", LargeBinary, nullable=False),
    Column("certificate_sha256", String(64), default=_certificate_sha256),
    # Whose certificate was brought along (product row C4); null for those of our own authorities.
    Column("trusted_authority_id", String(36), ForeignKey("trusted_authorities.id")),
    # The authorities above a certificate that was brought along, from its issuer to the anchor: a JSON list of base64.
    Column("brought_chain", Text),
    Column("not_before", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
    # Since when it is INACTIVE because another took its place, or somebody switched it off.
    Column("inactive_since", Instant),
    Column("slot", Integer),
    Column("owner_id", String(36), ForeignKey("users.id")),
    Column("predecessor_id", String(48), ForeignKey("credentials.id")),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("revoked_reason", String(200), nullable=False),
    CheckConstraint("status IN ('ACTIVE', 'INACTIVE', 'REVOKED')", name="status"),
    CheckConstraint("(status = 'REVOKED') = (revoked_at IS NOT NULL)", name="revoked"),
    CheckConstraint("slot IS NULL OR status <> 'REVOKED'", name="slot_free_after_revocation"),
)

_UNIQUE_KEY = credentials.c.kind.in_(["SIGNING_KEY", "ACCOUNT_KEY"])
_ONE_ACTIVE = (credentials.c.status == "ACTIVE") & credentials.c.kind.in_(["RESPONSE_ENCRYPTION", "REQUEST_SIGNATURE"])
# Written out, also in queries: with a parameter there no database knows that an index of such rows will do.
IS_API_CREDENTIAL = credentials.c.kind == literal_column("'CLIENT_SECRET'")
Index(
    "uq_credentials_key",
    credentials.c.spki_sha256,
    unique=True,
    **only_where(_UNIQUE_KEY),
)
Index("ix_credentials_spki_sha256", credentials.c.spki_sha256)
Index("uq_credentials_certificate", credentials.c.certificate_sha256, unique=True)
Index(
    "uq_credentials_api_client",
    credentials.c.client_id,
    unique=True,
    **only_where(IS_API_CREDENTIAL),
)
Index("uq_credentials_slot", credentials.c.project_id, credentials.c.slot, unique=True)
Index(
    "uq_credentials_one_active",
    credentials.c.project_id,
    credentials.c.service_id,
    credentials.c.environment,
    credentials.c.kind,
    unique=True,
    **only_where(_ONE_ACTIVE),
)
Index("ix_credentials_project", credentials.c.project_id, credentials.c.environment, credentials.c.id)
Index("ix_credentials_organization", credentials.c.organization_id, credentials.c.kind, credentials.c.id)
Index("ix_credentials_expiry", credentials.c.organization_id, credentials.c.not_after)
# A project's list, in its two orders. The status comes last, so that a filter by it is decided in the index.
Index(
    "ix_credentials_by_end",
    credentials.c.project_id,
    credentials.c.environment,
    credentials.c.not_after,
    credentials.c.id,
    credentials.c.status,
)
Index(
    "ix_credentials_by_alias",
    credentials.c.project_id,
    credentials.c.environment,
    credentials.c.folded_alias,
    credentials.c.id,
    credentials.c.status,
)
Index("ix_credentials_search", credentials.c.organization_id, credentials.c.folded_alias)
# An organization's API credentials, in the two orders of their list.
Index(
    "ix_credentials_api_by_name",
    credentials.c.organization_id,
    credentials.c.folded_alias,
    credentials.c.id,
    **only_where(IS_API_CREDENTIAL),
)
Index(
    "ix_credentials_api_by_end",
    credentials.c.organization_id,
    credentials.c.not_after,
    credentials.c.id,
    **only_where(IS_API_CREDENTIAL),
)
Index("ix_credentials_predecessor_id", credentials.c.predecessor_id)
Index("ix_credentials_not_after", credentials.c.not_after, credentials.c.id)

# Private keys that the platform holds for its partners: those of Client Encryption Keys.
service_private_keys = Table(
    "service_private_keys",
    records,
    organization_id(),
    Column("credential_id", String(48), ForeignKey("credentials.id"), primary_key=True),
    Column("wrapped_private_key", LargeBinary, nullable=False),
)

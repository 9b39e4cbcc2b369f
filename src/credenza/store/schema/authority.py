"""Our own certificate authorities with what they publish, and those of others that are trusted."""

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
    text,
)

from credenza.store.schema.columns import Instant, in_environment, only_where, organization_id, records

authorities = Table(
    "authorities",
    records,
    organization_id(),
    Column("id", String(36), primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("role", String(8), nullable=False),
    Column("parent_id", String(36), ForeignKey("authorities.id")),
    Column("certificate_der", LargeBinary, nullable=False),
    # Empty where the key is in a token (`key_uri`, RFC 7512) or nowhere near: an imported root's.
    Column("wrapped_private_key", LargeBinary, nullable=False),
    Column("key_uri", String(500), nullable=False, server_default=text("''")),
    Column("created_at", Instant, nullable=False),
    # Published and trusted before it signs; trusted after it has ceased to sign (retired), until its certificate ends.
    Column("signs_from", Instant),
    Column("retired_at", Instant),
    CheckConstraint("role IN ('ROOT', 'ISSUING')", name="role"),
    in_environment(),
)
_SIGNING_AUTHORITY = authorities.c.signs_from.is_not(None) & authorities.c.retired_at.is_(None)
_NEXT_AUTHORITY = authorities.c.signs_from.is_(None) & authorities.c.retired_at.is_(None)
Index(
    "uq_authorities_signing",
    authorities.c.environment,
    authorities.c.role,
    unique=True,
    **only_where(_SIGNING_AUTHORITY),
)
Index(
    "uq_authorities_next",
    authorities.c.environment,
    authorities.c.role,
    unique=True,
    **only_where(_NEXT_AUTHORITY),
)

# The newest list of each authority (RFC 5280 5). `number` is taken before it is signed, and never twice; there is no
# list yet while `der` is null. `change_number` is the last change of the sequence that the list knows of.
revocation_lists = Table(
    "revocation_lists",
    records,
    organization_id(),
    Column("authority_id", String(36), ForeignKey("authorities.id"), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("change_number", BigInteger, nullable=False),
    Column("entries_sha256", String(64), nullable=False),
    Column("der", LargeBinary),
    Column("this_update", Instant),
    Column("next_update", Instant),
)

# Who answers for an authority (RFC 6960 4.2.2.2): short-lived certificates of its own making.
status_responders = Table(
    "status_responders",
    records,
    organization_id(),
    Column("authority_id", String(36), ForeignKey("authorities.id"), primary_key=True),
    Column("certificate_der", LargeBinary, nullable=False),
    Column("wrapped_private_key", LargeBinary, nullable=False),
    Column("not_after", Instant, nullable=False),
)

# Authorities of others whose certificates may be brought along, by environment (product row C5).
trusted_authorities = Table(
    "trusted_authorities",
    records,
    organization_id(),
    Column("id", String(36), primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("name", String(120), nullable=False),
    Column("certificate_der", LargeBinary, nullable=False),
    Column("certificate_sha256", String(64), nullable=False),
    Column("is_anchor", Boolean, nullable=False),
    Column("checks_revocation", Boolean, nullable=False),
    # Where its list is; empty: where its certificates say.
    Column("crl_url", String(500), nullable=False, server_default=text("''")),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    UniqueConstraint("environment", "certificate_sha256"),
    in_environment(),
)

# The newest lists that trusted authorities, and those below them, were found to publish, and what went wrong with the
# last look.
foreign_revocation_lists = Table(
    "foreign_revocation_lists",
    records,
    organization_id(),
    Column("trusted_authority_id", String(36), ForeignKey("trusted_authorities.id"), primary_key=True),
    Column("url", String(500), primary_key=True),
    Column("der", LargeBinary),
    Column("next_update", Instant),
    Column("fetched_at", Instant, nullable=False),
    Column("error", String(300), nullable=False),
)

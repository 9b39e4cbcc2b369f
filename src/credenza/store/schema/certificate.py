"""What was certified, and what the names and keys in it were first used for."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
)

from credenza.store.schema.columns import Instant, in_environment, organization_id, records
from credenza.store.schema.credential import LONGEST_ALIAS

certificates = Table(
    "certificates",
    records,
    organization_id(),
    Column("authority_id", String(36), ForeignKey("authorities.id"), primary_key=True),
    Column("serial_hex", String(40), primary_key=True),
    Column("credential_id", String(48), nullable=False),
    Column("state", String(16), nullable=False),
    Column("subject", Text, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("der", LargeBinary),
    Column("created_at", Instant, nullable=False),
    # Recorded before it is signed: RESERVED comes first, ISSUED has the bytes, ABANDONED never left this machine.
    CheckConstraint("state IN ('RESERVED', 'ISSUED', 'ABANDONED')", name="state"),
    CheckConstraint("(state = 'ISSUED') = (der IS NOT NULL)", name="issued_has_bytes"),
)
Index("ix_certificates_credential_id", certificates.c.credential_id)
Index("ix_certificates_authority", certificates.c.authority_id, certificates.c.not_after)

# Every subject that was ever accepted in an environment, in the form in which RFC 5280 7.1 compares (product row C8).
# An operator releases one by deleting its row.
certificate_subjects = Table(
    "certificate_subjects",
    records,
    organization_id(),
    Column("environment", String(16), primary_key=True),
    Column("subject_sha256", String(64), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("credential_id", String(48), nullable=False),
    Column("created_at", Instant, nullable=False),
    in_environment(),
)
Index("ix_certificate_subjects_credential_id", certificate_subjects.c.credential_id)

# Whose a certified key is: a project may certify its own again, and nobody else may.
certificate_keys = Table(
    "certificate_keys",
    records,
    organization_id(),
    Column("spki_sha256", String(64), primary_key=True),
    Column("project_id", String(36), ForeignKey("projects.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
)

# The one name by which a client proves itself in TLS at the token endpoint (RFC 8705 2.1.2). Without one it is the
# subject of any of its certificates.
tls_client_names = Table(
    "tls_client_names",
    records,
    organization_id(),
    Column("project_id", String(36), primary_key=True),
    Column("environment", String(16), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("value", String(500), nullable=False),
    ForeignKeyConstraint(["project_id", "environment"], ["environments.project_id", "environments.name"]),
    CheckConstraint("kind IN ('subject_dn', 'san_dns', 'san_uri', 'san_ip', 'san_email')", name="kind"),
)

# Secrets that let a device enrol once (RFC 7030 3.2.3).
enrolment_secrets = Table(
    "enrolment_secrets",
    records,
    organization_id(),
    Column("id", String(36), primary_key=True),
    Column("project_id", String(36), ForeignKey("projects.id"), nullable=False),
    Column("environment", String(16), nullable=False),
    Column("alias", String(LONGEST_ALIAS), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("owner_id", String(36), ForeignKey("users.id")),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("revoked_at", Instant),
    in_environment(),
)
Index("ix_enrolment_secrets_project", enrolment_secrets.c.project_id, enrolment_secrets.c.created_at)

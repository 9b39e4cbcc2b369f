"""TLS client certificates: authorities that follow one another, those of others, and whose a subject and a key are."""

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_KINDS = "kind IN ('credential', 'project', 'organization', 'user', 'catalog', 'issuer', 'token', 'trust')"
_ENVIRONMENT = "environment IN ('SANDBOX', 'PRODUCTION')"


def upgrade() -> None:
    _authorities()
    _revocation_lists()
    _status_responders()
    _trusted_authorities()
    _foreign_revocation_lists()
    _credentials()
    _certificate_subjects()
    _certificate_keys()
    _tls_client_names()
    _enrolment_secrets()
    _changes()


def _organization() -> sa.Column[str]:
    return sa.Column("organization_id", sa.String(length=36), nullable=False)


def _authorities() -> None:
    op.add_column(
        "authorities", sa.Column("key_uri", sa.String(length=500), nullable=False, server_default=sa.text("''"))
    )
    op.add_column("authorities", sa.Column("signs_from", sa.BigInteger()))
    op.execute("UPDATE authorities SET signs_from = created_at")
    op.drop_index("uq_authorities_live", "authorities")
    for name, where in (
        ("uq_authorities_signing", "signs_from IS NOT NULL AND retired_at IS NULL"),
        ("uq_authorities_next", "signs_from IS NULL AND retired_at IS NULL"),
    ):
        op.create_index(
            name,
            "authorities",
            ["environment", "role"],
            unique=True,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )


def _revocation_lists() -> None:
    op.create_table(
        "revocation_lists",
        _organization(),
        sa.Column("authority_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.Column("entries_sha256", sa.String(length=64), nullable=False),
        sa.Column("der", sa.LargeBinary()),
        sa.Column("this_update", sa.BigInteger()),
        sa.Column("next_update", sa.BigInteger()),
        sa.ForeignKeyConstraint(["authority_id"], ["authorities.id"], name="fk_revocation_lists_authority_id"),
        sa.PrimaryKeyConstraint("authority_id", name="pk_revocation_lists"),
    )


def _status_responders() -> None:
    op.create_table(
        "status_responders",
        _organization(),
        sa.Column("authority_id", sa.String(length=36), nullable=False),
        sa.Column("certificate_der", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped_private_key", sa.LargeBinary(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["authority_id"], ["authorities.id"], name="fk_status_responders_authority_id"),
        sa.PrimaryKeyConstraint("authority_id", name="pk_status_responders"),
    )


def _trusted_authorities() -> None:
    op.create_table(
        "trusted_authorities",
        _organization(),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("certificate_der", sa.LargeBinary(), nullable=False),
        sa.Column("certificate_sha256", sa.String(length=64), nullable=False),
        sa.Column("is_anchor", sa.Boolean(), nullable=False),
        sa.Column("checks_revocation", sa.Boolean(), nullable=False),
        sa.Column("crl_url", sa.String(length=500), nullable=False, server_default=sa.text("''")),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.CheckConstraint(_ENVIRONMENT, name="ck_trusted_authorities_environment"),
        sa.PrimaryKeyConstraint("id", name="pk_trusted_authorities"),
        sa.UniqueConstraint(
            "environment", "certificate_sha256", name="uq_trusted_authorities_environment_certificate_sha256"
        ),
    )


def _foreign_revocation_lists() -> None:
    op.create_table(
        "foreign_revocation_lists",
        _organization(),
        sa.Column("trusted_authority_id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("der", sa.LargeBinary()),
        sa.Column("next_update", sa.BigInteger()),
        sa.Column("fetched_at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["trusted_authority_id"],
            ["trusted_authorities.id"],
            name="fk_foreign_revocation_lists_trusted_authority_id",
        ),
        sa.PrimaryKeyConstraint("trusted_authority_id", "url", name="pk_foreign_revocation_lists"),
    )


def _credentials() -> None:
    """SQLite adds a column with a foreign key as long as it may be null; only PostgreSQL gives the key a name."""
    op.add_column("credentials", sa.Column("certificate_sha256", sa.String(length=64)))
    op.execute(
        "ALTER TABLE credentials ADD COLUMN trusted_authority_id VARCHAR(36) "
        "CONSTRAINT fk_credentials_trusted_authority_id REFERENCES trusted_authorities (id)"
    )
    op.add_column("credentials", sa.Column("brought_chain", sa.Text()))
    credentials = sa.table(
        "credentials", sa.column("id"), sa.column("certificate_der"), sa.column("certificate_sha256")
    )
    bind = op.get_bind()
    for row in bind.execute(sa.select(credentials.c.id, credentials.c.certificate_der)).all():
        statement = credentials.update().where(credentials.c.id == row.id)
        bind.execute(statement.values(certificate_sha256=sha256(row.certificate_der).hexdigest()))
    op.create_index("ix_credentials_spki_sha256", "credentials", ["spki_sha256"])
    op.create_index("uq_credentials_certificate", "credentials", ["certificate_sha256"], unique=True)
    op.create_index("ix_certificates_authority", "certificates", ["authority_id", "not_after"])


def _certificate_subjects() -> None:
    op.create_table(
        "certificate_subjects",
        _organization(),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("subject_sha256", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.String(length=48), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(_ENVIRONMENT, name="ck_certificate_subjects_environment"),
        sa.PrimaryKeyConstraint("environment", "subject_sha256", name="pk_certificate_subjects"),
    )
    op.create_index("ix_certificate_subjects_credential_id", "certificate_subjects", ["credential_id"])


def _certificate_keys() -> None:
    op.create_table(
        "certificate_keys",
        _organization(),
        sa.Column("spki_sha256", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_certificate_keys_project_id"),
        sa.PrimaryKeyConstraint("spki_sha256", name="pk_certificate_keys"),
    )


def _tls_client_names() -> None:
    op.create_table(
        "tls_client_names",
        _organization(),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=500), nullable=False),
        sa.CheckConstraint(
            "kind IN ('subject_dn', 'san_dns', 'san_uri', 'san_ip', 'san_email')", name="ck_tls_client_names_kind"
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "environment"],
            ["environments.project_id", "environments.name"],
            name="fk_tls_client_names_project_id",
        ),
        sa.PrimaryKeyConstraint("project_id", "environment", name="pk_tls_client_names"),
    )


def _enrolment_secrets() -> None:
    op.create_table(
        "enrolment_secrets",
        _organization(),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("alias", sa.String(length=120), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=36)),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.CheckConstraint(_ENVIRONMENT, name="ck_enrolment_secrets_environment"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_enrolment_secrets_project_id"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_enrolment_secrets_owner_id"),
        sa.PrimaryKeyConstraint("id", name="pk_enrolment_secrets"),
        sa.UniqueConstraint("secret_hash", name="uq_enrolment_secrets_secret_hash"),
    )
    op.create_index("ix_enrolment_secrets_project", "enrolment_secrets", ["project_id", "created_at"])


def _changes() -> None:
    """What gates are told of gains a kind; see 0003 for how SQLite changes a constraint."""
    with op.batch_alter_table("changes") as changes:
        if op.get_bind().dialect.name == "postgresql":
            changes.drop_constraint("ck_changes_kind", type_="check")
        changes.create_check_constraint("ck_changes_kind", _KINDS)

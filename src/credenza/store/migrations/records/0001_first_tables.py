"""The first tables of the records."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _platform()
    _people()
    _catalog()
    _projects()
    _credentials()
    _changes()
    _idempotency_and_audit()
    _begin()


def _platform() -> None:
    op.create_table(
        "wrapped_secrets",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_wrapped_secrets"),
    )
    op.create_table(
        "one_time_links",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("token_hash", name="pk_one_time_links"),
    )
    op.create_table(
        "authorities",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("parent_id", sa.String(length=36)),
        sa.Column("certificate_der", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped_private_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger()),
        sa.CheckConstraint("environment IN ('SANDBOX', 'PRODUCTION')", name="ck_authorities_environment"),
        sa.CheckConstraint("role IN ('ROOT', 'ISSUING')", name="ck_authorities_role"),
        sa.ForeignKeyConstraint(["parent_id"], ["authorities.id"], name="fk_authorities_parent_id"),
        sa.PrimaryKeyConstraint("id", name="pk_authorities"),
    )
    op.create_index(
        "uq_authorities_live",
        "authorities",
        ["environment", "role"],
        unique=True,
        sqlite_where=sa.text("retired_at IS NULL"),
        postgresql_where=sa.text("retired_at IS NULL"),
    )


def _people() -> None:
    op.create_table(
        "organizations",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("project_limit", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("project_limit BETWEEN 0 AND 500", name="ck_organizations_project_limit"),
        sa.PrimaryKeyConstraint("organization_id", name="pk_organizations"),
        sa.UniqueConstraint("name", name="uq_organizations_name"),
    )
    op.create_table(
        "users",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
    )
    op.create_table(
        "memberships",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("role IN ('admin', 'compliance_admin', 'user', 'read_only')", name="ck_memberships_role"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name="fk_memberships_organization_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_memberships_user_id"),
        sa.PrimaryKeyConstraint("organization_id", "user_id", name="pk_memberships"),
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"])
    op.create_table(
        "access_tokens",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name="fk_access_tokens_organization_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_access_tokens_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_access_tokens"),
        sa.UniqueConstraint("token_hash", name="uq_access_tokens_token_hash"),
    )
    op.create_index("ix_access_tokens_owner", "access_tokens", ["organization_id", "user_id"])


def _catalog() -> None:
    op.create_table(
        "services",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("authentication", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "authentication IN ('OAUTH10A', 'DUAL_OAUTH', 'OAUTH2_FAPI', 'MTLS', 'CLIENT_SECRET')",
            name="ck_services_authentication",
        ),
        sa.CheckConstraint("status IN ('LIVE', 'RETIRED')", name="ck_services_status"),
        sa.PrimaryKeyConstraint("id", name="pk_services"),
        sa.UniqueConstraint("name", name="uq_services_name"),
    )
    op.create_table(
        "service_environments",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("path_prefix", sa.String(length=200), nullable=False),
        sa.Column("upstream", sa.String(length=500), nullable=False),
        sa.Column("validity_months", sa.Integer(), nullable=False),
        sa.Column("validity_days", sa.Integer()),
        sa.CheckConstraint("environment IN ('SANDBOX', 'PRODUCTION')", name="ck_service_environments_environment"),
        sa.CheckConstraint(
            "validity_days IS NULL OR validity_days BETWEEN 1 AND 1200", name="ck_service_environments_validity_days"
        ),
        sa.CheckConstraint("validity_months BETWEEN 1 AND 39", name="ck_service_environments_validity_months"),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name="fk_service_environments_service_id"),
        sa.PrimaryKeyConstraint("service_id", "environment", name="pk_service_environments"),
        sa.UniqueConstraint("environment", "path_prefix", name="uq_service_environments_environment_path_prefix"),
    )


def _projects() -> None:
    op.create_table(
        "projects",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("commercial_countries", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.String(length=36)),
        sa.Column("dual", sa.Boolean(), nullable=False),
        sa.Column("ambiguous_readings", sa.Boolean(), nullable=False),
        sa.Column("slot", sa.Integer()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger()),
        sa.CheckConstraint("type IN ('OAUTH10A', 'OAUTH2_FAPI', 'MTLS')", name="ck_projects_type"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name="fk_projects_organization_id"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_projects_owner_id"),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
    )
    op.create_index(
        "uq_projects_name",
        "projects",
        ["organization_id", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("uq_projects_slot", "projects", ["organization_id", "slot"], unique=True)
    op.create_table(
        "environments",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("client_id", sa.String(length=48), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("name IN ('SANDBOX', 'PRODUCTION')", name="ck_environments_name"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_environments_project_id"),
        sa.PrimaryKeyConstraint("project_id", "name", name="pk_environments"),
        sa.UniqueConstraint("client_id", name="uq_environments_client_id"),
    )
    op.create_table(
        "project_services",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('APPROVED', 'PENDING_APPROVAL')", name="ck_project_services_status"),
        sa.ForeignKeyConstraint(
            ["project_id", "environment"],
            ["environments.project_id", "environments.name"],
            name="fk_project_services_project_id",
        ),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name="fk_project_services_service_id"),
        sa.PrimaryKeyConstraint("project_id", "environment", "service_id", name="pk_project_services"),
    )
    op.create_table(
        "project_members",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(role = 'admin' AND slot BETWEEN 1 AND 10) OR (role = 'read_only' AND slot BETWEEN 1 AND 20)",
            name="ck_project_members_slot",
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_project_members_project_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_project_members_user_id"),
        sa.PrimaryKeyConstraint("project_id", "user_id", name="pk_project_members"),
        sa.UniqueConstraint("project_id", "role", "slot", name="uq_project_members_project_id_role_slot"),
    )
    op.create_index("ix_project_members_user_id", "project_members", ["user_id"])


def _credentials() -> None:
    op.create_table(
        "credentials",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("project_id", sa.String(length=36)),
        sa.Column("environment", sa.String(length=16)),
        sa.Column("service_id", sa.Integer()),
        sa.Column("client_id", sa.String(length=48), nullable=False),
        sa.Column("alias", sa.String(length=120), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("key_algorithm", sa.String(length=16), nullable=False),
        sa.Column("public_key_der", sa.LargeBinary(), nullable=False),
        sa.Column("spki_sha256", sa.String(length=64), nullable=False),
        sa.Column("certificate_der", sa.LargeBinary(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.Integer()),
        sa.Column("owner_id", sa.String(length=36)),
        sa.Column("predecessor_id", sa.String(length=48)),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("revoked_reason", sa.String(length=200), nullable=False),
        sa.CheckConstraint("(status = 'REVOKED') = (revoked_at IS NOT NULL)", name="ck_credentials_revoked"),
        sa.CheckConstraint("slot IS NULL OR status <> 'REVOKED'", name="ck_credentials_slot_free_after_revocation"),
        sa.CheckConstraint("status IN ('ACTIVE', 'INACTIVE', 'REVOKED')", name="ck_credentials_status"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_credentials_owner_id"),
        sa.ForeignKeyConstraint(["predecessor_id"], ["credentials.id"], name="fk_credentials_predecessor_id"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_credentials_project_id"),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name="fk_credentials_service_id"),
        sa.PrimaryKeyConstraint("id", name="pk_credentials"),
    )
    op.create_index("ix_credentials_expiry", "credentials", ["organization_id", "not_after"])
    op.create_index("ix_credentials_organization", "credentials", ["organization_id", "kind", "id"])
    op.create_index("ix_credentials_project", "credentials", ["project_id", "environment", "id"])
    op.create_index(
        "uq_credentials_key",
        "credentials",
        ["spki_sha256"],
        unique=True,
        sqlite_where=sa.text("kind IN ('SIGNING_KEY', 'ACCOUNT_KEY')"),
        postgresql_where=sa.text("kind IN ('SIGNING_KEY', 'ACCOUNT_KEY')"),
    )
    op.create_index(
        "uq_credentials_one_active",
        "credentials",
        ["project_id", "service_id", "environment", "kind"],
        unique=True,
        sqlite_where=sa.text("status = 'ACTIVE' AND kind IN ('RESPONSE_ENCRYPTION', 'REQUEST_SIGNATURE')"),
        postgresql_where=sa.text("status = 'ACTIVE' AND kind IN ('RESPONSE_ENCRYPTION', 'REQUEST_SIGNATURE')"),
    )
    op.create_index("uq_credentials_slot", "credentials", ["project_id", "slot"], unique=True)
    op.create_table(
        "certificates",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("authority_id", sa.String(length=36), nullable=False),
        sa.Column("serial_hex", sa.String(length=40), nullable=False),
        sa.Column("credential_id", sa.String(length=48), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("der", sa.LargeBinary()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(state = 'ISSUED') = (der IS NOT NULL)", name="ck_certificates_issued_has_bytes"),
        sa.CheckConstraint("state IN ('RESERVED', 'ISSUED', 'ABANDONED')", name="ck_certificates_state"),
        sa.ForeignKeyConstraint(["authority_id"], ["authorities.id"], name="fk_certificates_authority_id"),
        sa.PrimaryKeyConstraint("authority_id", "serial_hex", name="pk_certificates"),
    )
    op.create_index("ix_certificates_credential_id", "certificates", ["credential_id"])


def _changes() -> None:
    op.create_table(
        "change_counter",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_change_counter_one_row"),
        sa.PrimaryKeyConstraint("id", name="pk_change_counter"),
    )
    op.create_table(
        "changes",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "kind IN ('credential', 'project', 'organization', 'user', 'catalog')", name="ck_changes_kind"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_changes"),
    )
    op.create_table(
        "gates",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("lease_us", sa.BigInteger(), nullable=False),
        sa.Column("renewed_at", sa.BigInteger(), nullable=False),
        sa.Column("fenced", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gates"),
    )
    op.create_table(
        "timelines",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("timeline", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("timeline", name="pk_timelines"),
    )


def _idempotency_and_audit() -> None:
    op.create_table(
        "idempotency",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("reservation", sa.Text()),
        sa.Column("sealed_answer", sa.LargeBinary()),
        sa.Column("touched_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("answer_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("actor_id", "key_hash", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_expires_at", "idempotency", ["expires_at"])
    op.create_table(
        "audit_heads",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name="pk_audit_heads"),
    )
    op.create_table(
        "audit_entries",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=48), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("code", sa.String(length=48), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("outcome IN ('done', 'refused', 'failed')", name="ck_audit_entries_outcome"),
        sa.PrimaryKeyConstraint("organization_id", "sequence", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_project", "audit_entries", ["organization_id", "project_id", "sequence"])


def _begin() -> None:
    op.execute(
        "INSERT INTO change_counter (organization_id, id, number) VALUES ('00000000-0000-0000-0000-000000000000', 1, 0)"
    )
    if op.get_bind().dialect.name == "postgresql":
        # No gate can hold a lease yet, so the first revocation has none to outwait (`leases.await_reach`).
        op.execute(
            "INSERT INTO timelines (organization_id, timeline, first_seen_at) "
            "SELECT '00000000-0000-0000-0000-000000000000', "
            "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint, "
            "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        )

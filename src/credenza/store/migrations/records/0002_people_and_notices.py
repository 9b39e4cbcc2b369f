"""People prove who they are, are invited, and hear of what expires."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _proofs()
    _people()
    _notices()
    _lists()


def _proofs() -> None:
    op.create_table(
        "passwords",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("hash", sa.String(length=200), nullable=False),
        sa.Column("stands_alone", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_passwords_user_id"),
        sa.PrimaryKeyConstraint("user_id", name="pk_passwords"),
    )
    op.create_table(
        "authenticators",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("wrapped_secret", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_authenticators_user_id"),
        sa.PrimaryKeyConstraint("user_id", name="pk_authenticators"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_recovery_codes_user_id"),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name="pk_recovery_codes"),
    )
    op.create_table(
        "passkeys",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_passkeys_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
        sa.UniqueConstraint("credential_id", name="uq_passkeys_credential_id"),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id"])
    op.create_table(
        "identities",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("issuer", sa.String(length=200), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_identities_user_id"),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_identities"),
        sa.UniqueConstraint("issuer", "user_id", name="uq_identities_issuer_user_id"),
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])


def _people() -> None:
    op.add_column("one_time_links", sa.Column("user_id", sa.String(length=36)))
    op.create_table(
        "sessions",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("proven_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.CheckConstraint("method IN ('password', 'passkey', 'sso', 'link')", name="ck_sessions_method"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "invitations",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("project_id", sa.String(length=36)),
        sa.Column("project_role", sa.String(length=16)),
        sa.Column("invited_by", sa.String(length=36)),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger()),
        sa.Column("withdrawn_at", sa.BigInteger()),
        sa.CheckConstraint("role IN ('admin', 'compliance_admin', 'user', 'read_only')", name="ck_invitations_role"),
        sa.CheckConstraint("(project_id IS NULL) = (project_role IS NULL)", name="ck_invitations_project"),
        sa.ForeignKeyConstraint(["invited_by"], ["users.id"], name="fk_invitations_invited_by"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name="fk_invitations_organization_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
        sa.UniqueConstraint("token_hash", name="uq_invitations_token_hash"),
    )
    op.create_index(
        "uq_invitations_open",
        "invitations",
        ["organization_id", "email"],
        unique=True,
        sqlite_where=sa.text("accepted_at IS NULL AND withdrawn_at IS NULL"),
        postgresql_where=sa.text("accepted_at IS NULL AND withdrawn_at IS NULL"),
    )


def _notices() -> None:
    op.create_index("ix_credentials_not_after", "credentials", ["not_after", "id"])
    op.create_table(
        "notices",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("credential_id", sa.String(length=48), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("days IN (90, 60, 30, 15, 7, 1, 0)", name="ck_notices_days"),
        sa.ForeignKeyConstraint(["credential_id"], ["credentials.id"], name="fk_notices_credential_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("credential_id", "not_after", "days", name="uq_notices_credential_id_not_after_days"),
    )
    op.create_table(
        "inbox",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("read_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name="fk_inbox_notice_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_inbox_user_id"),
        sa.PrimaryKeyConstraint("user_id", "notice_id", name="pk_inbox"),
    )
    op.create_table(
        "webhooks",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("description", sa.String(length=120), nullable=False),
        sa.Column("wrapped_secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name="fk_webhooks_organization_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_organization_id", "webhooks", ["organization_id"])
    op.create_table(
        "outbox",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("notice_id", sa.String(length=36)),
        sa.Column("wrapped", sa.LargeBinary()),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.CheckConstraint("channel IN ('mail', 'webhook')", name="ck_outbox_channel"),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'failed', 'dropped')", name="ck_outbox_state"),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name="fk_outbox_notice_id"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("notice_id", "channel", "recipient", name="uq_outbox_notice_id_channel_recipient"),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "due_at"])
    op.create_index("ix_outbox_organization", "outbox", ["organization_id", "created_at"])
    op.create_table(
        "outages",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("lane", sa.String(length=64), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane", name="pk_outages"),
    )
    op.create_table(
        "calendar_feeds",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name="fk_calendar_feeds_organization_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_calendar_feeds_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_calendar_feeds"),
        sa.UniqueConstraint("token_hash", name="uq_calendar_feeds_token_hash"),
    )
    op.create_index("ix_calendar_feeds_owner", "calendar_feeds", ["organization_id", "user_id"])
    op.create_table(
        "chores",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("done_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_chores"),
    )


def _lists() -> None:
    """What lists of credentials are sorted and searched by."""
    column = sa.String(length=120).with_variant(sa.String(length=120, collation="C"), "postgresql")
    op.add_column("credentials", sa.Column("folded_alias", column, nullable=False, server_default=sa.text("''")))
    credentials = sa.table("credentials", sa.column("id"), sa.column("alias"), sa.column("folded_alias"))
    bind = op.get_bind()
    for row in bind.execute(sa.select(credentials.c.id, credentials.c.alias)).all():
        statement = credentials.update().where(credentials.c.id == row.id)
        bind.execute(statement.values(folded_alias=row.alias.casefold()[:120]))
    place = ["project_id", "environment"]
    op.create_index("ix_credentials_by_end", "credentials", [*place, "not_after", "id", "status"])
    op.create_index("ix_credentials_by_alias", "credentials", [*place, "folded_alias", "id", "status"])
    op.create_index("ix_credentials_search", "credentials", ["organization_id", "folded_alias"])
    op.create_index("ix_credentials_predecessor_id", "credentials", ["predecessor_id"])
    op.create_index("ix_audit_entries_subject", "audit_entries", ["organization_id", "subject", "sequence"])

"""Tokens are signed, introspected and revoked; services say what a token may be narrowed to."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_KINDS = "kind IN ('credential', 'project', 'organization', 'user', 'catalog', 'issuer', 'token')"
_ENVIRONMENT = "environment IN ('SANDBOX', 'PRODUCTION')"


def upgrade() -> None:
    _scopes()
    _token_keys()
    _resource_servers()
    _revoked_tokens()
    _changes()


def _scopes() -> None:
    op.create_table(
        "service_scopes",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("scope", sa.String(length=120), nullable=False),
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name="fk_service_scopes_service_id"),
        sa.PrimaryKeyConstraint("scope", name="pk_service_scopes"),
    )
    op.create_index("ix_service_scopes_service_id", "service_scopes", ["service_id"])


def _token_keys() -> None:
    op.create_table(
        "token_keys",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("issuer", sa.String(length=8), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("algorithm", sa.String(length=8), nullable=False),
        sa.Column("public_jwk", sa.Text(), nullable=False),
        sa.Column("wrapped_private_key", sa.LargeBinary(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.Column("signs_from", sa.BigInteger(), nullable=False),
        sa.Column("signs_until", sa.BigInteger()),
        sa.Column("published_until", sa.BigInteger()),
        sa.Column("retired_at", sa.BigInteger()),
        sa.CheckConstraint(_ENVIRONMENT, name="ck_token_keys_environment"),
        sa.CheckConstraint("issuer IN ('fapi2', 'compat')", name="ck_token_keys_issuer"),
        sa.CheckConstraint(
            "signs_from >= published_at + 600000000 OR (generation = 1 AND signs_from >= published_at)",
            name="ck_token_keys_published_first",
        ),
        sa.CheckConstraint("(signs_until IS NULL) = (published_until IS NULL)", name="ck_token_keys_ends"),
        sa.CheckConstraint("published_until >= signs_until", name="ck_token_keys_published_last"),
        sa.PrimaryKeyConstraint("kid", name="pk_token_keys"),
        sa.UniqueConstraint("environment", "issuer", "generation", name="uq_token_keys_environment_issuer_generation"),
    )


def _resource_servers() -> None:
    op.create_table(
        "resource_servers",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger()),
        sa.CheckConstraint(_ENVIRONMENT, name="ck_resource_servers_environment"),
        sa.PrimaryKeyConstraint("id", name="pk_resource_servers"),
        sa.UniqueConstraint("secret_hash", name="uq_resource_servers_secret_hash"),
    )
    op.create_index(
        "uq_resource_servers_name",
        "resource_servers",
        ["environment", "name"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )


def _revoked_tokens() -> None:
    op.create_table(
        "revoked_tokens",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("jti_hash", sa.String(length=64), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(_ENVIRONMENT, name="ck_revoked_tokens_environment"),
        sa.PrimaryKeyConstraint("jti_hash", name="pk_revoked_tokens"),
    )
    op.create_index("ix_revoked_tokens_expires_at", "revoked_tokens", ["expires_at"])


def _changes() -> None:
    """What gates are told of gains two kinds. SQLite changes no constraint: there the table is copied into another,
    which Alembic makes without the old one."""
    with op.batch_alter_table("changes") as changes:
        if op.get_bind().dialect.name == "postgresql":
            changes.drop_constraint("ck_changes_kind", type_="check")
        changes.create_check_constraint("ck_changes_kind", _KINDS)

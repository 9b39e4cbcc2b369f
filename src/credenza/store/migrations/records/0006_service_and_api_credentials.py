"""Keys that protect payloads, the tree of accounts and workspaces, and what client secrets may do in it."""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_KINDS = (
    "kind IN ('credential', 'project', 'organization', 'user', 'catalog', 'issuer', 'token', 'trust', 'service_key')"
)
_ENVIRONMENT = "environment IN ('SANDBOX', 'PRODUCTION')"
_ROLE_CHECKS = {
    "role": "role IN ('admin', 'compliance_admin', 'user', 'read_only', 'custom')",
    "custom_role": "(role = 'custom') = (custom_role_id IS NOT NULL)",
}
_API_CLIENT = sa.text("kind = 'CLIENT_SECRET'")


def upgrade() -> None:
    _roles()
    _tree()
    _catalog()
    _credentials()
    _service_private_keys()
    _api_credentials()
    _api_grants()
    _api_places()
    _client_secrets()
    _token_keys()
    _checked("changes", {"kind": _KINDS}, new=())


def _organization() -> sa.Column[str]:
    return sa.Column("organization_id", sa.String(length=36), nullable=False)


def _credential() -> sa.Column[str]:
    return sa.Column("credential_id", sa.String(length=48), nullable=False)


def _checked(
    table: str, checks: Mapping[str, str], *, new: tuple[str, ...], column: sa.Column[str] | None = None
) -> None:
    """Give a table other check constraints. SQLite changes none: there the table is copied into another, which Alembic
    makes without any of the old ones, so `checks` are all of them. PostgreSQL has old ones to drop, the `new` aside."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    with op.batch_alter_table(table) as batch:
        if column is not None:
            batch.add_column(column)
            batch.create_foreign_key(f"fk_{table}_{column.name}", "custom_roles", [column.name], ["id"])
        for name, condition in checks.items():
            if postgresql and name not in new:
                batch.drop_constraint(f"ck_{table}_{name}", type_="check")
            batch.create_check_constraint(f"ck_{table}_{name}", condition)


def _roles() -> None:
    op.create_table(
        "custom_roles",
        _organization(),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("actions", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name="fk_custom_roles_organization_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_custom_roles"),
    )
    _unique_among("custom_roles", "uq_custom_roles_name", ["organization_id", "name"], "removed_at IS NULL")
    of_project = "(project_id IS NULL) = (project_role IS NULL)"
    _checked("memberships", _ROLE_CHECKS, new=("custom_role",), column=_custom_role_id())
    _checked("invitations", {**_ROLE_CHECKS, "project": of_project}, new=("custom_role",), column=_custom_role_id())


def _custom_role_id() -> sa.Column[str]:
    return sa.Column("custom_role_id", sa.String(length=36))


def _unique_among(table: str, name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=True, sqlite_where=where, postgresql_where=where)


def _tree() -> None:
    op.create_table(
        "accounts",
        _organization(),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name="fk_accounts_organization_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("organization_id", "id", name="uq_accounts_organization_id_id"),
    )
    _unique_among("accounts", "uq_accounts_name", ["organization_id", "name"], "archived_at IS NULL")
    op.create_table(
        "workspaces",
        _organization(),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["organization_id", "account_id"],
            ["accounts.organization_id", "accounts.id"],
            name="fk_workspaces_organization_id",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_workspaces"),
    )
    _unique_among("workspaces", "uq_workspaces_name", ["account_id", "name"], "archived_at IS NULL")
    op.create_index("ix_workspaces_organization_id", "workspaces", ["organization_id"])


def _catalog() -> None:
    op.execute(
        "ALTER TABLE services ADD COLUMN scope_level VARCHAR(12) CONSTRAINT ck_services_scope_level "
        "CHECK (scope_level IS NULL OR scope_level IN ('ORGANIZATION', 'ACCOUNT', 'WORKSPACE'))"
    )
    op.add_column("services", sa.Column("scope_fixed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("services", sa.Column("audience", sa.String(length=200)))
    op.execute(
        "ALTER TABLE services ADD COLUMN token_life_s INTEGER CONSTRAINT ck_services_token_life_s "
        "CHECK (token_life_s IS NULL OR token_life_s BETWEEN 60 AND 28800)"
    )
    op.execute(
        "ALTER TABLE services ADD COLUMN calls_per_minute INTEGER CONSTRAINT ck_services_calls_per_minute "
        "CHECK (calls_per_minute IS NULL OR calls_per_minute > 0)"
    )
    op.add_column("services", sa.Column("admits_unmapped", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("service_environments", sa.Column("payload_rules", sa.Text()))
    op.create_table(
        "service_permissions",
        _organization(),
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name="fk_service_permissions_service_id"),
        sa.PrimaryKeyConstraint("service_id", "name", name="pk_service_permissions"),
    )
    op.create_table(
        "service_routes",
        _organization(),
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("path", sa.String(length=300), nullable=False),
        sa.Column("permission", sa.String(length=40), nullable=False),
        sa.Column("account_variable", sa.String(length=40)),
        sa.Column("workspace_variable", sa.String(length=40)),
        _permission_of("service_routes"),
        sa.PrimaryKeyConstraint("service_id", "position", name="pk_service_routes"),
        sa.UniqueConstraint("service_id", "method", "path", name="uq_service_routes_service_id_method_path"),
    )


def _permission_of(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["service_id", "permission"],
        ["service_permissions.service_id", "service_permissions.name"],
        name=f"fk_{table}_service_id",
    )


def _credentials() -> None:
    op.add_column("credentials", sa.Column("inactive_since", sa.BigInteger()))
    op.create_index(
        "uq_credentials_api_client",
        "credentials",
        ["client_id"],
        unique=True,
        sqlite_where=_API_CLIENT,
        postgresql_where=_API_CLIENT,
    )


def _service_private_keys() -> None:
    op.create_table(
        "service_private_keys",
        _organization(),
        _credential(),
        sa.Column("wrapped_private_key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["credential_id"], ["credentials.id"], name="fk_service_private_keys_credential_id"),
        sa.PrimaryKeyConstraint("credential_id", name="pk_service_private_keys"),
    )


def _api_credentials() -> None:
    op.create_table(
        "api_credentials",
        _organization(),
        _credential(),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("networks", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["credential_id"], ["credentials.id"], name="fk_api_credentials_credential_id"),
        sa.PrimaryKeyConstraint("credential_id", name="pk_api_credentials"),
    )


def _api_grants() -> None:
    op.create_table(
        "api_grants",
        _organization(),
        _credential(),
        sa.Column("service_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("permission", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["api_credentials.credential_id"], name="fk_api_grants_credential_id"
        ),
        _permission_of("api_grants"),
        sa.PrimaryKeyConstraint("credential_id", "service_id", "permission", name="pk_api_grants"),
    )
    op.create_index("ix_api_grants_permission", "api_grants", ["service_id", "permission"])


def _api_places() -> None:
    op.create_table(
        "api_places",
        _organization(),
        _credential(),
        sa.Column("service_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["api_credentials.credential_id"], name="fk_api_places_credential_id"
        ),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name="fk_api_places_service_id"),
        sa.PrimaryKeyConstraint("credential_id", "service_id", "place_id", name="pk_api_places"),
    )
    op.create_index("ix_api_places_place_id", "api_places", ["place_id"])


def _client_secrets() -> None:
    op.create_table(
        "client_secrets",
        _organization(),
        sa.Column("id", sa.String(length=36), nullable=False),
        _credential(),
        sa.Column("slot", sa.Integer()),
        sa.Column("prefix", sa.String(length=24), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("deleted_at", sa.BigInteger()),
        sa.CheckConstraint("(slot IS NULL) = (deleted_at IS NOT NULL)", name="ck_client_secrets_deleted_has_no_slot"),
        sa.CheckConstraint("slot IS NULL OR slot BETWEEN 1 AND 2", name="ck_client_secrets_slot"),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["api_credentials.credential_id"], name="fk_client_secrets_credential_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_client_secrets"),
        sa.UniqueConstraint("secret_hash", name="uq_client_secrets_secret_hash"),
        sa.UniqueConstraint("credential_id", "slot", name="uq_client_secrets_credential_id_slot"),
    )


def _token_keys() -> None:
    """Keys that sign answers follow one another as those of tokens do."""
    published_first = "signs_from >= published_at + 600000000 OR (generation = 1 AND signs_from >= published_at)"
    checks = {
        "environment": _ENVIRONMENT,
        "issuer": "issuer IN ('fapi2', 'compat', 'payload')",
        "published_first": published_first,
        "ends": "(signs_until IS NULL) = (published_until IS NULL)",
        "published_last": "published_until >= signs_until",
    }
    _checked("token_keys", checks, new=())

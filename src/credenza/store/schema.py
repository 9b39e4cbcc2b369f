"""Tables. The unique and check constraints are the last line of the business rules; `domain` gives them their words.

Every table carries `organization_id` (PLATFORM for what belongs to none), so that one organization can be moved or
split off. Two sets of tables: `records`, the truth, and `traces`, what calls leave behind. On SQLite they live in two
files, because a gate looks at the first one's `data_version` before every decision and traces must not move it.

Times are whole or fractional seconds since the epoch, UTC, as integers of microseconds (`Instant`).
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    literal_column,
    text,
)
from sqlalchemy.engine import Dialect

from credenza.store.instants import at_micros, micros


class Instant(TypeDecorator[datetime]):
    """An aware UTC time as microseconds since the epoch: the same on both databases, and without a zone to lose."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else micros(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else at_micros(value)


NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
records = MetaData(naming_convention=NAMES)
traces = MetaData(naming_convention=NAMES)


def _organization() -> Column[str]:
    return Column("organization_id", String(36), nullable=False)


# --- the platform itself ---------------------------------------------------------------------------------------------

wrapped_secrets = Table(
    "wrapped_secrets",
    records,
    _organization(),
    Column("name", String(64), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

one_time_links = Table(
    "one_time_links",
    records,
    _organization(),
    Column("token_hash", String(64), primary_key=True),
    Column("purpose", String(32), nullable=False),
    Column("user_id", String(36)),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)

authorities = Table(
    "authorities",
    records,
    _organization(),
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
    CheckConstraint("environment IN ('SANDBOX', 'PRODUCTION')", name="environment"),
)
_SIGNING_AUTHORITY = authorities.c.signs_from.is_not(None) & authorities.c.retired_at.is_(None)
_NEXT_AUTHORITY = authorities.c.signs_from.is_(None) & authorities.c.retired_at.is_(None)
Index(
    "uq_authorities_signing",
    authorities.c.environment,
    authorities.c.role,
    unique=True,
    sqlite_where=_SIGNING_AUTHORITY,
    postgresql_where=_SIGNING_AUTHORITY,
)
Index(
    "uq_authorities_next",
    authorities.c.environment,
    authorities.c.role,
    unique=True,
    sqlite_where=_NEXT_AUTHORITY,
    postgresql_where=_NEXT_AUTHORITY,
)

# The newest list of each authority (RFC 5280 5). `number` is taken before it is signed, and never twice; there is no
# list yet while `der` is null. `change_number` is the last change of the sequence that the list knows of.
revocation_lists = Table(
    "revocation_lists",
    records,
    _organization(),
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
    _organization(),
    Column("authority_id", String(36), ForeignKey("authorities.id"), primary_key=True),
    Column("certificate_der", LargeBinary, nullable=False),
    Column("wrapped_private_key", LargeBinary, nullable=False),
    Column("not_after", Instant, nullable=False),
)

# Authorities of others whose certificates may be brought along, by environment (product row C5).
trusted_authorities = Table(
    "trusted_authorities",
    records,
    _organization(),
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
    CheckConstraint("environment IN ('SANDBOX', 'PRODUCTION')", name="environment"),
)

# The newest lists that trusted authorities, and those below them, were found to publish, and what went wrong with the
# last look.
foreign_revocation_lists = Table(
    "foreign_revocation_lists",
    records,
    _organization(),
    Column("trusted_authority_id", String(36), ForeignKey("trusted_authorities.id"), primary_key=True),
    Column("url", String(500), primary_key=True),
    Column("der", LargeBinary),
    Column("next_update", Instant),
    Column("fetched_at", Instant, nullable=False),
    Column("error", String(300), nullable=False),
)

# --- people ----------------------------------------------------------------------------------------------------------

organizations = Table(
    "organizations",
    records,
    Column("organization_id", String(36), primary_key=True),
    Column("name", String(120), nullable=False, unique=True),
    Column("project_limit", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("project_limit BETWEEN 0 AND 500", name="project_limit"),
)

users = Table(
    "users",
    records,
    _organization(),
    Column("id", String(36), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
)

# Roles that an organization has made of single actions (`domain.access.Action`): a JSON list of them.
custom_roles = Table(
    "custom_roles",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("actions", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("removed_at", Instant),
)
_LIVE_ROLE = custom_roles.c.removed_at.is_(None)
Index(
    "uq_custom_roles_name",
    custom_roles.c.organization_id,
    custom_roles.c.name,
    unique=True,
    sqlite_where=_LIVE_ROLE,
    postgresql_where=_LIVE_ROLE,
)
_ROLES = "role IN ('admin', 'compliance_admin', 'user', 'read_only', 'custom')"
_ROLE_NAMED = "(role = 'custom') = (custom_role_id IS NOT NULL)"

memberships = Table(
    "memberships",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("role", String(24), nullable=False),
    Column("custom_role_id", String(36), ForeignKey("custom_roles.id")),
    Column("created_at", Instant, nullable=False),
    CheckConstraint(_ROLES, name="role"),
    CheckConstraint(_ROLE_NAMED, name="custom_role"),
)
Index("ix_memberships_user_id", memberships.c.user_id)

access_tokens = Table(
    "access_tokens",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id"), nullable=False),
    Column("name", String(120), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)
Index("ix_access_tokens_owner", access_tokens.c.organization_id, access_tokens.c.user_id)

# --- how people prove who they are -----------------------------------------------------------------------------------


def _user() -> Column[str]:
    return Column("user_id", String(36), ForeignKey("users.id"), nullable=False)


passwords = Table(
    "passwords",
    records,
    _organization(),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("hash", String(200), nullable=False),
    Column("stands_alone", Boolean, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

# Time-based codes (RFC 6238). `last_step` is the newest time step used: a code is good once.
authenticators = Table(
    "authenticators",
    records,
    _organization(),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("wrapped_secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
)

recovery_codes = Table(
    "recovery_codes",
    records,
    _organization(),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
    Column("used_at", Instant),
)

passkeys = Table(
    "passkeys",
    records,
    _organization(),
    Column("id", String(36), primary_key=True),
    _user(),
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
    _organization(),
    Column("issuer", String(200), primary_key=True),
    Column("subject", String(255), primary_key=True),
    _user(),
    Column("created_at", Instant, nullable=False),
    # Whose address another person is given at the provider is not signed in as by that person.
    UniqueConstraint("issuer", "user_id"),
)
Index("ix_identities_user_id", identities.c.user_id)

sessions = Table(
    "sessions",
    records,
    _organization(),
    Column("id", String(36), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    _user(),
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

invitations = Table(
    "invitations",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("email", String(254), nullable=False),
    Column("role", String(24), nullable=False),
    Column("custom_role_id", String(36), ForeignKey("custom_roles.id")),
    Column("project_id", String(36)),
    Column("project_role", String(16)),
    Column("invited_by", String(36), ForeignKey("users.id")),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("accepted_at", Instant),
    Column("withdrawn_at", Instant),
    CheckConstraint(_ROLES, name="role"),
    CheckConstraint(_ROLE_NAMED, name="custom_role"),
    CheckConstraint("(project_id IS NULL) = (project_role IS NULL)", name="project"),
)
_OPEN_INVITATION = invitations.c.accepted_at.is_(None) & invitations.c.withdrawn_at.is_(None)
Index(
    "uq_invitations_open",
    invitations.c.organization_id,
    invitations.c.email,
    unique=True,
    sqlite_where=_OPEN_INVITATION,
    postgresql_where=_OPEN_INVITATION,
)

# --- the tree: organization, account, workspace ----------------------------------------------------------------------

accounts = Table(
    "accounts",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    UniqueConstraint("organization_id", "id"),
)
_LIVE_ACCOUNT = accounts.c.archived_at.is_(None)
Index(
    "uq_accounts_name",
    accounts.c.organization_id,
    accounts.c.name,
    unique=True,
    sqlite_where=_LIVE_ACCOUNT,
    postgresql_where=_LIVE_ACCOUNT,
)

# A workspace lies in an account of its own organization, and nowhere else.
workspaces = Table(
    "workspaces",
    records,
    Column("organization_id", String(36), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("account_id", String(36), nullable=False),
    Column("name", String(120), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    ForeignKeyConstraint(["organization_id", "account_id"], ["accounts.organization_id", "accounts.id"]),
)
_LIVE_WORKSPACE = workspaces.c.archived_at.is_(None)
Index(
    "uq_workspaces_name",
    workspaces.c.account_id,
    workspaces.c.name,
    unique=True,
    sqlite_where=_LIVE_WORKSPACE,
    postgresql_where=_LIVE_WORKSPACE,
)
Index("ix_workspaces_organization_id", workspaces.c.organization_id)

# --- catalog ---------------------------------------------------------------------------------------------------------

services = Table(
    "services",
    records,
    _organization(),
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(120), nullable=False, unique=True),
    Column("authentication", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    # What client secrets need to know: at which level of the tree scope is chosen, or that it is all of that level.
    Column("scope_level", String(12)),
    Column("scope_fixed", Boolean, nullable=False, server_default=false()),
    Column("audience", String(200)),
    Column("token_life_s", Integer),
    Column("calls_per_minute", Integer),
    Column("admits_unmapped", Boolean, nullable=False, server_default=false()),
    CheckConstraint(
        "authentication IN ('OAUTH10A', 'DUAL_OAUTH', 'OAUTH2_FAPI', 'MTLS', 'CLIENT_SECRET')", name="authentication"
    ),
    CheckConstraint("status IN ('LIVE', 'RETIRED')", name="status"),
    CheckConstraint(
        "scope_level IS NULL OR scope_level IN ('ORGANIZATION', 'ACCOUNT', 'WORKSPACE')", name="scope_level"
    ),
    CheckConstraint("token_life_s IS NULL OR token_life_s BETWEEN 60 AND 28800", name="token_life_s"),
    CheckConstraint("calls_per_minute IS NULL OR calls_per_minute > 0", name="calls_per_minute"),
)

service_environments = Table(
    "service_environments",
    records,
    _organization(),
    Column("service_id", Integer, ForeignKey("services.id"), primary_key=True),
    Column("environment", String(16), primary_key=True),
    Column("path_prefix", String(200), nullable=False),
    Column("upstream", String(500), nullable=False),
    Column("validity_months", Integer, nullable=False),
    Column("validity_days", Integer),
    # What is encrypted and signed, as JSON (`protocol.payload_rules`); null: nothing is.
    Column("payload_rules", Text),
    UniqueConstraint("environment", "path_prefix"),
    CheckConstraint("environment IN ('SANDBOX', 'PRODUCTION')", name="environment"),
    CheckConstraint("validity_months BETWEEN 1 AND 39", name="validity_months"),
    CheckConstraint("validity_days IS NULL OR validity_days BETWEEN 1 AND 1200", name="validity_days"),
)

# What a token may be narrowed to (RFC 6749 3.3), by the service that it opens: a name opens one service only.
service_scopes = Table(
    "service_scopes",
    records,
    _organization(),
    Column("scope", String(120), primary_key=True),
    Column("service_id", Integer, ForeignKey("services.id"), nullable=False),
)
Index("ix_service_scopes_service_id", service_scopes.c.service_id)

# What an API credential may be permitted to do at a service that takes client secrets (product row D3).
service_permissions = Table(
    "service_permissions",
    records,
    _organization(),
    Column("service_id", Integer, ForeignKey("services.id"), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("description", String(200), nullable=False),
)

# Which permission a call needs, and which variables of its path name the account or workspace that it is about.
service_routes = Table(
    "service_routes",
    records,
    _organization(),
    Column("service_id", Integer, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("method", String(16), nullable=False),
    Column("path", String(300), nullable=False),
    Column("permission", String(40), nullable=False),
    Column("account_variable", String(40)),
    Column("workspace_variable", String(40)),
    UniqueConstraint("service_id", "method", "path"),
    ForeignKeyConstraint(["service_id", "permission"], ["service_permissions.service_id", "service_permissions.name"]),
)

# --- projects --------------------------------------------------------------------------------------------------------

projects = Table(
    "projects",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("type", String(16), nullable=False),
    Column("region", String(64), nullable=False),
    Column("company", Text, nullable=False),
    Column("commercial_countries", Text, nullable=False),
    Column("owner_id", String(36), ForeignKey("users.id")),
    Column("dual", Boolean, nullable=False),
    Column("ambiguous_readings", Boolean, nullable=False),
    Column("slot", Integer),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    CheckConstraint("type IN ('OAUTH10A', 'OAUTH2_FAPI', 'MTLS')", name="type"),
)
_LIVE_PROJECT = projects.c.deleted_at.is_(None)
Index(
    "uq_projects_name",
    projects.c.organization_id,
    projects.c.name,
    unique=True,
    sqlite_where=_LIVE_PROJECT,
    postgresql_where=_LIVE_PROJECT,
)
# The organization's quota of projects, as places: two actors cannot take the same one, and none is above the quota.
Index("uq_projects_slot", projects.c.organization_id, projects.c.slot, unique=True)

environments = Table(
    "environments",
    records,
    _organization(),
    Column("project_id", String(36), ForeignKey("projects.id"), primary_key=True),
    Column("name", String(16), primary_key=True),
    Column("client_id", String(48), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("name IN ('SANDBOX', 'PRODUCTION')", name="name"),
)

project_services = Table(
    "project_services",
    records,
    _organization(),
    Column("project_id", String(36), primary_key=True),
    Column("environment", String(16), primary_key=True),
    Column("service_id", Integer, ForeignKey("services.id"), primary_key=True),
    Column("status", String(24), nullable=False),
    Column("created_at", Instant, nullable=False),
    ForeignKeyConstraint(["project_id", "environment"], ["environments.project_id", "environments.name"]),
    CheckConstraint("status IN ('APPROVED', 'PENDING_APPROVAL')", name="status"),
)

project_members = Table(
    "project_members",
    records,
    _organization(),
    Column("project_id", String(36), ForeignKey("projects.id"), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("slot", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    # At most 10 admins (the owner is one of them) and 20 read-only members: places, not counts.
    UniqueConstraint("project_id", "role", "slot"),
    CheckConstraint(
        "(role = 'admin' AND slot BETWEEN 1 AND 10) OR (role = 'read_only' AND slot BETWEEN 1 AND 20)", name="slot"
    ),
)
Index("ix_project_members_user_id", project_members.c.user_id)

# --- credentials -----------------------------------------------------------------------------------------------------

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
    _organization(),
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
    sqlite_where=_UNIQUE_KEY,
    postgresql_where=_UNIQUE_KEY,
)
Index("ix_credentials_spki_sha256", credentials.c.spki_sha256)
Index("uq_credentials_certificate", credentials.c.certificate_sha256, unique=True)
Index(
    "uq_credentials_api_client",
    credentials.c.client_id,
    unique=True,
    sqlite_where=IS_API_CREDENTIAL,
    postgresql_where=IS_API_CREDENTIAL,
)
Index("uq_credentials_slot", credentials.c.project_id, credentials.c.slot, unique=True)
Index(
    "uq_credentials_one_active",
    credentials.c.project_id,
    credentials.c.service_id,
    credentials.c.environment,
    credentials.c.kind,
    unique=True,
    sqlite_where=_ONE_ACTIVE,
    postgresql_where=_ONE_ACTIVE,
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
    sqlite_where=IS_API_CREDENTIAL,
    postgresql_where=IS_API_CREDENTIAL,
)
Index(
    "ix_credentials_api_by_end",
    credentials.c.organization_id,
    credentials.c.not_after,
    credentials.c.id,
    sqlite_where=IS_API_CREDENTIAL,
    postgresql_where=IS_API_CREDENTIAL,
)
Index("ix_credentials_predecessor_id", credentials.c.predecessor_id)
Index("ix_credentials_not_after", credentials.c.not_after, credentials.c.id)

# Private keys that the platform holds for its partners: those of Client Encryption Keys.
service_private_keys = Table(
    "service_private_keys",
    records,
    _organization(),
    Column("credential_id", String(48), ForeignKey("credentials.id"), primary_key=True),
    Column("wrapped_private_key", LargeBinary, nullable=False),
)

# What an API credential has besides its row among the credentials. `version` is what two editors race for. A deleted
# one has no secrets, grants and places any more; its row stays, so that its id means the same in every log.
api_credentials = Table(
    "api_credentials",
    records,
    _organization(),
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
    _organization(),
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
    _organization(),
    Column("credential_id", String(48), ForeignKey("api_credentials.credential_id"), primary_key=True),
    Column("service_id", Integer, ForeignKey("services.id"), primary_key=True, autoincrement=False),
    Column("place_id", String(36), primary_key=True),
)
Index("ix_api_places_place_id", api_places.c.place_id)

# Two live side by side at most, by their places. Kept as keyed hashes.
client_secrets = Table(
    "client_secrets",
    records,
    _organization(),
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

certificates = Table(
    "certificates",
    records,
    _organization(),
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
    _organization(),
    Column("environment", String(16), primary_key=True),
    Column("subject_sha256", String(64), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("credential_id", String(48), nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("environment IN ('SANDBOX', 'PRODUCTION')", name="environment"),
)
Index("ix_certificate_subjects_credential_id", certificate_subjects.c.credential_id)

# Whose a certified key is: a project may certify its own again, and nobody else may.
certificate_keys = Table(
    "certificate_keys",
    records,
    _organization(),
    Column("spki_sha256", String(64), primary_key=True),
    Column("project_id", String(36), ForeignKey("projects.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
)

# The one name by which a client proves itself in TLS at the token endpoint (RFC 8705 2.1.2). Without one it is the
# subject of any of its certificates.
tls_client_names = Table(
    "tls_client_names",
    records,
    _organization(),
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
    _organization(),
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
    CheckConstraint("environment IN ('SANDBOX', 'PRODUCTION')", name="environment"),
)
Index("ix_enrolment_secrets_project", enrolment_secrets.c.project_id, enrolment_secrets.c.created_at)

# --- token server ----------------------------------------------------------------------------------------------------

# Keys that sign tokens, one line of them per environment and issuer. The generation is what two nodes race for, and a
# key that no cache can know of yet does not sign: ten minutes, except for the very first.
token_keys = Table(
    "token_keys",
    records,
    _organization(),
    Column("kid", String(43), primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("issuer", String(8), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("algorithm", String(8), nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("wrapped_private_key", LargeBinary, nullable=False),
    Column("published_at", Instant, nullable=False),
    Column("signs_from", Instant, nullable=False),
    Column("signs_until", Instant),
    Column("published_until", Instant),
    Column("retired_at", Instant),
    UniqueConstraint("environment", "issuer", "generation"),
    CheckConstraint("environment IN ('SANDBOX', 'PRODUCTION')", name="environment"),
    # `payload` signs answers (x-jws-signature), and no tokens.
    CheckConstraint("issuer IN ('fapi2', 'compat', 'payload')", name="issuer"),
    CheckConstraint(
        "signs_from >= published_at + 600000000 OR (generation = 1 AND signs_from >= published_at)",
        name="published_first",
    ),
    CheckConstraint("(signs_until IS NULL) = (published_until IS NULL)", name="ends"),
    CheckConstraint("published_until >= signs_until", name="published_last"),
)

# Who may ask about tokens (RFC 7662).
resource_servers = Table(
    "resource_servers",
    records,
    _organization(),
    Column("id", String(36), primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("name", String(120), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("removed_at", Instant),
    CheckConstraint("environment IN ('SANDBOX', 'PRODUCTION')", name="environment"),
)
Index(
    "uq_resource_servers_name",
    resource_servers.c.environment,
    resource_servers.c.name,
    unique=True,
    sqlite_where=resource_servers.c.removed_at.is_(None),
    postgresql_where=resource_servers.c.removed_at.is_(None),
)

# Tokens that were revoked one by one (RFC 7009), until they would have ended anyway.
revoked_tokens = Table(
    "revoked_tokens",
    records,
    _organization(),
    Column("jti_hash", String(64), primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant, nullable=False),
    CheckConstraint("environment IN ('SANDBOX', 'PRODUCTION')", name="environment"),
)
Index("ix_revoked_tokens_expires_at", revoked_tokens.c.expires_at)

# --- notices ---------------------------------------------------------------------------------------------------------

# That a credential's end comes near, said once per day of the list: the constraint is what makes two nodes agree.
notices = Table(
    "notices",
    records,
    _organization(),
    Column("id", String(36), primary_key=True),
    Column("credential_id", String(48), ForeignKey("credentials.id"), nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("days", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("credential_id", "not_after", "days"),
    CheckConstraint("days IN (90, 60, 30, 15, 7, 1, 0)", name="days"),
)

inbox = Table(
    "inbox",
    records,
    _organization(),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("notice_id", String(36), ForeignKey("notices.id"), primary_key=True),
    Column("read_at", Instant),
)

webhooks = Table(
    "webhooks",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("url", String(500), nullable=False),
    Column("description", String(120), nullable=False),
    Column("wrapped_secret", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("removed_at", Instant),
)
Index("ix_webhooks_organization_id", webhooks.c.organization_id)

# What is to be sent. `id` is the Message-ID's left half, or the webhook id: a repeat carries the same one.
# `wrapped` is the content under the key-encryption key, because invitations and resets carry links; gone once sent.
outbox = Table(
    "outbox",
    records,
    _organization(),
    Column("id", String(36), primary_key=True),
    Column("channel", String(8), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("recipient", String(254), nullable=False),
    Column("notice_id", String(36), ForeignKey("notices.id")),
    Column("wrapped", LargeBinary),
    Column("state", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("claimed_until", Instant),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("error", String(300), nullable=False),
    UniqueConstraint("notice_id", "channel", "recipient"),
    CheckConstraint("channel IN ('mail', 'webhook')", name="channel"),
    CheckConstraint("state IN ('waiting', 'sent', 'failed', 'dropped')", name="state"),
)
Index("ix_outbox_due", outbox.c.state, outbox.c.due_at)
Index("ix_outbox_organization", outbox.c.organization_id, outbox.c.created_at)

# Receivers that are away: nobody tries them before `until`. A lane is the mail server, or one webhook.
outages = Table(
    "outages",
    records,
    _organization(),
    Column("lane", String(64), primary_key=True),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
)

calendar_feeds = Table(
    "calendar_feeds",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    _user(),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)
Index("ix_calendar_feeds_owner", calendar_feeds.c.organization_id, calendar_feeds.c.user_id)

# Work that one node at a time does: whoever holds the row until `until`.
chores = Table(
    "chores",
    records,
    _organization(),
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", Instant, nullable=False),
    Column("done_until", Instant, nullable=False),
)

# --- changes, leases, idempotency, audit -----------------------------------------------------------------------------

change_counter = Table(
    "change_counter",
    records,
    _organization(),
    Column("id", Integer, primary_key=True),
    Column("number", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

changes = Table(
    "changes",
    records,
    _organization(),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    CheckConstraint(
        "kind IN ('credential', 'project', 'organization', 'user', 'catalog', 'issuer', 'token', 'trust', "
        "'service_key')",
        name="kind",
    ),
)

gates = Table(
    "gates",
    records,
    _organization(),
    Column("id", String(36), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("applied", BigInteger, nullable=False),
    Column("lease_us", BigInteger, nullable=False),
    Column("renewed_at", Instant, nullable=False),
    Column("fenced", Boolean, nullable=False),
    Column("memory", String(64), nullable=False, server_default=text("''")),
)

timelines = Table(
    "timelines",
    records,
    _organization(),
    Column("timeline", BigInteger, primary_key=True, autoincrement=False),
    Column("first_seen_at", Instant, nullable=False),
)

idempotency = Table(
    "idempotency",
    records,
    _organization(),
    Column("actor_id", String(64), primary_key=True),
    Column("key_hash", String(64), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("reservation", Text),
    Column("sealed_answer", LargeBinary),
    Column("touched_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("answer_until", Instant, nullable=False),
)
Index("ix_idempotency_expires_at", idempotency.c.expires_at)

audit_heads = Table(
    "audit_heads",
    records,
    Column("organization_id", String(36), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_entries = Table(
    "audit_entries",
    records,
    Column("organization_id", String(36), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", String(64), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(48), nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("code", String(48), nullable=False),
    Column("project_id", String(36), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("outcome IN ('done', 'refused', 'failed')", name="outcome"),
)
Index("ix_audit_entries_project", audit_entries.c.organization_id, audit_entries.c.project_id, audit_entries.c.sequence)
Index("ix_audit_entries_subject", audit_entries.c.organization_id, audit_entries.c.subject, audit_entries.c.sequence)

# --- traces ----------------------------------------------------------------------------------------------------------

callers = Table(
    "callers",
    traces,
    _organization(),
    Column("credential_id", String(48), primary_key=True),
    Column("service_id", Integer, primary_key=True, autoincrement=False),
    Column("address", String(64), primary_key=True),
    Column("user_agent", String(200), primary_key=True),
    Column("scheme", String(8), primary_key=True, server_default=text("'oauth1'")),
    Column("first_seen_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("admitted", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
)

refusals = Table(
    "refusals",
    traces,
    _organization(),
    Column("id", String(36), primary_key=True),
    Column("project_id", String(36)),
    Column("credential_id", String(48), nullable=False),
    Column("at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("code", String(48), nullable=False),
    Column("explanation", Text, nullable=False),
)
Index("ix_refusals_project", refusals.c.project_id, refusals.c.at)
Index("ix_refusals_expires_at", refusals.c.expires_at)

# Calls with keys of an organization, by minute, for a look at how much goes on just now.
traffic = Table(
    "traffic",
    traces,
    Column("organization_id", String(36), primary_key=True),
    Column("minute", Instant, primary_key=True),
    Column("admitted", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("last_at", Instant, nullable=False),
)
Index("ix_traffic_minute", traffic.c.minute)

# Admitted calls of services in the last days, by caller and day (UTC).
daily_calls = Table(
    "daily_calls",
    traces,
    _organization(),
    Column("credential_id", String(48), primary_key=True),
    Column("day", Instant, primary_key=True),
    Column("service_id", Integer, primary_key=True, autoincrement=False),
    Column("address", String(64), primary_key=True),
    Column("user_agent", String(200), primary_key=True),
    Column("scheme", String(8), primary_key=True),
    Column("admitted", BigInteger, nullable=False),
)
Index("ix_daily_calls_day", daily_calls.c.day)

# Wrong passwords and codes, per account and network. Here, because a stranger's guesses must not move the records.
sign_in_failures = Table(
    "sign_in_failures",
    traces,
    _organization(),
    Column("account_hash", String(64), primary_key=True),
    Column("network", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("locked_until", Instant),
)
Index("ix_sign_in_failures_last_at", sign_in_failures.c.last_at)

"""Tables. The unique and check constraints are the last line of the business rules; `domain` gives them their words.

Every table carries `organization_id` (PLATFORM for what belongs to none), so that one organization can be moved or
split off. Two sets of tables: `records`, the truth, and `traces`, what calls leave behind. On SQLite they live in two
files, because a gate looks at the first one's `data_version` before every decision and traces must not move it.

Times are whole or fractional seconds since the epoch, UTC, as integers of microseconds (`Instant`).
"""

from credenza.store.schema.api_credential import api_credentials, api_grants, api_places, client_secrets
from credenza.store.schema.audit import audit_entries, audit_heads
from credenza.store.schema.authority import (
    authorities,
    foreign_revocation_lists,
    revocation_lists,
    status_responders,
    trusted_authorities,
)
from credenza.store.schema.catalog import (
    service_environments,
    service_permissions,
    service_routes,
    service_scopes,
    services,
)
from credenza.store.schema.certificate import (
    certificate_keys,
    certificate_subjects,
    certificates,
    enrolment_secrets,
    tls_client_names,
)
from credenza.store.schema.columns import Instant, records, traces
from credenza.store.schema.credential import (
    IS_API_CREDENTIAL,
    LONGEST_ALIAS,
    credentials,
    folded,
    service_private_keys,
    thumbprint,
)
from credenza.store.schema.nodes import change_counter, changes, chores, gates, idempotency, timelines
from credenza.store.schema.notice import calendar_feeds, inbox, notices, outages, outbox, webhooks
from credenza.store.schema.people import access_tokens, custom_roles, invitations, memberships, organizations, users
from credenza.store.schema.platform import one_time_links, wrapped_secrets
from credenza.store.schema.project import environments, project_members, project_services, projects
from credenza.store.schema.sign_in import authenticators, identities, passkeys, passwords, recovery_codes, sessions
from credenza.store.schema.token import resource_servers, revoked_tokens, token_keys
from credenza.store.schema.trace import callers, daily_calls, refusals, sign_in_failures, traffic
from credenza.store.schema.tree import accounts, workspaces

__all__ = [
    "IS_API_CREDENTIAL",
    "LONGEST_ALIAS",
    "Instant",
    "access_tokens",
    "accounts",
    "api_credentials",
    "api_grants",
    "api_places",
    "audit_entries",
    "audit_heads",
    "authenticators",
    "authorities",
    "calendar_feeds",
    "callers",
    "certificate_keys",
    "certificate_subjects",
    "certificates",
    "change_counter",
    "changes",
    "chores",
    "client_secrets",
    "credentials",
    "custom_roles",
    "daily_calls",
    "enrolment_secrets",
    "environments",
    "folded",
    "foreign_revocation_lists",
    "gates",
    "idempotency",
    "identities",
    "inbox",
    "invitations",
    "memberships",
    "notices",
    "one_time_links",
    "organizations",
    "outages",
    "outbox",
    "passkeys",
    "passwords",
    "project_members",
    "project_services",
    "projects",
    "records",
    "recovery_codes",
    "refusals",
    "resource_servers",
    "revocation_lists",
    "revoked_tokens",
    "service_environments",
    "service_permissions",
    "service_private_keys",
    "service_routes",
    "service_scopes",
    "services",
    "sessions",
    "sign_in_failures",
    "status_responders",
    "thumbprint",
    "timelines",
    "tls_client_names",
    "token_keys",
    "traces",
    "traffic",
    "trusted_authorities",
    "users",
    "webhooks",
    "workspaces",
    "wrapped_secrets",
]

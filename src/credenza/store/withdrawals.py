"""What was taken back since a backup was made: read before the database is replaced, and taken back again after.

Nothing is given back by a restore (R8): not a revoked credential or token, not a used enrolment secret, a disabled
user, an earlier password, a removed passkey, a deleted project, an archived or moved workspace, a lowered or narrowed
role or a retired service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, insert, select, update

from credenza.domain.model import CredentialKind, Status
from credenza.store.backup import Values, rows_by_key
from credenza.store.schema import (
    access_tokens,
    accounts,
    api_credentials,
    api_grants,
    api_places,
    authenticators,
    calendar_feeds,
    client_secrets,
    credentials,
    custom_roles,
    enrolment_secrets,
    identities,
    memberships,
    organizations,
    passkeys,
    passwords,
    project_members,
    project_services,
    projects,
    resource_servers,
    revoked_tokens,
    services,
    token_keys,
    trusted_authorities,
    users,
    webhooks,
    workspaces,
)
from credenza.store.upsert import insert_if_absent


@dataclass(frozen=True, slots=True)
class _Rule:
    """Rows that `are` so in the replaced database are so again: these columns are carried over."""

    table: Table
    are: ColumnElement[bool]
    columns: tuple[str, ...]


_RULES = (
    _Rule(
        credentials,
        credentials.c.status != Status.ACTIVE,
        ("status", "inactive_since", "revoked_at", "revoked_reason", "slot"),
    ),
    # An edit may have narrowed it since: the end, the networks and the version are those of the replaced database.
    _Rule(credentials, credentials.c.kind == CredentialKind.CLIENT_SECRET, ("not_after",)),
    _Rule(api_credentials, api_credentials.c.version > 0, ("version", "note", "networks", "updated_at", "deleted_at")),
    _Rule(access_tokens, access_tokens.c.revoked_at.is_not(None), ("revoked_at",)),
    _Rule(enrolment_secrets, enrolment_secrets.c.used_at.is_not(None), ("used_at",)),
    _Rule(enrolment_secrets, enrolment_secrets.c.revoked_at.is_not(None), ("revoked_at",)),
    _Rule(users, users.c.disabled_at.is_not(None), ("disabled_at",)),
    _Rule(passwords, passwords.c.hash != "", ("hash", "stands_alone", "changed_at")),
    _Rule(authenticators, authenticators.c.confirmed_at.is_not(None), ("wrapped_secret", "last_step", "confirmed_at")),
    _Rule(projects, projects.c.deleted_at.is_not(None), ("deleted_at", "slot")),
    _Rule(projects, projects.c.ambiguous_readings.is_(False), ("ambiguous_readings",)),
    _Rule(accounts, accounts.c.archived_at.is_not(None), ("archived_at",)),
    _Rule(workspaces, workspaces.c.archived_at.is_not(None), ("archived_at",)),
    _Rule(services, services.c.status == "RETIRED", ("status",)),
    _Rule(token_keys, token_keys.c.retired_at.is_not(None), ("signs_until", "published_until", "retired_at")),
    _Rule(resource_servers, resource_servers.c.removed_at.is_not(None), ("removed_at",)),
    _Rule(trusted_authorities, trusted_authorities.c.disabled_at.is_not(None), ("disabled_at",)),
    _Rule(trusted_authorities, trusted_authorities.c.checks_revocation.is_(True), ("checks_revocation",)),
    _Rule(webhooks, webhooks.c.removed_at.is_not(None), ("removed_at",)),
    _Rule(calendar_feeds, calendar_feeds.c.revoked_at.is_not(None), ("revoked_at",)),
)
_GRANTS = (
    memberships, project_members, project_services, passkeys, identities, api_grants, api_places, client_secrets,
)  # fmt: skip
"""Tables whose rows are rights: what the replaced database had not any more is not given back, and as it was there."""


@dataclass(frozen=True, slots=True)
class Withdrawals:
    changed: tuple[tuple[_Rule, Sequence[Values]], ...]
    revoked: Sequence[Values]
    tokens: Sequence[Values]
    roles: Mapping[tuple[Any, ...], Values]
    accounts: Mapping[tuple[Any, ...], Values]
    workspaces: Mapping[tuple[Any, ...], Values]
    grants: Mapping[Table, Mapping[tuple[Any, ...], Values]]


NONE = Withdrawals((), (), (), {}, {}, {}, {})


def read(connection: Connection) -> Withdrawals:
    revoked = connection.execute(select(credentials).where(credentials.c.status == Status.REVOKED)).mappings()
    return Withdrawals(
        tuple((rule, _changed(connection, rule)) for rule in _RULES),
        [dict(row) for row in revoked],
        list(rows_by_key(connection, revoked_tokens).values()),
        rows_by_key(connection, custom_roles),
        rows_by_key(connection, accounts),
        rows_by_key(connection, workspaces),
        {table: rows_by_key(connection, table) for table in _GRANTS},
    )


def repeat(connection: Connection, withdrawals: Withdrawals) -> None:
    """Take back in the restored database what was taken back in the replaced one."""
    for rule, rows in withdrawals.changed:
        if rows:
            _change(connection, rule, rows)
    _bury(connection, withdrawals.revoked)
    for row in withdrawals.tokens:
        insert_if_absent(connection, revoked_tokens, row)


def narrow(connection: Connection, withdrawals: Withdrawals) -> None:
    """Leave of the restored rights those that the replaced database had as well."""
    _put_roles(connection, withdrawals.roles)
    _put_tree(connection, withdrawals)
    for table, kept in withdrawals.grants.items():
        still = [kept[key] for key in rows_by_key(connection, table) if key in kept]
        connection.execute(delete(table))
        if still:
            connection.execute(insert(table), still)


def _put_roles(connection: Connection, roles: Mapping[tuple[Any, ...], Values]) -> None:
    """Let roles allow what they allowed last, and have those that were made since: members hold them."""
    restored = rows_by_key(connection, custom_roles)
    homes = set(connection.execute(select(organizations.c.organization_id)).scalars())
    # Names are free for each other while no role is live.
    connection.execute(update(custom_roles).values(removed_at=custom_roles.c.created_at))
    for key, row in roles.items():
        if key in restored:
            connection.execute(update(custom_roles).where(custom_roles.c.id == row["id"]).values(row))
        elif row["organization_id"] in homes:
            connection.execute(insert(custom_roles).values(row))


def _put_tree(connection: Connection, withdrawals: Withdrawals) -> None:
    """Let workspaces lie where they lay last, under the names that accounts had there: whoever was given an account
    reaches into those alone that were still in it."""
    restored = rows_by_key(connection, workspaces)
    last = [row for key, row in withdrawals.workspaces.items() if key in restored]
    known = rows_by_key(connection, accounts)
    lain_in = {row["account_id"] for row in last}
    # Names are free for each other while nothing is live.
    for table in (workspaces, accounts):
        connection.execute(update(table).values(archived_at=table.c.created_at))
    for key, row in withdrawals.accounts.items():
        if key in known:
            connection.execute(update(accounts).where(accounts.c.id == row["id"]).values(row))
        elif row["id"] in lain_in:
            connection.execute(insert(accounts).values(row))
    for row in last:
        connection.execute(update(workspaces).where(workspaces.c.id == row["id"]).values(row))


def _changed(connection: Connection, rule: _Rule) -> Sequence[Values]:
    (key,) = rule.table.primary_key
    carried = [rule.table.c[name].label(f"carried_{name}") for name in rule.columns]
    query = select(key.label("row"), *carried).where(rule.are)
    return [dict(row) for row in connection.execute(query).mappings()]


def _change(connection: Connection, rule: _Rule, rows: Sequence[Values]) -> None:
    (key,) = rule.table.primary_key
    carried: Values = {name: bindparam(f"carried_{name}") for name in rule.columns}
    connection.execute(update(rule.table).where(key == bindparam("row")).values(carried), rows)


def _bury(connection: Connection, revoked: Sequence[Values]) -> None:
    """Keep revoked credentials that the backup does not have: their keys must never be accepted again (row B4)."""
    known = set(connection.execute(select(credentials.c.id)).scalars())
    lost = [row for row in revoked if row["id"] not in known]
    if lost:
        targets = {name: _ids(connection, table) for name, table in _REFERENCES.items()}
        connection.execute(insert(credentials), [_cut_loose(row, targets) for row in lost])


_REFERENCES = {
    "project_id": projects,
    "service_id": services,
    "owner_id": users,
    "predecessor_id": credentials,
    "trusted_authority_id": trusted_authorities,
}


def _ids(connection: Connection, table: Table) -> set[Any]:
    return set(connection.execute(select(table.c.id)).scalars())


def _cut_loose(row: Values, targets: Mapping[str, set[Any]]) -> Values:
    return row | {name: row[name] if row[name] in known else None for name, known in targets.items()}

"""The gate's questions about API credentials, in the manner of `lookup`: whose a client id is, and what may be done
with it; and which accounts and workspaces of an organization are live. `embedded` and `postgresql` put them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from sys import intern
from typing import Any, TypeAlias

from credenza.domain.catalog import Grant, Tree
from credenza.domain.model import ChangeNumber, CredentialKind, EnvironmentName, Status
from credenza.store.instants import at_micros
from credenza.store.lookup import KeyRecord, Rows


def _api_credential(column: str) -> str:
    """Ask for one API credential. Its parts come one under the other: joined, each would come once for every other."""
    return f"""
WITH asked AS (
    SELECT credentials.id, credentials.client_id, credentials.organization_id, credentials.environment,
        credentials.alias, credentials.status, credentials.owner_id, api_credentials.networks, credentials.not_before,
        credentials.not_after
    FROM credentials
    JOIN api_credentials ON api_credentials.credential_id = credentials.id AND api_credentials.deleted_at IS NULL
    WHERE {column} = {{name}} AND credentials.kind = 'CLIENT_SECRET'
)
SELECT change_counter.number, 'credential' AS part, asked.id, asked.client_id, asked.organization_id,
    asked.environment, asked.alias, asked.status, asked.owner_id, asked.networks, asked.not_before, asked.not_after,
    CAST(NULL AS INTEGER) AS service_id
FROM change_counter LEFT JOIN asked ON 1 = 1
UNION ALL
SELECT 0, 'secret', client_secrets.id, client_secrets.secret_hash, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    client_secrets.expires_at, NULL
FROM asked JOIN client_secrets ON client_secrets.credential_id = asked.id AND client_secrets.deleted_at IS NULL
UNION ALL
SELECT 0, 'permission', api_grants.permission, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    api_grants.service_id
FROM asked JOIN api_grants ON api_grants.credential_id = asked.id
UNION ALL
SELECT 0, 'place', api_places.place_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, api_places.service_id
FROM asked JOIN api_places ON api_places.credential_id = asked.id
"""  # noqa: S608 - a constant of this file


BY_CLIENT_ID = _api_credential("credentials.client_id")
BY_ID = _api_credential("credentials.id")

# A workspace is as live as its account.
TREE = """
SELECT change_counter.number, accounts.id, workspaces.id
FROM change_counter
LEFT JOIN accounts ON accounts.organization_id = {organization_id} AND accounts.archived_at IS NULL
LEFT JOIN workspaces ON workspaces.account_id = accounts.id AND workspaces.archived_at IS NULL
"""

_Parts: TypeAlias = Mapping[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """`secret_hash` is an HMAC-SHA256 under the pepper, in hex. Without `expires_at` it ends with its credential."""

    id: str
    secret_hash: str = field(repr=False)
    expires_at: datetime | None

    def is_usable(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class ApiRecord:
    """What a gate knows of an API credential. `key` is what it knows of every credential: its services are those that
    something is granted at. No `networks`: it may be used from anywhere."""

    key: KeyRecord
    networks: tuple[str, ...]
    secrets: tuple[SecretRecord, ...]
    grants: Mapping[int, Grant]

    def secret(self, secret_id: str) -> SecretRecord | None:
        return next((each for each in self.secrets if each.id == secret_id), None)


@dataclass(frozen=True, slots=True)
class ApiSnapshot:
    """An API credential as it was at a number, or that there is none. A deleted one is none."""

    number: ChangeNumber
    record: ApiRecord | None


@dataclass(frozen=True, slots=True)
class TreeSnapshot:
    number: ChangeNumber
    tree: Tree


def api_snapshot(rows: Rows) -> ApiSnapshot:
    parts: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        parts.setdefault(row[1], []).append(row)
    first = parts["credential"][0]
    return ApiSnapshot(first[0], None if first[2] is None else _record(first, parts))


def tree_snapshot(rows: Rows) -> TreeSnapshot:
    accounts = frozenset(row[1] for row in rows if row[1] is not None)
    account_of = {row[2]: intern(row[1]) for row in rows if row[2] is not None}
    return TreeSnapshot(rows[0][0], Tree(accounts, account_of))


def _record(row: tuple[Any, ...], parts: _Parts) -> ApiRecord:
    grants = _grants(parts.get("permission", ()), parts.get("place", ()))
    secrets = tuple(
        SecretRecord(each[2], each[3], None if each[11] is None else at_micros(each[11]))
        for each in parts.get("secret", ())
    )
    return ApiRecord(_key(row, frozenset(grants)), tuple(json.loads(row[9])), secrets, grants)


def _grants(permissions: Iterable[tuple[Any, ...]], places: Iterable[tuple[Any, ...]]) -> Mapping[int, Grant]:
    permitted: dict[int, set[str]] = {}
    picked: dict[int, set[str]] = {}
    for row in permissions:
        permitted.setdefault(row[12], set()).add(intern(row[2]))
    for row in places:
        picked.setdefault(row[12], set()).add(row[2])
    return {
        service: Grant(frozenset(names), frozenset(picked.get(service, ()))) for service, names in permitted.items()
    }


def _key(row: tuple[Any, ...], services: frozenset[int]) -> KeyRecord:
    return KeyRecord(
        key_id=row[2],
        client_id=row[3],
        kind=CredentialKind.CLIENT_SECRET,
        organization_id=intern(row[4]),
        project_id=None,
        project_name="",
        owner_id=None if row[8] is None else intern(row[8]),
        environment=EnvironmentName(row[5]),
        alias=row[6],
        status=Status(row[7]),
        not_before=at_micros(row[10]),
        not_after=at_micros(row[11]),
        project_type=None,
        dual=False,
        ambiguous_readings=False,
        project_deleted=False,
        owner_gone=False,
        services=services,
    )

"""The gate's questions, as SQL text and what its rows mean: what a key or a certificate may do, where calls go, whom
TLS is to trust, what has changed.

Read-only, and plain text instead of SQLAlchemy: a key that nobody has is looked up at the pace of its attacker, and
building a statement costs ten times what SQLite takes to answer it. `embedded` and `postgresql` put the questions.

Every answer begins with the number of the change sequence it was read at. It is one statement, so one snapshot, on
both databases; a gate discards an answer that is older than what it has applied (settled 23).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any, TypeAlias

from credenza.domain.catalog import NO_ENTRY, CatalogEntry
from credenza.domain.model import (
    AuthenticationType,
    ChangeNumber,
    CredentialKind,
    EnvironmentName,
    ProjectType,
    Status,
)
from credenza.protocol.tls_client_name import NameKind, TlsClientName
from credenza.store import catalog_lookup
from credenza.store.change_kinds import Change, ChangeKind
from credenza.store.instants import at_micros

Rows: TypeAlias = Sequence[tuple[Any, ...]]

_SCOPE = 8 + catalog_lookup.TERMS_COUNT
"""Where a scope stands in the rows of `ROUTES`: after what comes once per place."""


def _credential(joined: str, certified: str) -> str:
    """Ask for one credential: `certified` are its thumbprint, whether its authority is trusted, and the kind and value
    of the name that its project is known by in TLS. It comes once per service that its project may call in its
    environment, and once with none when there is none."""
    return f"""
SELECT change_counter.number, credentials.id, credentials.client_id, credentials.kind, credentials.organization_id,
    credentials.project_id, projects.name, credentials.owner_id, credentials.environment, credentials.alias,
    credentials.status, credentials.not_before, credentials.not_after, projects.type, projects.dual,
    projects.ambiguous_readings, projects.deleted_at, users.disabled_at, memberships.role, {certified},
    credentials.public_key_der, project_services.service_id
FROM change_counter
LEFT JOIN credentials ON {joined}
LEFT JOIN projects ON projects.id = credentials.project_id
LEFT JOIN users ON users.id = credentials.owner_id
LEFT JOIN memberships ON memberships.organization_id = credentials.organization_id
    AND memberships.user_id = credentials.owner_id
LEFT JOIN project_services ON project_services.project_id = credentials.project_id
    AND project_services.environment = credentials.environment AND project_services.status = 'APPROVED'
"""  # noqa: S608 - both are constants of this file


KEY = _credential(
    "credentials.id = {key_id} AND credentials.kind IN ('SIGNING_KEY', 'ACCOUNT_KEY')", "'', TRUE, NULL, NULL"
)

CERTIFICATE = _credential(
    "credentials.certificate_sha256 = {sha256} AND credentials.kind = 'MTLS_CERTIFICATE'\n"
    "LEFT JOIN trusted_authorities ON trusted_authorities.id = credentials.trusted_authority_id\n"
    "LEFT JOIN tls_client_names ON tls_client_names.project_id = credentials.project_id\n"
    "    AND tls_client_names.environment = credentials.environment",
    "credentials.certificate_sha256, trusted_authorities.disabled_at IS NULL, tls_client_names.kind,\n"
    "    tls_client_names.value",
)

# Our own authorities are trusted until their certificates end, those of others until they are disabled.
TRUST = """
SELECT change_counter.number, trusted.environment, trusted.certificate_der, trusted.is_anchor
FROM change_counter
LEFT JOIN (
    SELECT environment, certificate_der, TRUE AS is_anchor FROM authorities
    UNION ALL
    SELECT environment, certificate_der, is_anchor FROM trusted_authorities WHERE disabled_at IS NULL
) AS trusted ON 1 = 1
"""

# A route comes once per scope of its service and per route of its catalog entry, and once with none when there is none.
ROUTES = f"""
SELECT change_counter.number, service_environments.environment, services.id, services.name, services.authentication,
    service_environments.path_prefix, service_environments.upstream, service_environments.payload_rules,
    {catalog_lookup.TERMS},
    service_scopes.scope,
    {catalog_lookup.RULES}
FROM change_counter
LEFT JOIN services ON services.status = 'LIVE'
LEFT JOIN service_environments ON service_environments.service_id = services.id
LEFT JOIN service_scopes ON service_scopes.service_id = services.id
LEFT JOIN service_routes ON service_routes.service_id = services.id
"""  # noqa: S608 - of constants

# Whoever is further behind sees that numbers are missing and begins anew (`News.follows`).
CHANGES = """
SELECT change_counter.number, changes.number, changes.kind, changes.subject
FROM change_counter
LEFT JOIN changes ON changes.number > {applied}
ORDER BY changes.number
LIMIT 10000
"""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What a gate knows of a signing or account key, the key itself aside, or of a TLS client's certificate.

    `services` are those its project may call in its environment. An account key belongs to a user and to no project;
    `owner_gone`: the user is disabled, or no longer in the organization. `certificate_sha256` is a TLS certificate's
    thumbprint in hex and empty for keys; `trusted` turns false when the authority that issued it is disabled;
    `tls_client_name` is the one that its project is known by there, if one is registered.
    """

    key_id: str
    client_id: str
    kind: CredentialKind
    organization_id: str
    project_id: str | None
    project_name: str
    owner_id: str | None
    environment: EnvironmentName | None
    alias: str
    status: Status
    not_before: datetime
    not_after: datetime
    project_type: ProjectType | None
    dual: bool
    ambiguous_readings: bool
    project_deleted: bool
    owner_gone: bool
    services: frozenset[int]
    certificate_sha256: str = ""
    trusted: bool = True
    tls_client_name: TlsClientName | None = None


@dataclass(frozen=True, slots=True)
class KeySnapshot:
    """A key as it was at a number, its public key as SubjectPublicKeyInfo; or that there is none."""

    number: ChangeNumber
    record: KeyRecord | None
    public_key_der: bytes


@dataclass(frozen=True, slots=True)
class TrustedCertificate:
    """A certificate (DER) that client certificates of an environment may lead to, or over."""

    environment: EnvironmentName
    der: bytes
    is_anchor: bool


@dataclass(frozen=True, slots=True)
class TrustSnapshot:
    number: ChangeNumber
    certificates: tuple[TrustedCertificate, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """`payload_rules` is JSON (`protocol.payload_rules`), or None where payloads travel as they are. `entry` is what
    client secrets need to know, without the names of permissions."""

    environment: EnvironmentName
    service_id: int
    service_name: str
    authentication: AuthenticationType
    path_prefix: str
    upstream: str
    scopes: frozenset[str] = frozenset()
    payload_rules: str | None = None
    entry: CatalogEntry = NO_ENTRY


@dataclass(frozen=True, slots=True)
class RouteSnapshot:
    number: ChangeNumber
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class News:
    """The changes after a number, up to and including `number`."""

    number: ChangeNumber
    changes: tuple[Change, ...]

    def follows(self, applied: ChangeNumber) -> bool:
        """Whether nothing is missing between `applied` and these changes: the sequence has no gaps. It is broken when
        too many came at once, and when the database is not the one it was (a restored backup counts from lower)."""
        return len(self.changes) == self.number - applied

    @property
    def concern_routes(self) -> bool:
        return any(change.kind is ChangeKind.CATALOG for change in self.changes)

    @property
    def concern_issuers(self) -> bool:
        """Whether token keys or resource servers have changed, or a token was revoked."""
        return any(change.kind in (ChangeKind.ISSUER, ChangeKind.TOKEN) for change in self.changes)

    @property
    def concern_trust(self) -> bool:
        return any(change.kind is ChangeKind.TRUST for change in self.changes)


def key_snapshot(rows: Rows) -> KeySnapshot:
    number, key_id = rows[0][:2]
    if key_id is None:
        return KeySnapshot(number, None, b"")
    services = _services(tuple(row[-1] for row in rows if row[-1] is not None))
    return KeySnapshot(number, _record(rows[0], services), rows[0][-2])


def route_snapshot(rows: Rows) -> RouteSnapshot:
    found: dict[tuple[Any, ...], tuple[set[str], set[tuple[Any, ...]]]] = {}
    for row in rows:
        if row[1] is not None:
            scopes, rules = found.setdefault(row[1:_SCOPE], (set(), set()))
            scopes.update((row[_SCOPE],) if row[_SCOPE] else ())
            rules.update((row[_SCOPE + 1 :],) if row[_SCOPE + 1] is not None else ())
    return RouteSnapshot(
        rows[0][0], tuple(_route(place, frozenset(scopes), rules) for place, (scopes, rules) in found.items())
    )


def trust_snapshot(rows: Rows) -> TrustSnapshot:
    found = (TrustedCertificate(EnvironmentName(row[1]), row[2], bool(row[3])) for row in rows if row[1] is not None)
    return TrustSnapshot(rows[0][0], tuple(found))


def news(rows: Rows) -> News:
    return News(rows[0][0], tuple(Change(row[1], ChangeKind(row[2]), row[3]) for row in rows if row[1] is not None))


# The keys of a project may call the same services, and a set of its own for each would take a quarter of its memory.
@lru_cache(maxsize=1024)
def _services(ids: tuple[int, ...]) -> frozenset[int]:
    return frozenset(ids)


def _record(row: tuple[Any, ...], services: frozenset[int]) -> KeyRecord:
    # Interned: a gate holds many keys of one organization and project.
    return KeyRecord(
        key_id=row[1],
        client_id=intern(row[2]),
        kind=CredentialKind(row[3]),
        organization_id=intern(row[4]),
        project_id=None if row[5] is None else intern(row[5]),
        project_name=intern(row[6] or ""),
        owner_id=None if row[7] is None else intern(row[7]),
        environment=None if row[8] is None else EnvironmentName(row[8]),
        alias=row[9],
        status=Status(row[10]),
        not_before=at_micros(row[11]),
        not_after=at_micros(row[12]),
        project_type=None if row[13] is None else ProjectType(row[13]),
        dual=bool(row[14]),
        ambiguous_readings=bool(row[15]),
        project_deleted=row[16] is not None,
        owner_gone=row[17] is not None or row[18] is None,
        services=services,
        certificate_sha256=row[19] or "",
        trusted=bool(row[20]),
        tls_client_name=None if row[21] is None else TlsClientName(NameKind(row[21]), row[22]),
    )


def _route(place: tuple[Any, ...], scopes: frozenset[str], rules: set[tuple[Any, ...]]) -> Route:
    return Route(
        environment=EnvironmentName(place[0]),
        service_id=place[1],
        service_name=place[2],
        authentication=AuthenticationType(place[3]),
        path_prefix=place[4],
        upstream=place[5],
        scopes=scopes,
        payload_rules=place[6],
        entry=catalog_lookup.entry(place[7:], rules),
    )

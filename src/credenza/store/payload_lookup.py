"""The gate's question about service credentials, in the manner of `lookup`: which keys protect the payloads between a
project and a service in an environment. `embedded` and `postgresql` put it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from credenza.domain.model import ChangeNumber, CredentialKind, EnvironmentName, Status
from credenza.store.instants import at_micros
from credenza.store.lookup import Rows

# A project that is gone, or may not use the service any more, has no keys for it. A key that was added beside an active
# one is inactive since then; it has no grace, which is for those that were active before. One that was replaced by
# somebody whose clock is behind may be inactive since before it was made.
SERVICE_KEYS = """
SELECT change_counter.number, credentials.id, credentials.kind, credentials.status,
    CASE WHEN credentials.inactive_since <> credentials.created_at THEN credentials.inactive_since END,
    credentials.not_before, credentials.not_after, credentials.public_key_der, credentials.spki_sha256,
    credentials.certificate_sha256, service_private_keys.wrapped_private_key
FROM change_counter
LEFT JOIN projects ON projects.id = {project_id} AND projects.deleted_at IS NULL
LEFT JOIN project_services ON project_services.project_id = projects.id
    AND project_services.service_id = {service_id} AND project_services.environment = {environment}
    AND project_services.status = 'APPROVED'
LEFT JOIN credentials ON credentials.project_id = project_services.project_id
    AND credentials.service_id = project_services.service_id
    AND credentials.environment = project_services.environment
    AND credentials.kind IN ('RESPONSE_ENCRYPTION', 'REQUEST_ENCRYPTION', 'REQUEST_SIGNATURE')
    AND credentials.status <> 'REVOKED'
LEFT JOIN service_private_keys ON service_private_keys.credential_id = credentials.id
ORDER BY credentials.created_at DESC, credentials.id
"""


class Parties(NamedTuple):
    """Between whom payloads travel, and where."""

    project_id: str
    service_id: int
    environment: EnvironmentName


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """A service credential that is not revoked. `inactive_since` is when another one took its place. The fingerprints
    are SHA-256 in hex, of the SubjectPublicKeyInfo and of the certificate; `wrapped_private_key` is empty where the
    project owns the private half."""

    id: str
    kind: CredentialKind
    status: Status
    inactive_since: datetime | None
    not_before: datetime
    not_after: datetime
    public_key_der: bytes = field(repr=False)
    spki_sha256: str
    certificate_sha256: str
    wrapped_private_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServiceKeySnapshot:
    """The latest first."""

    number: ChangeNumber
    keys: tuple[ServiceKey, ...]


def service_key_snapshot(rows: Rows) -> ServiceKeySnapshot:
    return ServiceKeySnapshot(rows[0][0], tuple(_service_key(row) for row in rows if row[1] is not None))


def _service_key(row: tuple[Any, ...]) -> ServiceKey:
    return ServiceKey(
        id=row[1],
        kind=CredentialKind(row[2]),
        status=Status(row[3]),
        inactive_since=None if row[4] is None else at_micros(row[4]),
        not_before=at_micros(row[5]),
        not_after=at_micros(row[6]),
        public_key_der=bytes(row[7]),
        spki_sha256=row[8],
        certificate_sha256=row[9] or "",
        wrapped_private_key=b"" if row[10] is None else bytes(row[10]),
    )

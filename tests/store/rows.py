"""Rows by direct insert: a catalog, an organization, projects and keys, as small as the tables allow."""

from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Table, insert
from tests.clock import NOON

from credenza.domain.model import PLATFORM, CredentialKind, EnvironmentName
from credenza.store import schema
from credenza.store.engine import Database, writing

SANDBOX = EnvironmentName.SANDBOX
PRODUCTION = EnvironmentName.PRODUCTION

_numbers = count(1)


@cache
def public_key_der() -> bytes:
    """One key for all rows: making one takes longer than most tests."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def uuid() -> str:
    return str(UUID(int=next(_numbers)))


def key_id() -> str:
    return f"{next(_numbers):032x}" + "0" * 16


class Rows:
    """Inserts into one database. Every argument beyond the needed ones replaces a column."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, table: Table, **columns: Any) -> Any:
        with writing(self._database.records) as connection:
            return connection.execute(insert(table).values(**columns)).inserted_primary_key

    def organization(self) -> str:
        identity = uuid()
        self.insert(schema.organizations, organization_id=identity, name=identity, project_limit=180, created_at=NOON)
        return identity

    def user(self, **columns: Any) -> str:
        identity = uuid()
        row = {"organization_id": PLATFORM, "id": identity, "email": f"{identity}@example.org", "name": "", **columns}
        self.insert(schema.users, **row, created_at=NOON)
        return identity

    def member(self, organization_id: str, **columns: Any) -> str:
        """A user who belongs to the organization."""
        identity = self.user(**columns)
        self.insert(
            schema.memberships, organization_id=organization_id, user_id=identity, role="admin", created_at=NOON
        )
        return identity

    def service(self, **columns: Any) -> int:
        row = {
            "organization_id": PLATFORM,
            "name": f"Service {next(_numbers)}",
            "authentication": "OAUTH10A",
            "status": "LIVE",
            "description": "",
            "created_at": NOON,
            **columns,
        }
        return int(self.insert(schema.services, **row)[0])

    def route(self, service_id: int, path_prefix: str, environment: EnvironmentName = SANDBOX) -> None:
        self.insert(
            schema.service_environments,
            organization_id=PLATFORM,
            service_id=service_id,
            environment=environment,
            path_prefix=path_prefix,
            upstream=f"http://127.0.0.1:9000{path_prefix}",
            validity_months=13,
        )

    def project(self, organization_id: str, **columns: Any) -> str:
        identity = uuid()
        row = {
            "organization_id": organization_id,
            "id": identity,
            "name": f"Project {identity}",
            "type": "OAUTH10A",
            "region": "",
            "company": "null",
            "commercial_countries": "[]",
            "dual": False,
            "ambiguous_readings": False,
            "created_at": NOON,
            **columns,
        }
        self.insert(schema.projects, **row)
        return identity

    def environment(self, organization_id: str, project_id: str, name: EnvironmentName = SANDBOX) -> str:
        client_id = f"{next(_numbers):048d}"
        self.insert(
            schema.environments,
            organization_id=organization_id,
            project_id=project_id,
            name=name,
            client_id=client_id,
            created_at=NOON,
        )
        return client_id

    def entitle(
        self,
        organization_id: str,
        project_id: str,
        service_id: int,
        *,
        environment: EnvironmentName = SANDBOX,
        status: str = "APPROVED",
    ) -> None:
        self.insert(
            schema.project_services,
            organization_id=organization_id,
            project_id=project_id,
            environment=environment,
            service_id=service_id,
            status=status,
            created_at=NOON,
        )

    def credential(self, organization_id: str, **columns: Any) -> str:
        identity = key_id()
        row = {
            "organization_id": organization_id,
            "id": identity,
            "kind": CredentialKind.SIGNING_KEY,
            "environment": SANDBOX,
            "client_id": "0" * 48,
            "alias": f"Key {identity[24:32]}",
            "status": "ACTIVE",
            "key_algorithm": "RSA-2048",
            "public_key_der": public_key_der(),
            "spki_sha256": identity,
            "certificate_der": b"",
            "not_before": NOON,
            "not_after": NOON + timedelta(days=395),
            "created_at": NOON,
            "revoked_reason": "",
            **columns,
        }
        self.insert(schema.credentials, **row)
        return identity

    def signing_key(self, **columns: Any) -> str:
        """An active key of a project of its own, in SANDBOX, that may call no service."""
        organization_id = self.organization()
        project_id = self.project(organization_id)
        client_id = self.environment(organization_id, project_id)
        return self.credential(organization_id, project_id=project_id, client_id=client_id, **columns)

"""A platform in a real SQLite file, a gate in front of it, and clients that sign: what the gate's tests play on.

Rows are written straight to the tables, because the gate must work without the management plane.
"""

from __future__ import annotations

import atexit
import secrets
import shutil
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import delete, insert, update
from tests.clock import NOON, Clock

from credenza.adapters.vault import LocalVault
from credenza.domain.model import EnvironmentName, OrganizationId
from credenza.gate.decision import Call
from credenza.gate.desk import Desk
from credenza.gate.freshness import SqliteFreshness, SqliteKeys
from credenza.gate.keyring import Keyring, RouteTable
from credenza.gate.metrics import Metrics
from credenza.gate.oauth1 import Policy, Verifier
from credenza.gate.payload_keys import PayloadKeys
from credenza.gate.refusals import Refusals
from credenza.gate.usage import Usage
from credenza.protocol import oauth1
from credenza.store import changes, migrate, schema
from credenza.store.changes import ChangeKind
from credenza.store.embedded import EmbeddedReader
from credenza.store.engine import Database, open_database, writing
from credenza.store.engine_traces import EngineTraces
from credenza.store.replay import LmdbReplay

SANDBOX, PRODUCTION = EnvironmentName.SANDBOX, EnvironmentName.PRODUCTION
ORGANIZATION = OrganizationId("11111111-1111-1111-1111-111111111111")
PROJECT = "22222222-2222-2222-2222-222222222222"
OWNER = "33333333-3333-3333-3333-333333333333"
ORDERS, PAYMENTS, MTLS_ONLY = 1, 2, 3
AUTHORITY = "api.example.com"
VAULT = LocalVault(b"k" * 32)
ORDER = f"https://{AUTHORITY}/orders/1"


# RSA keys take long to make. No test needs more than these in one scene.
_KEYS = cycle([generate_private_key(public_exponent=65537, key_size=2048) for _ in range(4)])


def another_key() -> RSAPrivateKey:
    return next(_KEYS)


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who signs, as the Python signer does, unless told otherwise."""

    consumer_key: str
    private_key: RSAPrivateKey

    @property
    def key_id(self) -> str:
        return self.consumer_key.partition("!")[2]

    def sign_form(self, method: str, path: str, form: bytes) -> str:
        """Sign as oauthlib signs a form: its fields among the parameters, and no body hash."""
        parameters = {
            "oauth_consumer_key": self.consumer_key.replace("!", "%21"),
            "oauth_nonce": secrets.token_hex(8),
            "oauth_timestamp": str(int(NOON.timestamp())),
            "oauth_signature_method": "RSA-SHA256",
            "oauth_version": "1.0",
        }
        fields = ",".join(f'{name}="{value}"' for name, value in parameters.items())
        request = oauth1.Request(method, "https", AUTHORITY, path, "", form)
        unsigned = oauth1.parse(f'OAuth {fields},oauth_signature=""')
        base_string = oauth1.signature_base_string(request, unsigned, oauth1.RFC5849)
        signature = b64encode(self.private_key.sign(base_string.encode(), PKCS1v15(), SHA256()))
        return f'OAuth {fields},oauth_signature="{quote(signature, safe="")}"'

    def sign(self, method: str, url: str, body: bytes = b"", *, now: datetime = NOON, **changed: Any) -> str:
        arguments = {"timestamp": int(now.timestamp()), "nonce": secrets.token_hex(8), **changed}
        return oauth1.sign(
            consumer_key=self.consumer_key, key=self.private_key, method=method, url=url, body=body, **arguments
        )


@dataclass
class Scene:
    directory: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        shutil.copytree(_empty_platform(), self.directory, dirs_exist_ok=True)
        path = self.directory / "credenza.db"
        self.database: Database = open_database(f"sqlite:///{path}")
        self.reader = EmbeddedReader(path)
        self.routes = RouteTable()
        source = SqliteKeys(self.reader)
        self.payload_keys = PayloadKeys(source, VAULT)
        self.keyring = Keyring(source, clock=monotonic, followers=(self.payload_keys,))
        self.freshness = SqliteFreshness(self.reader, self.keyring, self.routes)
        LmdbReplay.establish(self.directory / "replay")
        self.replay = self._remember()

    def _remember(self) -> LmdbReplay:
        return LmdbReplay(
            self.directory / "replay",
            remember=timedelta(seconds=600),
            ahead=timedelta(seconds=300),
            now=self.clock.now().timestamp(),
            capacity=100_000,
        )

    def verifier(self, **policy: Any) -> Verifier:
        """The verifier of this policy; each makes a key when it starts."""
        return Verifier(
            keyring=self.keyring,
            routes=self.routes,
            freshness=self.freshness,
            replay=self.replay,
            policy=Policy(**policy),
        )

    def close(self) -> None:
        self.replay.close()
        self.reader.close()
        self.database.close()

    # ------------------------------------------------------------------------------------------------ what there is

    def add(self, table: Any, **values: Any) -> None:
        with writing(self.database.records) as connection:
            connection.execute(insert(table).values(**values))

    def change(self, table: Any, where: Any, kind: ChangeKind, subject: str | int, **values: Any) -> None:
        """Change rows as the management plane does: with the next number of the change sequence."""
        with writing(self.database.records) as connection:
            connection.execute(update(table).where(where).values(**values))
            changes.record(connection, ORGANIZATION, kind, subject)

    def note(self, kind: ChangeKind, subject: str) -> None:
        with writing(self.database.records) as connection:
            changes.record(connection, ORGANIZATION, kind, subject)

    def furnish(self, upstream: str = "http://127.0.0.1:9") -> None:
        """One organization, one project in both environments that may use Orders, and three services."""
        self.add(schema.organizations, organization_id=ORGANIZATION, name="Example", project_limit=180, created_at=NOON)
        self.add(schema.users, organization_id=ORGANIZATION, id=OWNER, email="a@example.com", name="A", created_at=NOON)
        self.add(schema.memberships, organization_id=ORGANIZATION, user_id=OWNER, role="admin", created_at=NOON)
        self.add(
            schema.projects,
            organization_id=ORGANIZATION,
            id=PROJECT,
            name="Shop",
            type="OAUTH10A",
            region="EU",
            company="{}",
            commercial_countries="[]",
            owner_id=OWNER,
            dual=False,
            ambiguous_readings=False,
            created_at=NOON,
        )
        for service_id, name, authentication in (
            (ORDERS, "Orders", "OAUTH10A"),
            (PAYMENTS, "Payments", "DUAL_OAUTH"),
            (MTLS_ONLY, "Vault", "MTLS"),
        ):
            self._add_service(service_id, name, authentication, upstream)
        for environment in EnvironmentName:
            self.add(
                schema.environments,
                organization_id=ORGANIZATION,
                project_id=PROJECT,
                name=environment,
                client_id=client_id(environment),
                created_at=NOON,
            )
            for service_id in (ORDERS, MTLS_ONLY):
                self.entitle(service_id, environment)

    def _add_service(self, service_id: int, name: str, authentication: str, upstream: str) -> None:
        self.add(
            schema.services,
            organization_id=ORGANIZATION,
            id=service_id,
            name=name,
            authentication=authentication,
            status="LIVE",
            description="",
            created_at=NOON,
        )
        for environment in EnvironmentName:
            self.add(
                schema.service_environments,
                organization_id=ORGANIZATION,
                service_id=service_id,
                environment=environment,
                path_prefix=f"/{name.lower()}",
                upstream=upstream,
                validity_months=13,
            )

    def entitle(self, service_id: int, environment: EnvironmentName) -> None:
        self.add(
            schema.project_services,
            organization_id=ORGANIZATION,
            project_id=PROJECT,
            environment=environment,
            service_id=service_id,
            status="APPROVED",
            created_at=NOON,
        )

    def add_key(
        self,
        *,
        environment: EnvironmentName | None = SANDBOX,
        kind: str = "SIGNING_KEY",
        status: str = "ACTIVE",
        not_before: datetime = NOON - timedelta(days=1),
        not_after: datetime = NOON + timedelta(days=395),
    ) -> Client:
        private_key = another_key()
        key_id = secrets.token_hex(16) + "0" * 16
        owner = client_id(environment) if environment else secrets.token_urlsafe(36)
        self.add(
            schema.credentials,
            organization_id=ORGANIZATION,
            id=key_id,
            kind=kind,
            project_id=PROJECT if environment else None,
            environment=environment,
            client_id=owner,
            alias="key",
            status=status,
            key_algorithm="RSA-2048",
            public_key_der=private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            spki_sha256=secrets.token_hex(32),
            certificate_der=b"",
            not_before=not_before,
            not_after=not_after,
            owner_id=OWNER,
            created_at=NOON,
            revoked_at=NOON if status == "REVOKED" else None,
            revoked_reason="",
        )
        return Client(f"{owner}!{key_id}", private_key)

    def disable_owner(self) -> None:
        users = schema.users
        self.change(users, users.c.id == OWNER, ChangeKind.USER, OWNER, disabled_at=NOON)

    def remove_owner(self) -> None:
        with writing(self.database.records) as connection:
            connection.execute(delete(schema.memberships).where(schema.memberships.c.user_id == OWNER))
            changes.record(connection, ORGANIZATION, ChangeKind.USER, OWNER)

    def forget_replays(self) -> None:
        """Replace the replay memory by one that a machine makes which lost it."""
        self.replay.close()
        shutil.rmtree(self.directory / "replay")
        self.replay = self._remember()

    def revoke(self, client: Client) -> None:
        self.change(
            schema.credentials,
            schema.credentials.c.id == client.key_id,
            ChangeKind.CREDENTIAL,
            client.key_id,
            status="REVOKED",
            revoked_at=self.clock.now(),
        )


@cache
def _empty_platform() -> Path:
    """The files of a database without rows, made once per run."""
    directory = Path(tempfile.mkdtemp(prefix="credenza-empty-"))
    atexit.register(shutil.rmtree, directory)
    database = open_database(f"sqlite:///{directory}/credenza.db")
    migrate.upgrade(database)
    database.close()
    return directory


def desk(scene: Scene, **policy: Any) -> Desk:
    """A desk whose databases are the scene's; a flush that fails fails its test."""
    return Desk(
        scene.verifier(**policy),
        clock=scene.clock.now,
        usage=Usage(EngineTraces(scene.database.traces), report=_fail),
        refusals=Refusals(EngineTraces(scene.database.traces), clock=scene.clock.now, report=_fail),
        metrics=Metrics(),
    )


def _fail(error: Exception) -> None:
    raise error


def client_id(environment: EnvironmentName) -> str:
    return f"{environment.lower():_<48}"


@contextmanager
def furnished(directory: Path, upstream: str = "http://127.0.0.1:9") -> Iterator[Scene]:
    scene = Scene(directory)
    try:
        scene.furnish(upstream)
        yield scene
    finally:
        scene.close()


def call(
    header: str,
    target: str = "/orders/1",
    *,
    method: str = "GET",
    body: bytes = b"",
    form: bytes | None = None,
    environment: EnvironmentName | None = SANDBOX,
    **changed: Any,
) -> Call:
    """A call as it arrives, by default the one that `Client.sign("GET", ORDER)` signs."""
    path, _, query = target.partition("?")
    arguments: dict[str, Any] = {
        "id": secrets.token_hex(16),
        "request": oauth1.Request(method, "https", AUTHORITY, path, query, form),
        "authorization": (header,),
        "environment": environment,
        "body_sha256": sha256(body).digest(),
        "announces_body": bool(body),
    }
    return Call(**{**arguments, **changed})

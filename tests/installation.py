"""An installation of Credenza as an operator runs it: settings, a first organization, and `credenza serve` processes.

    chosen = settings(directory)
    with CredenzaServer(chosen) as server, furnish(chosen) as installation:
        project, client = installation.add_project()

The server starts first, because the first start makes the installation. Furnishing uses the actions; what a test is
about goes through the server.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.gate.scene import Client
from tests.servers import HOST, Server, find_program, free_port

from credenza.actions import access_tokens, oauth_keys, organizations, people, projects, services
from credenza.actions.context import Platform
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewProject
from credenza.actions.services import NewService
from credenza.cli import local
from credenza.client.auth import TokenAuth
from credenza.client.management import ManagementClient
from credenza.domain.access import Scope
from credenza.domain.model import (
    Actor,
    ActorKind,
    AuthenticationType,
    Credential,
    EnvironmentName,
    OrganizationId,
    OrganizationRole,
    Project,
    ProjectType,
    Service,
    ServiceEnvironment,
)
from credenza.protocol import csr
from credenza.setting_texts import Secret
from credenza.settings import Settings, read
from credenza.store import migrate
from credenza.store.engine import open_database

SANDBOX, PRODUCTION = EnvironmentName.SANDBOX, EnvironmentName.PRODUCTION
PREFIX = "/orders"
NOWHERE = "http://127.0.0.1:9"

_numbers = count(1)


class CredenzaServer(Server):
    """`credenza serve`, each listener on a port of its own. `port` is the one of SANDBOX.

    `core` pins it and its workers to one core; `program` is a module that takes the place of `credenza`, `wrapper` a
    command that runs it; `changed` are settings of this process alone.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        role: str = "all",
        workers: int = 1,
        core: int | None = None,
        program: str = "credenza",
        wrapper: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        **changed: object,
    ) -> None:
        super().__init__()
        self.role = role
        self.workers = workers
        self._core = core
        self.program = program
        self._wrapper = wrapper
        self._environment = environment or {}
        self.manage_port, self.production_port, self.decision_port = free_port(), free_port(), free_port()
        self._scheme = "https" if settings.tls_certificate is not None else "http"
        origins = {
            "manage_origin": f"http://{HOST}:{self.manage_port}",
            "sandbox_origin": f"{self._scheme}://{HOST}:{self.port}",
            "production_origin": f"{self._scheme}://{HOST}:{self.production_port}",
        }
        binds = {
            "manage_bind": f"{HOST}:{self.manage_port}",
            "sandbox_bind": f"{HOST}:{self.port}",
            "production_bind": f"{HOST}:{self.production_port}",
            "decision_bind": f"{HOST}:{self.decision_port}",
        }
        self._settings = {**_set(settings), **origins, **binds, **changed}

    def command(self) -> list[str]:
        variables = [f"{name}={value}" for name, value in self.variables().items()]
        pinned = [] if self._core is None else [find_program("taskset", "util-linux"), "-c", str(self._core)]
        program = [sys.executable, "-m", self.program]
        return [find_program("env", "coreutils"), *variables, *pinned, *self._wrapper, *program, *self.arguments()]

    def arguments(self) -> list[str]:
        return ["serve", "--role", self.role, "--workers", str(self.workers)]

    def variables(self) -> dict[str, str]:
        settings = {f"CREDENZA_{name.upper()}": str(value) for name, value in self._settings.items()}
        return {**self._environment, **settings}

    def answers(self) -> bool:
        port = self.decision_port if self.role == "gate" else self.manage_port
        # Asked again and again while it starts: a client of httpx would read all certificates of the system each time.
        with closing(HTTPConnection(HOST, port, timeout=2)) as connection:
            try:
                connection.request("GET", "/health")
                served = connection.getresponse().status == HTTPStatus.OK
            except HTTPException as error:
                raise ConnectionError(str(error)) from error
        # The first worker may serve before the last has been forked.
        return served and len(self.worker_pids()) >= self.workers

    @property
    def origin(self) -> str:
        """Where calls to SANDBOX go."""
        return f"{self._scheme}://{HOST}:{self.port}"

    @property
    def manage_origin(self) -> str:
        return f"http://{HOST}:{self.manage_port}"

    def worker_pids(self) -> list[int]:
        """The processes that serve: with one worker the server itself."""
        return list(children(self._running().pid)) or [self._running().pid]


def _set(settings: Settings) -> dict[str, object]:
    """What is not left at its default."""
    values = {each.name: (getattr(settings, each.name), each.default) for each in fields(Settings)}
    return {name: _plain(value) for name, (value, default) in values.items() if value != default}


def _plain(value: object) -> object:
    """A secret does not tell itself to whoever writes it down."""
    return value.get_secret_value() if isinstance(value, Secret) else value


def children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def settings(directory: Path, **changed: Any) -> Settings:
    """Of tests: a server of theirs sets aside 10 MB for what it remembers, not 240 as `full_settings`."""
    return full_settings(directory, **{"replay_capacity": 50_000, **changed})


def full_settings(directory: Path, **changed: Any) -> Settings:
    """Of proofs and measurements, which do with one token what a thousand people do."""
    return read({"data_dir": directory / "data", "manage_requests_per_minute": 10_000_000, **changed})


@dataclass(frozen=True, slots=True)
class Installation:
    """What was made when it was furnished. `actor` is the organization's admin."""

    settings: Settings
    platform: Platform
    organization_id: OrganizationId
    actor: Actor
    token: str
    service: Service

    def client(self, server: CredenzaServer) -> ManagementClient:
        return ManagementClient(server.manage_origin, TokenAuth(self.token))

    def add_project(
        self, project_type: ProjectType = ProjectType.OAUTH10A, service: Service | None = None
    ) -> tuple[Project, Client]:
        """A project in SANDBOX with its first key."""
        private_key, new = new_key()
        request = NewProject(
            project_type, f"Project {next(_numbers)} {secrets.token_hex(4)}", "EU", (service or self.service).id,
            SANDBOX, new,
        )  # fmt: skip
        view = projects.create(self.platform, self.actor, self.organization_id, request, now=now())
        return view.project, signer(view.credentials[0], private_key)

    def add_key(self, project: Project, private_key: rsa.RSAPrivateKey | None = None) -> Client:
        private_key, new = new_key(private_key)
        made = oauth_keys.add_by_csr(self.platform, self.actor, project.id, new, SANDBOX, now=now())
        return signer(made, private_key)

    def add_service(self, name: str, prefix: str, authentication: AuthenticationType, upstream: str) -> Service:
        places = tuple(ServiceEnvironment(name, prefix, upstream, 13, None) for name in EnvironmentName)
        new = NewService(name, authentication, "", places)
        return services.create(self.platform, local.OPERATOR, new, now=now())


def upgrade(database_url: str) -> None:
    """What `credenza db upgrade` does."""
    database = open_database(database_url)
    migrate.upgrade(database)
    database.close()


@contextmanager
def furnish(chosen: Settings, *, upstream: str = NOWHERE) -> Iterator[Installation]:
    """Make an organization with its admin and a token, and a service of OAuth 1.0a under `/orders`."""
    with local.platform(chosen) as platform:
        yield _furnished(chosen, platform, upstream)


def _furnished(chosen: Settings, platform: Platform, upstream: str) -> Installation:
    name = f"Acme {next(_numbers)}"
    organization = organizations.create(platform, local.OPERATOR, name=name, project_limit=500, now=now())
    email = f"{secrets.token_hex(4)}@acme.example"
    ada = people.create_user(platform, local.OPERATOR, email=email, name="Ada", now=now())
    people.set_member(platform, local.OPERATOR, organization.id, email=email, role=OrganizationRole.ADMIN, now=now())
    actor = Actor(ActorKind.SESSION, "tests", ada.id, organization.id)
    issued = access_tokens.create(
        platform, actor, organization.id, name="tests", scopes=frozenset(Scope), days=30, now=now()
    )
    places = tuple(ServiceEnvironment(each, PREFIX, upstream, 13, None) for each in EnvironmentName)
    service = services.create(
        platform, local.OPERATOR, NewService(f"Orders {name}", AuthenticationType.OAUTH10A, "", places), now=now()
    )
    return Installation(chosen, platform, organization.id, actor, issued.secret, service)


def new_key(private_key: rsa.RSAPrivateKey | None = None) -> tuple[rsa.RSAPrivateKey, NewKey]:
    private_key = private_key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private_key, NewKey(f"key {next(_numbers)}", request_for(private_key))


def request_for(private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return csr.build(private_key, common_name="Orders", organization="Acme")


def signer(credential: Credential, private_key: rsa.RSAPrivateKey) -> Client:
    return Client(credential.consumer_key, private_key)


def now() -> datetime:
    return datetime.now(UTC)

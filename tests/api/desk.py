"""A whole manage plane in process: two organizations, people in every role, and clients that act for them.

desk = Desk(tmp_path, database)
async with desk.client("owner") as client: ...
"""

from __future__ import annotations

import os
import uuid
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import msgspec
import sqlalchemy.exc
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from starlette import types
from starlette.routing import BaseRoute, Match
from tests.clock import Clock

from credenza.actions import (
    access_tokens,
    account_keys,
    organizations,
    people,
    project_members,
    projects,
    services,
    start,
)
from credenza.actions.context import Platform
from credenza.actions.issuing import NewKey
from credenza.actions.project_view import ProjectView
from credenza.adapters.passwords import Argon2Passwords
from credenza.adapters.vault import LocalVault
from credenza.adapters.weak_keys import WeakKeys
from credenza.api.app import create_app
from credenza.client.auth import OAuth1Auth, TokenAuth
from credenza.client.management import AsyncManagementClient
from credenza.domain.access import Scope
from credenza.domain.model import (
    Actor,
    ActorKind,
    AuthenticationType,
    Credential,
    EnvironmentName,
    Organization,
    OrganizationRole,
    ProjectRole,
    ProjectType,
    ServiceEnvironment,
    User,
)
from credenza.gate import decision
from credenza.gate.decision import Call, Decision
from credenza.gate.explanation import BaseString, Explanation, Step
from credenza.gate.freshness import SqliteFreshness, SqliteKeys
from credenza.gate.keyring import Keyring, RouteTable
from credenza.gate.oauth1 import Verifier
from credenza.portal import app as portal_app
from credenza.portal.portal import Portal
from credenza.protocol import csr
from credenza.store import traces
from credenza.store.embedded import EmbeddedReader
from credenza.store.engine import Database, reading, writing
from credenza.store.replay import LmdbReplay
from credenza.store.traces import StoredRefusal

ORIGIN = "http://desk.test"
OPERATOR = Actor(ActorKind.OPERATOR, "operator")
SANDBOX, PRODUCTION = EnvironmentName.SANDBOX, EnvironmentName.PRODUCTION

# In the organization, and on the project of "owner": (organization role, project role).
ROLES: dict[str, tuple[OrganizationRole, ProjectRole | None]] = {
    "admin": (OrganizationRole.ADMIN, None),
    "compliance": (OrganizationRole.COMPLIANCE_ADMIN, None),
    "owner": (OrganizationRole.USER, ProjectRole.OWNER),
    "colleague": (OrganizationRole.USER, ProjectRole.ADMIN),
    "reader": (OrganizationRole.READ_ONLY, ProjectRole.READ_ONLY),
    "bystander": (OrganizationRole.USER, None),
}
STRANGER = "stranger"
"""The admin of another organization."""


@cache
def key_pair(number: int) -> rsa.RSAPrivateKey:
    """RSA-2048, made once per run and number."""
    del number
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def request_for(number: int) -> str:
    """The certification request of one of the run's keys, as text."""
    return csr.build(key_pair(number), common_name=f"key-{number}").decode()


class LatePages(BaseRoute):
    """The pages of the portal, made for the first request that no route of the API takes: most tests have none, and to
    make them takes longer than all else that a desk has."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    @cached_property
    def _pages(self) -> tuple[BaseRoute, ...]:
        return portal_app.routes(self._portal)

    def matches(self, scope: types.Scope) -> tuple[Match, types.Scope]:
        found = [(match, child | {"page": page}) for page in self._pages for match, child in [page.matches(scope)]]
        # As the router does: the first page with this method, else the first with this path.
        return max(found, key=lambda each: each[0].value)

    async def handle(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        await scope["page"].handle(scope, receive, send)


class Desk:
    """With `template`, the desk that left these rows in the database, nothing is made anew."""

    def __init__(self, directory: Path, database: Database, *, template: Desk | None = None) -> None:
        self.directory = directory
        self.database = database
        self.clock = Clock()
        self.platform: Platform = start.prepare(
            self.database,
            LocalVault(b"k" * 32),
            WeakKeys(),
            Argon2Passwords(memory_kib=8),
            random=os.urandom,
            pki_url=f"{ORIGIN}/pki",
            public_url=ORIGIN,
            now=self.clock.now(),
        )
        if template is None:
            self.tokens: dict[str, str] = {}
            self.users: dict[str, User] = {}
            self._furnish()
        else:
            self.tokens, self.users = dict(template.tokens), dict(template.users)
            self.organization, self.other = template.organization, template.other
            self.services, self.view = template.services, template.view
        self._closing = ExitStack()
        self.app = self.build()

    def build(self, platform: Platform | None = None, **more: Any) -> FastAPI:
        return create_app(
            platform or self.platform,
            self,
            clock=self.clock.now,
            ready=self._ready,
            outages=(sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError),
            pages=[LatePages(Portal(self.platform, self.clock.now))],
            **more,
        )

    def _ready(self) -> None:
        with reading(self.database.records):
            pass

    async def decide(self, call: Call, *, now: datetime) -> Decision:
        """Be the verifier of signed calls; the real one is made for the first of them (on SQLite)."""
        return await self.verifier.decide(call, clock=self.clock.now)

    @cached_property
    def verifier(self) -> Verifier:
        LmdbReplay.establish(self.directory / "replay")
        replay = LmdbReplay(
            self.directory / "replay",
            remember=timedelta(seconds=600),
            ahead=timedelta(seconds=300),
            now=self.clock.now().timestamp() - 10_000,
            capacity=10_000,
        )
        reader = EmbeddedReader(Path(str(self.database.records.url.database)))
        self._closing.callback(replay.close)
        self._closing.callback(reader.close)
        routes = RouteTable()
        keyring = Keyring(SqliteKeys(reader), clock=monotonic)
        return Verifier(
            keyring=keyring, routes=routes, freshness=SqliteFreshness(reader, keyring, routes), replay=replay
        )

    def close(self) -> None:
        self._closing.close()
        self.database.close()

    # ------------------------------------------------------------------------------------------------ what there is

    def _furnish(self) -> None:
        now = self.clock.now()
        self.organization = organizations.create(self.platform, OPERATOR, name="Example", now=now)
        self.other = organizations.create(self.platform, OPERATOR, name="Other", now=now)
        for name, (role, _) in ROLES.items():
            self.join(name, role)
        self.join(STRANGER, OrganizationRole.ADMIN, organization=self.other)
        self.services = [
            services.create(
                self.platform,
                OPERATOR,
                services.NewService(
                    name,
                    authentication,
                    "",
                    tuple(
                        ServiceEnvironment(place, f"/{name.lower()}", "http://127.0.0.1:9", 13, None)
                        for place in EnvironmentName
                    ),
                ),
                now=now,
            )
            for name, authentication in (
                ("Orders", AuthenticationType.OAUTH10A),
                ("Payments", AuthenticationType.DUAL_OAUTH),
                ("Vault", AuthenticationType.MTLS),
            )
        ]
        self.view = self.project("Shop", number=0)
        for name, (_, project_role) in ROLES.items():
            if project_role in (ProjectRole.ADMIN, ProjectRole.READ_ONLY):
                email = f"{name}@example.com"
                project_members.set_role(
                    self.platform, OPERATOR, self.view.project.id, email=email, role=project_role, now=now
                )

    def join(self, name: str, role: OrganizationRole, *, organization: Organization | None = None) -> None:
        organization = organization or self.organization
        now = self.clock.now()
        email = f"{name}@example.com"
        self.users[name] = people.create_user(self.platform, OPERATOR, email=email, name=name.capitalize(), now=now)
        people.set_member(self.platform, OPERATOR, organization.id, email=email, role=role, now=now)
        issued = access_tokens.create(
            self.platform,
            OPERATOR,
            organization.id,
            name="test",
            scopes=frozenset(Scope),
            days=366,
            owner=self.users[name].id,
            now=now,
        )
        self.tokens[name] = issued.secret

    def actor(self, name: str) -> Actor:
        return access_tokens.authenticate(self.platform, self.tokens[name], address="", now=self.clock.now())

    def project(
        self,
        name: str,
        *,
        number: int,
        owner: str = "owner",
        kind: ProjectType = ProjectType.OAUTH10A,
        service: int | None = None,
    ) -> ProjectView:
        """A project with a sandbox and one key, the run's key of that number."""
        actor = self.actor(owner)
        assert actor.organization_id is not None
        new = projects.NewProject(
            type=kind,
            name=name,
            region="EU",
            service_id=self.services[service if service is not None else 1].id,
            environment=SANDBOX,
            credential=NewKey("first", request_for(number).encode()),
        )
        return projects.create(self.platform, actor, actor.organization_id, new, now=self.clock.now())

    @property
    def project_id(self) -> str:
        return self.view.project.id

    @property
    def key_id(self) -> str:
        return self.view.credentials[0].id

    def account_key(self, name: str, *, number: int) -> Credential:
        actor = self.actor(name)
        assert actor.organization_id is not None
        new = NewKey("machine", request_for(number).encode())
        return account_keys.add(self.platform, actor, actor.organization_id, new, now=self.clock.now())

    def grow_old(self) -> None:
        """Move on to the key's last 90 days."""
        self.clock.advance(timedelta(days=13 * 30 - 60))

    def leave_a_refusal(self) -> str:
        """A refused call of the project, as a gate would store it; its id."""
        explained = Explanation(
            refusal_id=uuid.uuid4().hex,
            code=decision.Code.BODY_HASH,
            at=self.clock.now(),
            method="POST",
            target="/payments/1?a=b",
            steps=(Step("header", ok=True), Step("body", ok=False, expected="x", received="y", hint="Sign again.")),
            base_strings=(BaseString("mastercard", "POST&..."),),
        )
        stored = StoredRefusal(
            id=explained.refusal_id,
            organization_id=self.organization.id,
            project_id=self.view.project.id,
            credential_id=self.view.credentials[0].id,
            at=explained.at,
            expires_at=explained.at + timedelta(hours=1),
            code=explained.code,
            explanation=msgspec.json.encode(explained).decode(),
        )
        with writing(self.database.traces) as connection:
            traces.insert_refusals(connection, [stored])
        return stored.id

    # ------------------------------------------------------------------------------------------------ who asks

    def client(self, name: str | None = None, *, app: FastAPI | None = None) -> AsyncManagementClient:
        auth = TokenAuth(self.tokens[name]) if name else None
        return AsyncManagementClient(ORIGIN, auth, transport=self.transport(app))

    def signer(self, credential: Credential, *, number: int) -> AsyncManagementClient:
        auth = OAuth1Auth(credential.consumer_key, key_pair(number), clock=self.clock.now)
        return AsyncManagementClient(ORIGIN, auth, transport=self.transport())

    def http(self, name: str | None = None, *, app: FastAPI | None = None) -> httpx.AsyncClient:
        """Bare HTTP, for what the SDK would never send."""
        headers = {"Authorization": f"Bearer {self.tokens[name]}"} if name else {}
        return httpx.AsyncClient(base_url=ORIGIN, transport=self.transport(app), headers=headers)

    def transport(self, app: FastAPI | None = None) -> httpx.ASGITransport:
        return httpx.ASGITransport(app or self.app, client=("192.0.2.7", 40_000))

    def under(self, **policy: Any) -> FastAPI:
        """The same desk, under another policy."""
        return self.build(replace(self.platform, policy=replace(self.platform.policy, **policy)))

"""A furnished portal for tests: people, projects, calls and notices of every kind; asked in process, or by a browser.

page = house.visit(house.ada).get(house.path("/expiry"))
with house.served() as url: ...
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn
from playwright.sync_api import BrowserContext
from sqlalchemy import select
from starlette.applications import Starlette
from tests.actions.stage import PRODUCTION, SANDBOX, new_platform
from tests.clock import Clock
from tests.servers import HOST, free_port

from credenza.actions import notices, organizations, people, sessions
from credenza.actions.context import Platform
from credenza.actions.sessions import Visitor
from credenza.actions.single_sign_on import Provider
from credenza.cli import demo_seed
from credenza.domain.model import (
    Actor,
    ActorKind,
    CredentialId,
    OrganizationId,
    OrganizationRole,
    ProjectId,
    SignInMethod,
    User,
)
from credenza.gate.decision import Code
from credenza.gate.explanation import BaseString, Explanation, Step
from credenza.portal import app
from credenza.portal.portal import Portal
from credenza.store import schema, traces, traffic
from credenza.store.engine import Database, reading, writing
from credenza.store.traces import Caller, StoredRefusal
from credenza.store.traffic import Traffic

OPERATOR = Actor(ActorKind.OPERATOR, "root")
REFUSAL_ID = "0e4f6a4c1b7d4f0f9f3f2a9d5b7c6e11"
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


class House:
    """One portal. `url` is where it is served; it has an empty organization until it is furnished."""

    def __init__(self, database: Database, clock: Clock, provider: Provider | None = None) -> None:
        self.clock = clock
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.platform: Platform = replace(new_platform(database, now=clock.now()), public_url=self.url)
        gates = {SANDBOX: "https://sandbox.example.com", PRODUCTION: "https://api.example.com"}
        portal = Portal(self.platform, clock.now, platform_name="Example", gates=gates, provider=provider)
        self.application = Starlette(routes=app.routes(portal))
        self.organization_id = OrganizationId("")
        self.keys: dict[str, CredentialId] = {}

    def found(self, name: str = "Acme") -> User:
        """Found an organization and sign its admin up; the house is this organization's from now on."""
        made = organizations.create(self.platform, OPERATOR, name=name, now=self.clock.now())
        self.organization_id = made.id
        return self.join("Ada", OrganizationRole.ADMIN)

    def join(self, name: str, role: OrganizationRole) -> User:
        now = self.clock.now()
        email = f"{name.lower()}@example.org"
        user = people.create_user(self.platform, OPERATOR, email=email, name=name, now=now)
        people.set_member(self.platform, OPERATOR, self.organization_id, email=email, role=role, now=now)
        return user

    def furnish(self, directory: Path) -> User:
        """Fill it as the demo is filled, with calls and notices too; the answer is the admin."""
        now = self.clock.now()
        seeded = demo_seed.seed(self.platform, directory, upstream="http://127.0.0.1:9000", now=now)
        self.organization_id = seeded.organization.id
        self.keys = {name: CredentialId(key.consumer_key.partition("!")[2]) for name, key in seeded.keys.items()}
        self._call()
        for days in (60, 30, 2, 0):
            notices.plan(self.platform, now=now - days * _DAY)
        return self.person("Ada")

    def again(self, database: Database, clock: Clock) -> House:
        """Another portal, over a copy of the rows that this one was furnished with."""
        house = House(database, clock)
        house.organization_id, house.keys = self.organization_id, dict(self.keys)
        return house

    def person(self, name: str) -> User:
        with reading(self.platform.database.records) as connection:
            row = connection.execute(select(schema.users).where(schema.users.c.name == name)).one()
        return User(row.id, row.email, row.name, row.created_at, row.disabled_at)

    def project_of(self, name: str) -> str:
        """The project of one of the keys, by the key's name."""
        query = select(schema.credentials.c.project_id).where(schema.credentials.c.id == self.keys[name])
        with reading(self.platform.database.records) as connection:
            return str(connection.execute(query).scalar_one())

    def path(self, rest: str = "") -> str:
        return f"/organizations/{self.organization_id}{rest}"

    def visit(self, user: User | None = None, **headers: str) -> Browser:
        return Browser(self, "" if user is None else self._begin(user), headers)

    def sign_in(self, context: BrowserContext, user: User) -> None:
        context.add_cookies([{"name": "credenza", "value": self._begin(user), "url": self.url}])

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it to a browser on this machine."""
        config = uvicorn.Config(self.application, host=HOST, port=self.port, log_level="warning", lifespan="off")
        config.timeout_graceful_shutdown = 1  # streams stay open as long as their pages do
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                threading.Event().wait(0.01)
            yield self.url
        finally:
            server.should_exit = True
            thread.join()

    def _begin(self, user: User) -> str:
        visitor = Visitor("127.0.0.1", "test")
        return sessions.begin(self.platform, user, SignInMethod.PASSKEY, visitor, now=self.clock.now()).token

    def _call(self) -> None:
        """Leave behind what gates leave behind."""
        now, minute = self.clock.now(), self.clock.now().replace(second=0)
        pace = (
            Traffic(self.organization_id, minute - each * _MINUTE, 120 + each * 37 % 50, each % 4, now)
            for each in range(55)
        )
        callers = [self._caller("checkout-2025", now - 7 * _MINUTE), self._caller("checkout-sandbox", now)]
        with writing(self.platform.database.traces) as connection:
            traffic.add(connection, pace)
            traces.add_callers(connection, callers)
            traces.insert_refusals(connection, [self._refusal(number) for number in range(5)])

    def _caller(self, name: str, at: datetime) -> Caller:
        place = (self.organization_id, self.keys[name], 1, "10.1.4.9", "batch/2.1")
        return Caller(*place, at - _DAY, at, admitted=214, refused=0)

    def _refusal(self, number: int) -> StoredRefusal:
        at = self.clock.now() - number * _MINUTE
        code = Code.SIGNATURE if number < 3 else Code.TIMESTAMP
        identity = REFUSAL_ID if number == 0 else f"{number:032x}"
        key = self.keys["checkout-sandbox"]
        with reading(self.platform.database.records) as connection:
            query = select(schema.credentials.c.project_id).where(schema.credentials.c.id == key)
            project_id = ProjectId(connection.execute(query).scalar_one())
        explanation = msgspec.json.encode(_explanation(identity, code, at)).decode()
        return StoredRefusal(
            identity, self.organization_id, project_id, key, at, at + timedelta(hours=1), code, explanation
        )


def _explanation(identity: str, code: Code, at: datetime) -> Explanation:
    before = tuple(Step(name, True) for name in ("header", "target", "time", "body"))
    wrong = Step(
        "signature",
        False,
        "RSA-SHA256 by the private key of 7f3c over one of the base strings",
        "a signature that begins Zm9vYmFy",
        "Compare the base strings with the one that was signed. If one is the same, the private key is another one.",
    )
    after = tuple(Step(name, None) for name in ("key", "environment", "path", "entitlement", "first use", "freshness"))
    unasked = Step("x-jws-signature", None, asked=False)
    text = "GET&https%3A%2F%2Fsandbox.example.com%2Fpayments&oauth_nonce%3Dabcdefgh%26oauth_version%3D1.0"
    strings = (BaseString("RFC 5849", text), BaseString("body in the query", text + "%26amount%3D1"))
    return Explanation(identity, code, at, "GET", "/payments?amount=1", (*before, wrong, *after, unasked), strings)


class Browser:
    """Somebody's browser without script. Redirects are not followed."""

    def __init__(self, house: House, token: str, headers: Mapping[str, str]) -> None:
        self._house = house
        self._cookies = {"credenza": token} if token else {}
        self._headers = dict(headers)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return asyncio.run(self._send("GET", path, headers=headers))

    def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form as one of the portal's pages has it."""
        csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.get("/help").text)
        token = {"csrf": csrf[1]} if csrf else {}
        return asyncio.run(self._send("POST", path, data={**token, **fields}))

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        options["headers"] = self._headers | options.get("headers", {})
        transport = httpx.ASGITransport(self._house.application)
        async with httpx.AsyncClient(transport=transport, base_url=self._house.url, cookies=self._cookies) as client:
            return await client.request(method, path, **options)

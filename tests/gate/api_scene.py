"""A platform with an API of every level, a gate in front of it on the same database, and credentials that call it.

What changes is changed by the actions, which return when the gate has heard of it; on PostgreSQL they wait for it in a
thread.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from tests.actions.api_catalog import ApiCatalog
from tests.actions.stage import KEY_ENCRYPTION_KEY, OPERATOR, PRODUCTION, SANDBOX, Stage

from credenza.actions import api_credentials, services
from credenza.actions.api_credentials import IssuedApiCredential
from credenza.actions.services import NewService
from credenza.actions.token_keys import ensure
from credenza.adapters.vault import LocalVault
from credenza.domain import secret_text
from credenza.domain.api_credentials import ApiGrant
from credenza.domain.catalog import CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.model import AuthenticationType, EnvironmentName, Service
from credenza.gate.api_clients import ApiClients
from credenza.gate.audiences import Audiences
from credenza.gate.bearer import Audience, TokenVerifier
from credenza.gate.call_counts import CallCounts, OwnCounts
from credenza.gate.compat import ApiTokenVerifier
from credenza.gate.compat_server import CompatServer
from credenza.gate.decision import Admitted, Call, Code, Decision, Refused
from credenza.gate.desk import Desk
from credenza.gate.freshness import Freshness, SqliteFreshness, SqliteKeys
from credenza.gate.ids import ids
from credenza.gate.issuers import Issuers
from credenza.gate.keyring import Keyring, RouteTable
from credenza.gate.metrics import Metrics
from credenza.gate.mtls import CertificateVerifier
from credenza.gate.oauth1 import Verifier
from credenza.gate.possession import Nonces
from credenza.gate.postgresql import PostgresFreshness, PostgresKeys
from credenza.gate.refusals import Refusals
from credenza.gate.token_desk import TokenDesk
from credenza.gate.token_faults import Fault
from credenza.gate.token_server import Denial, Granted, TokenCall
from credenza.gate.token_status import TokenStatus
from credenza.gate.usage import Usage
from credenza.protocol.oauth1 import Request
from credenza.store import schema
from credenza.store.embedded import EmbeddedReader
from credenza.store.engine import writing
from credenza.store.engine_traces import EngineTraces
from credenza.store.postgresql import LineReader

ORIGIN = "https://api.example.com"
ISSUER = f"{ORIGIN}/sso"
OTHER_AUDIENCE = "https://api.example.org"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
HERE = "192.0.2.7"
# No test waits for a lease to end.
_LEASE = timedelta(seconds=120)

Answer = TypeVar("Answer")


class NoReplays:
    """Nothing here is used once only."""

    remembers_since = 0.0

    def first_seen(self, key: bytes, now: float) -> bool:
        return True


class Pepper:
    """Hashes as the platform does."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper

    async def hash_secret(self, secret: str) -> str:
        return secret_text.keyed_hash(self._pepper, secret)

    async def revoke(self, token: Any, *, client_id: str) -> None:
        raise NotImplementedError


class ApiGate:
    """`monotonic` is moved by hand: what is counted by the minute flows back when a test says so."""

    def __init__(self, catalog: ApiCatalog, source: Any, counts: CallCounts | None = None) -> None:
        self.catalog, self.stage = catalog, catalog.stage
        self.monotonic = 1000.0
        self.clients = ApiClients(source, clock=time.monotonic)
        self.routes = RouteTable()
        self.keyring = Keyring(source, clock=time.monotonic, followers=(self.clients,))
        self.issuers = Issuers(LocalVault(KEY_ENCRYPTION_KEY))
        self.audiences = Audiences(dict.fromkeys(EnvironmentName, (ORIGIN, OTHER_AUDIENCE)))
        self.counts = counts or OwnCounts(clock=lambda: self.monotonic)
        self.freshness: Freshness

    def stand(self, freshness: Freshness) -> None:
        self.freshness = freshness
        known: dict[str, Any] = {"keyring": self.keyring, "routes": self.routes, "freshness": freshness}
        self.verifier = ApiTokenVerifier(
            clients=self.clients,
            **known,
            issuers=self.issuers,
            origins=dict.fromkeys(EnvironmentName, ORIGIN),
            audiences=self.audiences,
            counts=self.counts,
        )
        tokens = TokenVerifier(
            **known,
            issuers=self.issuers,
            replay=NoReplays(),
            audiences=tuple(Audience(each, ORIGIN) for each in EnvironmentName),
            nonces=Nonces(b"n" * 32),
        )
        traces = EngineTraces(self.stage.platform.database.traces)
        kept: dict[str, Any] = {
            "clock": self.stage.clock.now,
            "usage": Usage(traces, report=_fail),
            "refusals": Refusals(traces, clock=self.stage.clock.now, report=_fail),
            "metrics": Metrics(),
        }
        certificates = CertificateVerifier(**known)
        self.desk = Desk(
            Verifier(**known, replay=NoReplays(), tokens=tokens, certificates=certificates, api_tokens=self.verifier),
            **kept,
        )
        hashes = Pepper(self.stage.platform.pepper)
        self.server = CompatServer(
            clients=self.clients,
            routes=self.routes,
            issuers=self.issuers,
            freshness=freshness,
            audiences=self.audiences,
            hashes=hashes,
            ids=ids(),
            monotonic=lambda: self.monotonic,
        )
        self.tokens = TokenDesk(self.server, TokenStatus(self.server, self.verifier, self.issuers, hashes), **kept)

    # ------------------------------------------------------------------------------------------------------- changes

    async def act(self, action: Callable[..., Answer], *asked: Any, **named: Any) -> Answer:
        """Have the organization's admin do something, and the gate hear of it."""
        catalog, stage = self.catalog, self.stage
        arguments = (stage.platform, catalog.admin.actor, catalog.organization.id, *asked)
        return await asyncio.to_thread(lambda: action(*arguments, now=stage.now, **named))

    async def operate(self, action: Callable[..., Answer], *asked: Any) -> Answer:
        stage = self.stage
        done = await asyncio.to_thread(lambda: action(stage.platform, OPERATOR, *asked, now=stage.now))
        await self.heard()
        return done

    async def heard(self) -> None:
        """Wait until the gate has heard of all that was changed, of which not everything is waited for."""
        newest = max((row.number for row in self.stage.rows(schema.changes)), default=0)
        while True:
            self.freshness.look()
            if self.keyring.number >= newest:
                return
            await asyncio.sleep(0.005)

    async def create(self, *grants: ApiGrant, **named: Any) -> IssuedApiCredential:
        return await self.act(api_credentials.create, self.catalog.new(grants=grants, **named))

    async def edit(self, issued: IssuedApiCredential, **named: Any) -> None:
        found = (await self.act(api_credentials.get, issued.view.credential.id)).credential
        await self.act(api_credentials.edit, issued.view.credential.id, self.catalog.edit_of(found, **named))

    async def offer(self, entry: CatalogEntry, *, path: str) -> Service:
        """Add an API at this path of both environments."""
        places = tuple(self.stage.place(each, path_prefix=path) for each in (SANDBOX, PRODUCTION))
        new = NewService(path.strip("/").title(), AuthenticationType.CLIENT_SECRET, "", places, entry=entry)
        return await self.operate(services.create, new)

    # -------------------------------------------------------------------------------------------------------- tokens

    async def ask(self, call: TokenCall) -> Granted | Denial:
        return await self.tokens.grant(call)

    async def token(self, issued: IssuedApiCredential, **form: Any) -> str:
        granted = await self.ask(self.asking(issued, **form))
        assert isinstance(granted, Granted), (granted.fault, granted.detail)
        return granted.access_token

    async def denied(self, call: TokenCall) -> Fault:
        denial = await self.ask(call)
        assert isinstance(denial, Denial), denial
        return denial.fault

    def asking(
        self,
        issued: IssuedApiCredential | None = None,
        *,
        secret: str = "",
        content_type: str = FORM,
        body: bytes | None = None,
        call: dict[str, Any] | None = None,
        **form: Any,
    ) -> TokenCall:
        """A request as it arrives: a form or JSON, unless a body is given."""
        told: dict[str, Any] = {"grant_type": "client_credentials"}
        if issued is not None:
            told |= {"client_id": issued.view.credential.client_id, "client_secret": secret or issued.secret}
        told = {name: value for name, value in (told | form).items() if value is not None}
        written = json.dumps(told).encode() if content_type.startswith(JSON) else urlencode(told).encode()
        values: dict[str, Any] = {
            "id": secrets.token_hex(16),
            "environment": SANDBOX,
            "issuer": ISSUER,
            "uri": f"{ISSUER}/oauth/token",
            "query": "",
            "content_type": content_type,
            "body": written if body is None else body,
            "authorization": (),
            "proofs": (),
            "address": HERE,
        }
        return TokenCall(**(values | (call or {})))

    # --------------------------------------------------------------------------------------------------------- calls

    async def decide(self, made: Call) -> Decision:
        return await self.desk.decide(made)

    async def call(self, token: str, target: str, method: str = "GET", **changed: Any) -> Decision:
        return await self.decide(calling(token, target, method, **changed))

    async def refusal(self, token: str, target: str, method: str = "GET", **changed: Any) -> Code | None:
        decision = await self.call(token, target, method, **changed)
        return decision.code if isinstance(decision, Refused) else None

    async def admitted(self, token: str, target: str, method: str = "GET", **changed: Any) -> Admitted:
        decision = await self.call(token, target, method, **changed)
        assert isinstance(decision, Admitted), decision
        return decision


def calling(token: str, target: str, method: str = "GET", **changed: Any) -> Call:
    path, _, query = target.partition("?")
    arguments: dict[str, Any] = {
        "id": secrets.token_hex(16),
        "request": Request(method, "https", "api.example.com", path, query),
        "authorization": (f"Bearer {token}",) if token else (),
        "environment": SANDBOX,
        "body_sha256": b"",
        "address": HERE,
        "user_agent": "curl/8",
    }
    return Call(**(arguments | changed))


def basic(client_id: str, secret: str) -> tuple[str, ...]:
    return ("Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode(),)


@asynccontextmanager
async def standing(stage: Stage, *, counts: CallCounts | None = None) -> AsyncIterator[ApiGate]:
    """A gate on the stage's database, whichever that is."""
    catalog, database = ApiCatalog(stage), stage.platform.database
    with writing(database.records) as connection:
        ensure(connection, stage.platform.vault, rotation=timedelta(days=30), now=stage.now)
    async with AsyncExitStack() as stack:
        if database.embedded:
            reader = EmbeddedReader(Path(database.records.url.database or ""))
            stack.callback(reader.close)
            gate = ApiGate(catalog, SqliteKeys(reader), counts)
            gate.stand(SqliteFreshness(reader, gate.keyring, gate.routes, gate.issuers))
        else:
            url = database.records.url.set(drivername="postgresql").render_as_string(hide_password=False)
            lines = LineReader(url, deadline_s=_LEASE.total_seconds() / 2)
            keys = PostgresKeys(lines)
            gate = ApiGate(catalog, keys, counts)
            freshness = PostgresFreshness(
                url,
                keys,
                gate.keyring,
                gate.routes,
                name="gate",
                clock=time.monotonic,
                report=_fail,
                memory="here",
                lease=_LEASE,
                issuers=gate.issuers,
            )
            await freshness.start()
            stack.push_async_callback(lines.close)
            stack.push_async_callback(freshness.stop)
            gate.stand(freshness)
        yield gate


def entry(level: ScopeLevel, *routes: RouteRule, fixed: bool = False, **named: Any) -> CatalogEntry:
    """An entry whose permissions are those that its routes need."""
    names = sorted({each.permission for each in routes})
    return CatalogEntry(
        scope_level=level, scope_fixed=fixed, permissions=tuple(map(Permission, names)), routes=routes, **named
    )


PROFILES = (
    RouteRule("GET", "/v1/workspaces/{workspace}/profiles/{id}", "read", workspace_variable="workspace"),
    RouteRule("PUT", "/v1/workspaces/{workspace}/profiles/{id}", "write", workspace_variable="workspace"),
)


def _fail(error: Exception) -> None:
    raise error

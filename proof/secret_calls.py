"""API credentials of an installation, what their holders send, and how they lose what they may do."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from tests.installation import SANDBOX, now

from credenza.actions import accounts, api_credentials, services, workspaces
from credenza.actions.api_credentials import ApiCredentialEdit, IssuedApiCredential, NewApiCredential
from credenza.actions.services import NewService
from credenza.cli import local
from credenza.domain.api_credentials import ApiGrant
from credenza.domain.catalog import CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.model import AuthenticationType, ServiceEnvironment, WorkspaceId
from proof.calls import ADMITTED, Line, request
from proof.claim import hold
from proof.stage import Stage

TOKEN = "/sso/oauth/token"
_PATIENCE_S, _PAUSE_S = 120.0, 0.01


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a client id and a secret."""

    issued: IssuedApiCredential
    workspace: str
    prefix: str

    def token_request(self) -> bytes:
        asked = {
            "grant_type": "client_credentials",
            "client_id": self.issued.view.credential.client_id,
            "client_secret": self.issued.secret,
        }
        return request("POST", TOKEN, body=msgspec.json.encode(asked), **{"Content-Type": "application/json"})

    def call(self, token: str) -> bytes:
        target = f"{self.prefix}/v1/workspaces/{self.workspace}/things"
        return request("GET", target, Authorization=f"Bearer {token}")

    async def fetch(self, line: Line) -> str:
        answer = await line.ask(self.token_request())
        hold(answer.status == ADMITTED, f"no token: {answer.status} {answer.body[:200]!r}")
        return str(msgspec.json.decode(answer.body)["access_token"])


class Holders:
    """A service with one route, and credentials that may take it in one workspace."""

    def __init__(self, where: Stage) -> None:
        self._made = where.installation
        self._place = (self._made.platform, self._made.actor, self._made.organization_id)
        self._prefix = f"/secret-{secrets.token_hex(4)}"
        places = (ServiceEnvironment(SANDBOX, self._prefix, where.upstream, 13, None),)
        route = RouteRule("GET", "/v1/workspaces/{workspace}/things", "read", workspace_variable="workspace")
        entry = CatalogEntry(
            scope_level=ScopeLevel.WORKSPACE, permissions=(Permission("read"), Permission("write")), routes=(route,)
        )
        new = NewService(f"Things {self._prefix}", AuthenticationType.CLIENT_SECRET, "", places, entry=entry)
        self.service = services.create(self._made.platform, local.OPERATOR, new, now=now())
        (self._account, *_) = accounts.list_all(*self._place, now=now())

    def add(self) -> Holder:
        """One more, in a workspace of its own."""
        name = f"Holder {secrets.token_hex(6)}"
        workspace = workspaces.create(*self._place, account_id=self._account.id, name=name, now=now())
        grant = ApiGrant(self.service.id, frozenset({"read"}), frozenset({workspace.id}))
        issued = api_credentials.create(*self._place, NewApiCredential(name, SANDBOX, (grant,)), now=now())
        return Holder(issued, workspace.id, self._prefix)

    async def ready(self, ports: Sequence[int]) -> tuple[Holder, str]:
        """A new holder with a token that every gate takes."""
        holder = await asyncio.to_thread(self.add)
        async with Line(ports[0]) as line:
            token = await holder.fetch(line)
        for port in ports:
            async with Line(port) as line:
                deadline = time.monotonic() + _PATIENCE_S
                while (await line.ask(holder.call(token))).status != ADMITTED:
                    hold(time.monotonic() < deadline, f"a gate does not know {self._prefix}")
                    await asyncio.sleep(_PAUSE_S)
        return holder, token

    async def _do(self, action: Callable[..., object], holder: Holder, *asked: object, **named: object) -> None:
        credential = holder.issued.view.credential.id
        await asyncio.to_thread(partial(action, *self._place, credential, *asked, now=now(), **named))

    async def deactivate(self, holder: Holder) -> None:
        await self._do(api_credentials.deactivate, holder)

    async def delete(self, holder: Holder) -> None:
        await self._do(api_credentials.delete, holder)

    async def delete_secret(self, holder: Holder) -> None:
        (secret,) = holder.issued.view.credential.secrets
        await self._do(api_credentials.delete_secret, holder, secret.id, keep_last=False)

    async def narrow(self, holder: Holder) -> None:
        found = holder.issued.view.credential
        grant = ApiGrant(self.service.id, frozenset({"write"}), frozenset({holder.workspace}))
        await self._do(api_credentials.edit, holder, ApiCredentialEdit(found.version, found.name, (grant,)))

    async def archive(self, holder: Holder) -> None:
        archive = partial(workspaces.archive, *self._place, WorkspaceId(holder.workspace), now=now())
        await asyncio.to_thread(archive)

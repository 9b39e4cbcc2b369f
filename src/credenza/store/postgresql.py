"""The gate's own connections to PostgreSQL, each statement under a deadline of ours.

A frozen server keeps its connections: its kernel goes on acknowledging, so no TCP timeout ends the wait, and asking
the server to cancel asks the one who does not answer. At its deadline a connection is therefore shut down from this
side, and whoever waits on it gets psycopg.OperationalError at once (security.md, decision 4; R12).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Self, TypeVar

from psycopg import AsyncConnection, OperationalError

from credenza.domain.model import ChangeNumber
from credenza.store import api_lookup, lookup, payload_lookup, token_lookup
from credenza.store.api_lookup import ApiSnapshot, TreeSnapshot
from credenza.store.changes import CHANNEL
from credenza.store.instants import micros
from credenza.store.lookup import KeySnapshot, News, RouteSnapshot, Rows, TrustSnapshot
from credenza.store.payload_lookup import Parties, ServiceKeySnapshot
from credenza.store.token_lookup import IntrospectorSnapshot, RevocationSnapshot, TokenKeySnapshot

CONNECT_DEADLINE_S = 2
"""The shortest that psycopg knows."""

_KEY = lookup.KEY.format(key_id="%s")
_CERTIFICATE = lookup.CERTIFICATE.format(sha256="%s")
_REVOKED_TOKENS = token_lookup.REVOKED_TOKENS.format(now="%s")
_CHANGES = lookup.CHANGES.format(applied="%s")
_SERVICE_KEYS = payload_lookup.SERVICE_KEYS.format(project_id="%s", service_id="%s", environment="%s")
_API_CLIENT = api_lookup.BY_CLIENT_ID.format(name="%s")
_API_CREDENTIAL = api_lookup.BY_ID.format(name="%s")
_TREE = api_lookup.TREE.format(organization_id="%s")

_Snapshot = TypeVar("_Snapshot")


class Line:
    """One connection, for one user at a time. Broken once a deadline has passed: open another."""

    def __init__(self, connection: AsyncConnection[tuple[Any, ...]], deadline_s: float) -> None:
        self._connection = connection
        self._deadline_s = deadline_s

    @classmethod
    async def open(cls, url: str, *, deadline_s: float) -> Self:
        connection = await AsyncConnection.connect(
            url,
            autocommit=True,
            connect_timeout=CONNECT_DEADLINE_S,
            # A lease must outlive a failover (settled 24), whatever the database's own setting is.
            options=f"-c statement_timeout={int(deadline_s * 1000)} -c synchronous_commit=on",
        )
        return cls(connection, deadline_s)

    async def rows(self, statement: str, *parameters: object) -> Rows:
        async with self._deadline():
            cursor = await self._connection.execute(statement.encode(), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def routes(self) -> RouteSnapshot:
        return lookup.route_snapshot(await self.rows(lookup.ROUTES))

    async def changes_since(self, applied: ChangeNumber) -> News:
        return lookup.news(await self.rows(_CHANGES, applied))

    async def key(self, key_id: str) -> KeySnapshot:
        return lookup.key_snapshot(await self.rows(_KEY, key_id))

    async def certificate(self, sha256_hex: str) -> KeySnapshot:
        return lookup.key_snapshot(await self.rows(_CERTIFICATE, sha256_hex))

    async def service_keys(self, parties: Parties) -> ServiceKeySnapshot:
        return payload_lookup.service_key_snapshot(await self.rows(_SERVICE_KEYS, *parties))

    async def api_client(self, client_id: str) -> ApiSnapshot:
        return api_lookup.api_snapshot(await self.rows(_API_CLIENT, client_id))

    async def api_credential(self, credential_id: str) -> ApiSnapshot:
        return api_lookup.api_snapshot(await self.rows(_API_CREDENTIAL, credential_id))

    async def tree(self, organization_id: str) -> TreeSnapshot:
        return api_lookup.tree_snapshot(await self.rows(_TREE, organization_id))

    async def trust(self) -> TrustSnapshot:
        return lookup.trust_snapshot(await self.rows(lookup.TRUST))

    async def token_keys(self) -> TokenKeySnapshot:
        return token_lookup.token_key_snapshot(await self.rows(token_lookup.TOKEN_KEYS))

    async def introspectors(self) -> IntrospectorSnapshot:
        return token_lookup.introspector_snapshot(await self.rows(token_lookup.RESOURCE_SERVERS))

    async def revoked_tokens(self, *, now: datetime) -> RevocationSnapshot:
        return token_lookup.revocation_snapshot(await self.rows(_REVOKED_TOKENS, micros(now)))

    async def listen(self) -> None:
        await self.rows(f"LISTEN {CHANNEL}")

    async def heard(self, *, within_s: float) -> bool:
        """Wait for a change to be announced; say whether one was."""
        return [each async for each in self._connection.notifies(timeout=within_s, stop_after=1)] != []

    def hang_up(self) -> None:
        """End the connection under whoever waits on it."""
        if not self._connection.closed:
            with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as end:
                end.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        await self._connection.close()

    @asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        timer = asyncio.get_running_loop().call_later(self._deadline_s, self.hang_up)
        try:
            yield
        finally:
            timer.cancel()


class LineReader:
    """Reads keys, certificates and credentials over a few lines that it opens when they are needed. Raises
    psycopg.OperationalError within about two deadlines, also when the server is frozen or all lines are taken."""

    def __init__(self, url: str, *, deadline_s: float, lines: int = 4) -> None:
        self._url = url
        self._deadline_s = deadline_s
        self._era = 0
        self._idle: asyncio.LifoQueue[Line | None] = asyncio.LifoQueue()
        for _ in range(lines):
            self._idle.put_nowait(None)

    async def key(self, key_id: str) -> KeySnapshot:
        return await self._read(lambda line: line.key(key_id))

    async def certificate(self, sha256_hex: str) -> KeySnapshot:
        return await self._read(lambda line: line.certificate(sha256_hex))

    async def service_keys(self, parties: Parties) -> ServiceKeySnapshot:
        return await self._read(lambda line: line.service_keys(parties))

    async def api_client(self, client_id: str) -> ApiSnapshot:
        return await self._read(lambda line: line.api_client(client_id))

    async def api_credential(self, credential_id: str) -> ApiSnapshot:
        return await self._read(lambda line: line.api_credential(credential_id))

    async def tree(self, organization_id: str) -> TreeSnapshot:
        return await self._read(lambda line: line.tree(organization_id))

    async def reset(self) -> None:
        """Read over new lines from now on: the old ones may lead to a server that is the primary no more."""
        self._era += 1
        for _ in range(self._idle.qsize()):
            await self._put_back(self._idle.get_nowait(), era=-1)

    async def close(self) -> None:
        await self.reset()

    async def _read(self, ask: Callable[[Line], Awaitable[_Snapshot]]) -> _Snapshot:
        # A caller who gives up must not interrupt the line: psycopg would ask a server for leave that may be frozen.
        return await asyncio.shield(asyncio.create_task(self._ask(ask)))

    async def _ask(self, ask: Callable[[Line], Awaitable[_Snapshot]]) -> _Snapshot:
        era = self._era
        line = await self._take()
        try:
            snapshot = await ask(line)
        except BaseException:
            era = -1
            raise
        finally:
            await self._put_back(line, era=era)
        return snapshot

    async def _put_back(self, line: Line | None, *, era: int) -> None:
        """Keep a place for a line, and the line itself when it is sound and of this era."""
        if line is not None and era != self._era:
            await line.close()
            line = None
        self._idle.put_nowait(line)

    async def _take(self) -> Line:
        try:
            async with asyncio.timeout(self._deadline_s):
                line = await self._idle.get()
        except TimeoutError as error:
            raise OperationalError("all lines to the database are taken") from error
        if line is not None:
            return line
        try:
            return await Line.open(self._url, deadline_s=self._deadline_s)
        except BaseException:
            self._idle.put_nowait(None)
            raise

"""Freshness of a gate on PostgreSQL; `gate.freshness` says what it promises. Imported by those who have one: psycopg
takes 7 MB that a gate on SQLite can do without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import psycopg

from credenza.gate.issuers import EVER, Issuers
from credenza.gate.keyring import GateClosed, Keyring, RouteTable
from credenza.gate.trust import Trust
from credenza.store import leases
from credenza.store.api_lookup import ApiSnapshot, TreeSnapshot
from credenza.store.leases import LEASE
from credenza.store.lookup import KeySnapshot
from credenza.store.payload_lookup import Parties, ServiceKeySnapshot
from credenza.store.postgresql import Line, LineReader
from credenza.store.token_lookup import IntrospectorSnapshot, RevocationSnapshot, TokenKeySnapshot

_RENEWALS_PER_LEASE = 5
_PAUSE_S = 0.2
_FLEET_PAUSE_S = 1.0
_LONGEST_DEADLINE_S = 5.0


class PostgresKeys:
    """The keyring's source on PostgreSQL."""

    def __init__(self, reader: LineReader) -> None:
        self._reader = reader

    async def reset(self) -> None:
        await self._reader.reset()

    def key_now(self, key_id: str) -> None:  # noqa: ARG002
        return None

    async def key(self, key_id: str) -> KeySnapshot:
        try:
            return await self._reader.key(key_id)
        except psycopg.Error as error:
            raise GateClosed("database") from error

    def certificate_now(self, sha256: bytes) -> None:  # noqa: ARG002
        return None

    async def certificate(self, sha256: bytes) -> KeySnapshot:
        try:
            return await self._reader.certificate(sha256.hex())
        except psycopg.Error as error:
            raise GateClosed("database") from error

    def service_keys_now(self, parties: Parties) -> None:  # noqa: ARG002
        return None

    async def service_keys(self, parties: Parties) -> ServiceKeySnapshot:
        try:
            return await self._reader.service_keys(parties)
        except psycopg.Error as error:
            raise GateClosed("database") from error

    def api_client_now(self, client_id: str) -> None:  # noqa: ARG002
        return None

    async def api_client(self, client_id: str) -> ApiSnapshot:
        try:
            return await self._reader.api_client(client_id)
        except psycopg.Error as error:
            raise GateClosed("database") from error

    def api_credential_now(self, credential_id: str) -> None:  # noqa: ARG002
        return None

    async def api_credential(self, credential_id: str) -> ApiSnapshot:
        try:
            return await self._reader.api_credential(credential_id)
        except psycopg.Error as error:
            raise GateClosed("database") from error

    def tree_now(self, organization_id: str) -> None:  # noqa: ARG002
        return None

    async def tree(self, organization_id: str) -> TreeSnapshot:
        try:
            return await self._reader.tree(organization_id)
        except psycopg.Error as error:
            raise GateClosed("database") from error


class _GivenUpError(Exception):
    """Whoever revokes waits for this gate no longer: it must begin anew."""


class PostgresFreshness:
    """Holds the lease of one gate process. `name` is what operators see of it; `clock` tells seconds of CLOCK_BOOTTIME;
    `report` takes what went wrong with the database, which is tried again until it answers. `memory` is where this gate
    remembers calls: beside a gate that does it elsewhere it stays closed."""

    def __init__(
        self,
        url: str,
        keys: PostgresKeys,
        keyring: Keyring,
        routes: RouteTable,
        *,
        name: str,
        clock: Callable[[], float],
        report: Callable[[Exception], None],
        memory: str,
        lease: timedelta = LEASE,
        issuers: Issuers | None = None,
        trust: Trust | None = None,
    ) -> None:
        self._url = url
        self._keys = keys
        self._keyring = keyring
        self._routes = routes
        self._issuers = issuers or Issuers()
        self._trust = trust or Trust()
        self._name = name
        self._clock = clock
        self._report = report
        self._memory = memory
        self._lease = lease
        self._lease_s = lease.total_seconds()
        self._deadline_s = min(self._lease_s / 2, _LONGEST_DEADLINE_S)
        self._lease_end = 0.0
        self._gate_id = ""
        self._timeline = 0
        self._tried = asyncio.Event()
        self._stopping = False
        self._listening = False
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        if self._clock() >= self._lease_end:
            raise GateClosed("lease")

    async def start(self) -> None:
        """Begin to hold a lease; returns when the database has answered or could not be reached for now."""
        self._task = asyncio.create_task(self._run())
        await self._tried.wait()

    async def stop(self) -> None:
        """Close the gate and leave, so that no revocation waits for it."""
        self._stopping = True
        self._lease_end = 0.0
        if self._task is None:
            return
        if self._listening:
            self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        with suppress(psycopg.Error):  # then the lease runs out by itself
            await self._leave()

    async def _run(self) -> None:
        try:
            while not self._stopping:
                await self._hold_or_report()
        finally:
            self._tried.set()

    async def _hold_or_report(self) -> None:
        try:
            await self._hold()
        except _GivenUpError:
            self._gate_id = ""
        except leases.OtherMemory as error:
            self._gate_id = ""
            await self._try_later(error, _FLEET_PAUSE_S)
        except psycopg.Error as error:
            await self._try_later(error, _PAUSE_S)

    async def _try_later(self, error: Exception, pause_s: float) -> None:
        self._report(error)
        self._tried.set()
        await asyncio.sleep(pause_s)

    async def _hold(self) -> None:
        """Hold the lease over one connection until that breaks."""
        line = await Line.open(self._url, deadline_s=self._deadline_s)
        try:
            await self._keys.reset()
            await line.listen()
            await self._join(line)
            while not self._stopping:
                await self._renew(line)
                self._tried.set()
                if await self._heard(line):
                    await self._catch_up(line)
        finally:
            await line.close()

    async def _join(self, line: Line) -> None:
        timeline = await leases.timeline(line)
        if self._gate_id and timeline == self._timeline:
            return
        # Registered before anything is loaded. On another line of history the numbers may mean other changes.
        self._lease_end = 0.0
        gate_id = str(uuid4())
        number = await leases.register(line, gate_id, name=self._name, lease=self._lease, memory=self._memory)
        self._routes.replace(await line.routes())
        self._issuers.replace(*await _issuers_of(line))
        self._trust.replace(await line.trust())
        self._keyring.forget_all(number)
        self._gate_id, self._timeline = gate_id, timeline

    async def _renew(self, line: Line) -> None:
        """Renew, and catch up with what was changed meanwhile, until nothing was."""
        while not self._stopping:
            sent = self._clock()
            number = await leases.renew(line, self._gate_id, applied=self._keyring.number)
            if number is None:
                self._lease_end = 0.0
                raise _GivenUpError
            if not self._stopping:
                self._lease_end = sent + self._lease_s
            if number == self._keyring.number:
                return
            await self._catch_up(line)

    async def _heard(self, line: Line) -> bool:
        self._listening = True
        try:
            return await line.heard(within_s=self._lease_s / _RENEWALS_PER_LEASE)
        finally:
            self._listening = False

    async def _catch_up(self, line: Line) -> None:
        news = await line.changes_since(self._keyring.number)
        routes, issuers, trust = None, None, None
        if news.concern_routes or not news.follows(self._keyring.number):
            routes = await line.routes()
        if news.concern_issuers or not news.follows(self._keyring.number):
            issuers = await _issuers_of(line)
        if news.concern_trust or not news.follows(self._keyring.number):
            trust = await line.trust()
        # From here on without waiting: keys, routes, issuers and trust change together.
        self._keyring.apply(news)
        if issuers is not None:
            self._issuers.replace(*issuers)
        if trust is not None:
            self._trust.replace(trust)
        if routes is not None:
            self._routes.replace(routes)

    async def _leave(self) -> None:
        if not self._gate_id:
            return
        line = await Line.open(self._url, deadline_s=self._deadline_s)
        try:
            await leases.deregister(line, self._gate_id)
        finally:
            await line.close()


async def _issuers_of(line: Line) -> tuple[TokenKeySnapshot, IntrospectorSnapshot, RevocationSnapshot]:
    return await line.token_keys(), await line.introspectors(), await line.revoked_tokens(now=EVER)

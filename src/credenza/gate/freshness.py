"""Whether what the gate remembers is still true: the promise that a revoked key stops at once.

`look` comes last before an answer, after every await (settled 23). It has applied what changed, or raises GateClosed.

- SQLite: `look` reads the file's version, and when that has moved, the changes. There is no moment in between. A gate
  looks first at the shared memory where every commit shows (`store/wal_index.py`), which takes no system call.
- PostgreSQL (`gate/postgresql.py`): a task hears of changes, applies and confirms them. `look` compares a clock with
  the end of the lease: as long as it lasts, whoever revokes waits for this gate (`store/leases.py`). The clock runs on
  while a machine sleeps.
"""

from __future__ import annotations

import sqlite3
from typing import Protocol

from credenza.gate.issuers import EVER, Issuers
from credenza.gate.keyring import GateClosed, Keyring, RouteTable
from credenza.gate.trust import Trust
from credenza.store.api_lookup import ApiSnapshot, TreeSnapshot
from credenza.store.embedded import EmbeddedReader
from credenza.store.lookup import KeySnapshot
from credenza.store.payload_lookup import Parties, ServiceKeySnapshot

__all__ = ["Freshness", "GateClosed", "SqliteFreshness", "SqliteKeys"]


class Freshness(Protocol):
    def look(self) -> None:
        """Make sure that what is remembered is true now. Raises GateClosed when that cannot be known."""


class SqliteKeys:
    """The keyring's source on SQLite: never worth waiting for."""

    def __init__(self, reader: EmbeddedReader) -> None:
        self._reader = reader

    def key_now(self, key_id: str) -> KeySnapshot:
        try:
            return self._reader.key(key_id)
        except sqlite3.Error as error:
            raise GateClosed("database") from error

    async def key(self, key_id: str) -> KeySnapshot:
        return self.key_now(key_id)

    def certificate_now(self, sha256: bytes) -> KeySnapshot:
        try:
            return self._reader.certificate(sha256.hex())
        except sqlite3.Error as error:
            raise GateClosed("database") from error

    async def certificate(self, sha256: bytes) -> KeySnapshot:
        return self.certificate_now(sha256)

    def service_keys_now(self, parties: Parties) -> ServiceKeySnapshot:
        try:
            return self._reader.service_keys(parties)
        except sqlite3.Error as error:
            raise GateClosed("database") from error

    async def service_keys(self, parties: Parties) -> ServiceKeySnapshot:
        return self.service_keys_now(parties)

    def api_client_now(self, client_id: str) -> ApiSnapshot:
        try:
            return self._reader.api_client(client_id)
        except sqlite3.Error as error:
            raise GateClosed("database") from error

    async def api_client(self, client_id: str) -> ApiSnapshot:
        return self.api_client_now(client_id)

    def api_credential_now(self, credential_id: str) -> ApiSnapshot:
        try:
            return self._reader.api_credential(credential_id)
        except sqlite3.Error as error:
            raise GateClosed("database") from error

    async def api_credential(self, credential_id: str) -> ApiSnapshot:
        return self.api_credential_now(credential_id)

    def tree_now(self, organization_id: str) -> TreeSnapshot:
        try:
            return self._reader.tree(organization_id)
        except sqlite3.Error as error:
            raise GateClosed("database") from error

    async def tree(self, organization_id: str) -> TreeSnapshot:
        return self.tree_now(organization_id)


class SqliteFreshness:
    def __init__(
        self,
        reader: EmbeddedReader,
        keyring: Keyring,
        routes: RouteTable,
        issuers: Issuers | None = None,
        trust: Trust | None = None,
    ) -> None:
        self._reader = reader
        self._keyring = keyring
        self._routes = routes
        self._issuers = issuers or Issuers()
        self._trust = trust or Trust()
        self._data_version = -1
        self._header = b""

    def look(self) -> None:
        header = self._reader.header()
        if header and header == self._header:
            return
        self._look_at_database()
        self._header = header  # as it was before the changes were read, like the version below

    def _look_at_database(self) -> None:
        try:
            version = self._reader.data_version()
            if version != self._data_version:
                self._catch_up()
                # Noted last, and as it was before the changes were read: whatever came between is read next time.
                self._data_version = version
        except sqlite3.Error as error:
            raise GateClosed("database") from error

    def _catch_up(self) -> None:
        if self._data_version < 0:
            self._begin()
            return
        news = self._reader.changes_since(self._keyring.number)
        if news.concern_routes or not news.follows(self._keyring.number):
            self._routes.replace(self._reader.routes())
        if news.concern_issuers or not news.follows(self._keyring.number):
            self._load_issuers()
        if news.concern_trust or not news.follows(self._keyring.number):
            self._trust.replace(self._reader.trust())
        self._keyring.apply(news)

    def _begin(self) -> None:
        routes = self._reader.routes()
        self._routes.replace(routes)
        self._load_issuers()
        self._trust.replace(self._reader.trust())
        self._keyring.forget_all(routes.number)

    def _load_issuers(self) -> None:
        reader = self._reader
        self._issuers.replace(reader.token_keys(), reader.introspectors(), reader.revoked_tokens(now=EVER))

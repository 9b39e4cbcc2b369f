"""The gate's own connection to SQLite: it looks and never writes, not even to prepare the file (settled 25).

`PRAGMA data_version` moves on one connection only for commits of others, so a connection that wrote would not see its
own; and a look at it reads shared memory and no file, which is why it can come before every decision.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from credenza.domain.model import ChangeNumber
from credenza.store import api_lookup, lookup, payload_lookup, token_lookup, wal_index
from credenza.store.api_lookup import ApiSnapshot, TreeSnapshot
from credenza.store.deadline import STATEMENT_DEADLINE
from credenza.store.instants import micros
from credenza.store.lookup import KeySnapshot, News, RouteSnapshot, TrustSnapshot
from credenza.store.payload_lookup import Parties, ServiceKeySnapshot
from credenza.store.token_lookup import IntrospectorSnapshot, RevocationSnapshot, TokenKeySnapshot

_KEY = lookup.KEY.format(key_id="?")
_CERTIFICATE = lookup.CERTIFICATE.format(sha256="?")
_REVOKED_TOKENS = token_lookup.REVOKED_TOKENS.format(now="?")
_CHANGES = lookup.CHANGES.format(applied="?")
_SERVICE_KEYS = payload_lookup.SERVICE_KEYS.format(project_id="?", service_id="?", environment="?")
_API_CLIENT = api_lookup.BY_CLIENT_ID.format(name="?")
_API_CREDENTIAL = api_lookup.BY_ID.format(name="?")
_TREE = api_lookup.TREE.format(organization_id="?")


class EmbeddedReader:
    """Answers in microseconds, inline. Raises sqlite3.Error when the file cannot be read.

    `header` reads bytes that move whenever `data_version` does, and for nearly nothing; they are empty, and tell
    nothing, before `watch` and when the reader is closed.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(
            path, timeout=STATEMENT_DEADLINE.total_seconds(), isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA query_only=ON").close()
        self._version = self._connection.cursor()
        self._path = path
        self.header: Callable[[], bytes] = bytes

    def watch(self) -> None:
        """Have `header` tell from now on. For a database that this process has open all its life; see `wal_index`."""
        self.data_version()  # the first look makes the shared memory, when nobody else has
        self.header = wal_index.open_header(self._path)

    def data_version(self) -> int:
        """A number that moves with every commit of another connection."""
        version: int = self._version.execute("PRAGMA data_version").fetchone()[0]
        return version

    def key(self, key_id: str) -> KeySnapshot:
        return lookup.key_snapshot(self._connection.execute(_KEY, (key_id,)).fetchall())

    def certificate(self, sha256_hex: str) -> KeySnapshot:
        return lookup.key_snapshot(self._connection.execute(_CERTIFICATE, (sha256_hex,)).fetchall())

    def service_keys(self, parties: Parties) -> ServiceKeySnapshot:
        return payload_lookup.service_key_snapshot(self._connection.execute(_SERVICE_KEYS, parties).fetchall())

    def api_client(self, client_id: str) -> ApiSnapshot:
        return api_lookup.api_snapshot(self._connection.execute(_API_CLIENT, (client_id,)).fetchall())

    def api_credential(self, credential_id: str) -> ApiSnapshot:
        return api_lookup.api_snapshot(self._connection.execute(_API_CREDENTIAL, (credential_id,)).fetchall())

    def tree(self, organization_id: str) -> TreeSnapshot:
        return api_lookup.tree_snapshot(self._connection.execute(_TREE, (organization_id,)).fetchall())

    def trust(self) -> TrustSnapshot:
        return lookup.trust_snapshot(self._connection.execute(lookup.TRUST).fetchall())

    def token_keys(self) -> TokenKeySnapshot:
        return token_lookup.token_key_snapshot(self._connection.execute(token_lookup.TOKEN_KEYS).fetchall())

    def introspectors(self) -> IntrospectorSnapshot:
        return token_lookup.introspector_snapshot(self._connection.execute(token_lookup.RESOURCE_SERVERS).fetchall())

    def revoked_tokens(self, *, now: datetime) -> RevocationSnapshot:
        return token_lookup.revocation_snapshot(self._connection.execute(_REVOKED_TOKENS, (micros(now),)).fetchall())

    def routes(self) -> RouteSnapshot:
        return lookup.route_snapshot(self._connection.execute(lookup.ROUTES).fetchall())

    def changes_since(self, applied: ChangeNumber) -> News:
        return lookup.news(self._connection.execute(_CHANGES, (applied,)).fetchall())

    def close(self) -> None:
        self.header = bytes
        self._connection.close()

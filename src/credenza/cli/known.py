"""What a gate knows by heart of the database, and what keeps it true: SQLite's version number or a lease."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from credenza.adapters.vault import LocalVault
from credenza.gate.api_clients import ApiClients, ApiClientSource
from credenza.gate.freshness import Freshness, SqliteFreshness, SqliteKeys
from credenza.gate.issuers import Issuers
from credenza.gate.keyring import Keyring, KeySource, RouteTable
from credenza.gate.payload_keys import PayloadKeys, ServiceKeySource
from credenza.gate.trust import Trust
from credenza.store.embedded import EmbeddedReader


class Source(KeySource, ServiceKeySource, ApiClientSource, Protocol):
    """The database as a gate reads it."""


@dataclass(frozen=True, slots=True)
class Memory:
    """`keyring` hears of changes and tells `payload_keys` and `api_clients`."""

    keyring: Keyring
    payload_keys: PayloadKeys
    api_clients: ApiClients
    routes: RouteTable
    issuers: Issuers
    trust: Trust


@dataclass(frozen=True, slots=True)
class Known:
    memory: Memory
    freshness: Freshness


def empty(source: Source, vault: LocalVault | None) -> Memory:
    payload_keys = PayloadKeys(source, vault)
    api_clients = ApiClients(source, clock=time.monotonic)
    keyring = Keyring(source, clock=time.monotonic, followers=(payload_keys, api_clients))
    return Memory(keyring, payload_keys, api_clients, RouteTable(), Issuers(vault), Trust())


def open_embedded(records: Path, vault: LocalVault | None, stack: AsyncExitStack) -> Known:
    reader = EmbeddedReader(records)
    stack.callback(reader.close)
    reader.watch()
    memory = empty(SqliteKeys(reader), vault)
    freshness = SqliteFreshness(reader, memory.keyring, memory.routes, memory.issuers, memory.trust)
    freshness.look()
    return Known(memory, freshness)

"""What a gate remembers of API credentials: their secrets' hashes, and what they may do where in their organization.

Loaded on first use, with the organization's tree, which its credentials share, and kept until a change concerns them or
too many others have been used since. Ask in the keyring's order: `peek`; when that says UNLOADED, `load`; after the
last await `Freshness.look`, and then whether the client is still `live` (settled 23).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, Protocol, TypeAlias

from credenza.domain.catalog import Tree
from credenza.domain.model import ChangeNumber
from credenza.gate.keyring import UNKNOWN_S, UNLOADED, GateClosed, Unloaded
from credenza.store.api_lookup import ApiRecord, ApiSnapshot, TreeSnapshot
from credenza.store.change_kinds import ChangeKind
from credenza.store.lookup import KeyRecord, News

_CAPACITY = 50_000
_UNKNOWN_CAPACITY = 10_000
_LOAD_ATTEMPTS = 8

_Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]


class ApiClientSource(Protocol):
    """Where API credentials come from. What ends in `now` answers None when it would have to wait."""

    def api_client_now(self, client_id: str) -> ApiSnapshot | None: ...

    async def api_client(self, client_id: str) -> ApiSnapshot: ...

    def api_credential_now(self, credential_id: str) -> ApiSnapshot | None: ...

    async def api_credential(self, credential_id: str) -> ApiSnapshot: ...

    def tree_now(self, organization_id: str) -> TreeSnapshot | None: ...

    async def tree(self, organization_id: str) -> TreeSnapshot: ...


class Name(NamedTuple):
    """What an API credential is asked for by: its client id, as requests for tokens do, or its own id, as tokens do."""

    text: str
    is_client_id: bool


@dataclass(slots=True, eq=False)
class ApiClient:
    """An API credential in memory. `live` turns false when a change concerns it or its organization's tree."""

    record: ApiRecord
    tree: Tree
    live: bool = True
    _networks: _Networks | None = None

    @property
    def key(self) -> KeyRecord:
        return self.record.key

    def may_come_from(self, address: str) -> bool:
        if not self.record.networks:
            return True
        if self._networks is None:
            self._networks = tuple(map(ip_network, self.record.networks))
        found = _address(address)
        return found is not None and any(found in each for each in self._networks)


PeekedClient: TypeAlias = ApiClient | Unloaded | None


class ApiClients:
    """Hears of changes as the keyring's follower. `clock` tells seconds that never go back."""

    def __init__(self, source: ApiClientSource, *, clock: Callable[[], float], capacity: int = _CAPACITY) -> None:
        self._source = source
        self._clock = clock
        self._capacity = capacity
        self._clients: OrderedDict[str, ApiClient] = OrderedDict()
        self._ids: dict[str, str] = {}
        self._trees: dict[str, Tree] = {}
        self._unknown: dict[Name, float] = {}
        self._era = 0
        self._number = ChangeNumber(0)

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def trees(self) -> int:
        return len(self._trees)

    def remembered(self, name: Name) -> ApiClient | None:
        """Find a client in memory alone."""
        credential_id = self._ids.get(name.text) if name.is_client_id else name.text
        found = None if credential_id is None else self._clients.get(credential_id)
        if found is not None:
            self._clients.move_to_end(found.key.key_id)
        return found

    def peek(self, name: Name) -> PeekedClient:
        """Find a client without waiting; None is nobody's name. Raises GateClosed."""
        known = self.remembered(name)
        if known is not None:
            return known
        asked_at = self._clock()
        if self._unknown.get(name, asked_at) > asked_at:
            return None
        source = self._source
        found = source.api_client_now(name.text) if name.is_client_id else source.api_credential_now(name.text)
        if found is None:
            return UNLOADED
        tree = None if found.record is None else self._tree_now(found.record.key.organization_id)
        return UNLOADED if tree is UNLOADED else self._keep(name, found, tree, asked_at)

    async def load(self, name: Name) -> ApiClient | None:
        """Read a client. Raises GateClosed when the database does not answer, or only with the past."""
        source = self._source
        for _ in range(_LOAD_ATTEMPTS):
            asked_at, era = self._clock(), self._era
            ask = source.api_client if name.is_client_id else source.api_credential
            found = await ask(name.text)
            tree = None if found.record is None else await self._load_tree(found.record.key.organization_id)
            kept = self._keep(name, found, tree, asked_at) if era == self._era and tree is not UNLOADED else UNLOADED
            if not isinstance(kept, Unloaded):
                return kept
        raise GateClosed("database")

    def apply(self, news: News) -> None:
        """Forget what changes concern; everything, when some are missing."""
        if not news.follows(self._number):
            self.forget_all(news.number)
            return
        self._number = news.number
        organizations = {each.subject for each in news.changes if each.kind is ChangeKind.ORGANIZATION}
        for each in news.changes:
            if each.kind is ChangeKind.CREDENTIAL:
                self._forget(each.subject)
        if organizations or news.concern_routes:
            # All are walked, as in the keyring: such changes are rare. A catalog that loses a permission takes it from
            # everybody who was granted it.
            for credential_id, client in list(self._clients.items()):
                if news.concern_routes or client.key.organization_id in organizations:
                    self._forget(credential_id)
        for organization_id in organizations:
            self._trees.pop(organization_id, None)

    def forget_all(self, number: ChangeNumber) -> None:
        """Begin anew. `number` may be lower than it was."""
        self._number = number
        self._era += 1
        self._unknown.clear()
        self._trees.clear()
        for credential_id in list(self._clients):
            self._forget(credential_id)

    def _tree_now(self, organization_id: str) -> Tree | Unloaded:
        known = self._trees.get(organization_id)
        if known is not None:
            return known
        found = self._source.tree_now(organization_id)
        return UNLOADED if found is None else self._keep_tree(organization_id, found)

    async def _load_tree(self, organization_id: str) -> Tree | Unloaded:
        known = self._trees.get(organization_id)
        if known is not None:
            return known
        era = self._era
        found = await self._source.tree(organization_id)
        return self._keep_tree(organization_id, found) if era == self._era else UNLOADED

    def _keep_tree(self, organization_id: str, found: TreeSnapshot) -> Tree | Unloaded:
        if found.number < self._number:
            return UNLOADED
        return self._trees.setdefault(organization_id, found.tree)

    def _keep(self, name: Name, found: ApiSnapshot, tree: Tree | Unloaded | None, asked_at: float) -> PeekedClient:
        if found.number < self._number:
            return UNLOADED
        if found.record is None:
            self._note_unknown(name, asked_at + UNKNOWN_S)
            return None
        known = self.remembered(name)
        if known is not None:
            return known  # loaded twice at once: both callers must hold the client that a change will reach
        organization_id = found.record.key.organization_id
        if tree is None or isinstance(tree, Unloaded) or self._trees.get(organization_id) is not tree:
            return UNLOADED  # the tree changed while its credential was read
        return self._insert(ApiClient(found.record, tree))

    def _insert(self, client: ApiClient) -> ApiClient:
        self._clients[client.key.key_id] = client
        self._ids[client.key.client_id] = client.key.key_id
        if len(self._clients) > self._capacity:
            self._forget(next(iter(self._clients)))
        if len(self._trees) > self._capacity:
            # One that nobody needs any more, or will read again.
            del self._trees[next(iter(self._trees))]
        return client

    def _note_unknown(self, name: Name, until: float) -> None:
        self._unknown.pop(name, None)
        self._unknown[name] = until
        if len(self._unknown) > _UNKNOWN_CAPACITY:
            del self._unknown[next(iter(self._unknown))]

    def _forget(self, credential_id: str) -> None:
        client = self._clients.pop(credential_id, None)
        if client is None:
            return
        client.live = False
        del self._ids[client.key.client_id]


@lru_cache(maxsize=4096)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address as it is: one of IPv4 in the clothes of IPv6 (RFC 4291 2.5.5.2) is one of IPv4."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found

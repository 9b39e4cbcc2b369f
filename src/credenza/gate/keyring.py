"""What the gate remembers of keys, certificates and routes, and how it forgets them again.

Keys, and certificates by their thumbprint, are loaded on first use and kept until a change concerns them
(`gate/freshness.py` brings the changes) or too many others have been used since. Ask in this order: `peek`; when that
says UNLOADED, `load`; after the last await `Freshness.look`, and then whether the entry is still `live`. A change that
comes while a key is being loaded wins: what was read before it is discarded and read again (settled 23).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final, Protocol, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from credenza.domain.catalog import NO_ENTRY, UNMAPPED, Match
from credenza.domain.catalog_paths import Matcher, below
from credenza.domain.model import AuthenticationType, ChangeNumber, EnvironmentName
from credenza.protocol.oauth1 import Reading
from credenza.store.change_kinds import ChangeKind
from credenza.store.lookup import KeyRecord, KeySnapshot, News, Route, RouteSnapshot
from credenza.wire.decisions import Identity

UNKNOWN_S = 1.0
"""How long nobody's key is remembered as nobody's: keys that are added are not announced (settled 22)."""

_CAPACITY = 100_000
_UNKNOWN_CAPACITY = 10_000
# A key that is ready to verify takes 2.1 kB, seven times its DER. Getting it ready again costs half a verification.
_READY_CAPACITY = 4_000
_UNITED_CAPACITY = 1_000
_LOAD_ATTEMPTS = 8
_NO_SCOPES: Final[frozenset[str]] = frozenset()

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey


class GateClosed(Exception):  # noqa: N818 - says what is the case, as the other refusals do
    """The gate cannot know whether what it remembers is still true, and admits nobody. `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unloaded(Enum):
    UNLOADED = "unloaded"


UNLOADED: Final = Unloaded.UNLOADED
"""`peek` cannot tell without waiting."""


@dataclass(slots=True, eq=False)
class Entry:
    """A key in memory. `live` turns false when a change concerns it. `ready` and `rsa` are the keyring's (`rsa_key`);
    `reading` and `identity` the verifier's: how the key's last call was to be read, and who made it."""

    record: KeyRecord
    public_key_der: bytes
    live: bool = True
    ready: PublicKey | None = None
    rsa: RSAPublicKey | None = None
    reading: Reading | None = None
    identity: Identity | None = None


Peeked: TypeAlias = Entry | Unloaded | None


# A certificate is remembered by its SHA-256, which is of another type than any name that comes in a call.
_Name: TypeAlias = str | bytes


class KeySource(Protocol):
    """Where keys come from. What ends in `now` answers None when it would have to wait."""

    def key_now(self, key_id: str) -> KeySnapshot | None: ...

    async def key(self, key_id: str) -> KeySnapshot: ...

    def certificate_now(self, sha256: bytes) -> KeySnapshot | None: ...

    async def certificate(self, sha256: bytes) -> KeySnapshot: ...


class Follower(Protocol):
    """Remembers something else that changes concern, and hears of them when the keyring does."""

    def apply(self, news: News) -> None: ...

    def forget_all(self, number: ChangeNumber) -> None: ...


class Keyring:
    """`clock` tells seconds that never go back. `number` is the last change applied."""

    def __init__(
        self,
        source: KeySource,
        *,
        clock: Callable[[], float],
        capacity: int = _CAPACITY,
        followers: Sequence[Follower] = (),
    ) -> None:
        self._followers = followers
        self._source = source
        self._clock = clock
        self._capacity = capacity
        self._entries: OrderedDict[_Name, Entry] = OrderedDict()
        self._certificates: dict[str, bytes] = {}
        self._unknown: dict[_Name, float] = {}
        self._ready: deque[Entry] = deque()
        self._era = 0
        self.number = ChangeNumber(0)

    def __len__(self) -> int:
        return len(self._entries)

    def peek(self, key_id: str) -> Peeked:
        """Find a key without waiting; None is nobody's key."""
        entry = self._entries.get(key_id)
        if entry is not None:
            self._entries.move_to_end(key_id)
            return entry
        return self._ask_now(key_id, partial(self._source.key_now, key_id))

    def peek_certificate(self, sha256: bytes) -> Peeked:
        """Find a certificate without waiting, by the SHA-256 of its DER; None is nobody's."""
        entry = self._entries.get(sha256)
        if entry is not None:
            self._entries.move_to_end(sha256)
            return entry
        return self._ask_now(sha256, partial(self._source.certificate_now, sha256))

    def rsa_key(self, entry: Entry) -> RSAPublicKey | None:
        """The key itself, ready to verify, if it is one of RSA: kept for those that were made ready last."""
        if entry.ready is None:
            self._make_ready(entry)
        return entry.rsa

    def public_key(self, entry: Entry) -> PublicKey:
        """The key itself, ready to verify: kept for those that were made ready last."""
        if entry.ready is None:
            self._make_ready(entry)
        assert entry.ready is not None, "just made"
        return entry.ready

    async def load(self, key_id: str) -> Entry | None:
        """Read a key from the database. Raises GateClosed when the database does not answer, or only with the past."""
        return await self._load(key_id, partial(self._source.key, key_id))

    async def load_certificate(self, sha256: bytes) -> Entry | None:
        """Read a certificate from the database; raises as `load` does."""
        return await self._load(sha256, partial(self._source.certificate, sha256))

    def _ask_now(self, name: _Name, ask: Callable[[], KeySnapshot | None]) -> Peeked:
        asked_at = self._clock()
        if self._unknown.get(name, asked_at) > asked_at:
            return None
        snapshot = ask()
        return UNLOADED if snapshot is None else self._keep(name, snapshot, asked_at)

    async def _load(self, name: _Name, ask: Callable[[], Awaitable[KeySnapshot]]) -> Entry | None:
        for _ in range(_LOAD_ATTEMPTS):
            asked_at, era = self._clock(), self._era
            snapshot = await ask()
            kept = self._keep(name, snapshot, asked_at) if era == self._era else UNLOADED
            if not isinstance(kept, Unloaded):
                return kept
        raise GateClosed("database")

    def apply(self, news: News) -> None:
        """Forget what changes concern; everything, when some are missing."""
        if not news.follows(self.number):
            self.forget_all(news.number)
            return
        for follower in self._followers:
            follower.apply(news)
        self.number = news.number
        for key_id in _subjects(news, ChangeKind.CREDENTIAL):
            self._forget(self._certificates.get(key_id, key_id))
        self._forget_groups(news)

    def forget_all(self, number: ChangeNumber) -> None:
        """Begin anew: only what is asked for from now on counts. `number` may be lower than it was."""
        self.number = number
        self._era += 1
        self._unknown.clear()
        for name in list(self._entries):
            self._forget(name)
        for follower in self._followers:
            follower.forget_all(number)

    def _keep(self, name: _Name, snapshot: KeySnapshot, asked_at: float) -> Peeked:
        if snapshot.number < self.number:
            return UNLOADED
        if snapshot.record is None:
            self._note_unknown(name, asked_at + UNKNOWN_S)
            return None
        known = self._entries.get(name)
        if known is not None:
            return known  # loaded twice at once: both callers must hold the entry that a change will reach
        entry = Entry(snapshot.record, snapshot.public_key_der)
        self._entries[name] = entry
        if isinstance(name, bytes):
            self._certificates[snapshot.record.key_id] = name
        if len(self._entries) > self._capacity:
            self._forget(next(iter(self._entries)))
        return entry

    def _make_ready(self, entry: Entry) -> None:
        entry.ready = _public_key(entry.public_key_der)
        # Told here once: the key's class is abstract, and asking takes a microsecond.
        entry.rsa = entry.ready if isinstance(entry.ready, RSAPublicKey) else None
        self._ready.append(entry)
        if len(self._ready) > _READY_CAPACITY:
            oldest = self._ready.popleft()
            oldest.ready = oldest.rsa = None

    def _note_unknown(self, name: _Name, until: float) -> None:
        self._unknown[name] = until
        if len(self._unknown) > _UNKNOWN_CAPACITY:
            del self._unknown[next(iter(self._unknown))]

    def _forget(self, name: _Name) -> None:
        entry = self._entries.pop(name, None)
        if entry is None:
            return
        entry.live = False
        if isinstance(name, bytes):
            del self._certificates[entry.record.key_id]

    def _forget_groups(self, news: News) -> None:
        projects = _subjects(news, ChangeKind.PROJECT)
        organizations = _subjects(news, ChangeKind.ORGANIZATION)
        users = _subjects(news, ChangeKind.USER)
        if not (projects or organizations or users or news.concern_trust):
            return
        # All entries are walked: such changes are rare, and an index would cost memory for every key.
        concerned = [
            name
            for name, entry in self._entries.items()
            if entry.record.project_id in projects
            or entry.record.organization_id in organizations
            or entry.record.owner_id in users
            or (news.concern_trust and isinstance(name, bytes))
        ]
        for name in concerned:
            self._forget(name)


def _subjects(news: News, kind: ChangeKind) -> frozenset[str]:
    return frozenset(change.subject for change in news.changes if change.kind is kind)


def _public_key(public_key_der: bytes) -> PublicKey:
    public_key = load_der_public_key(public_key_der)
    assert isinstance(public_key, RSAPublicKey | EllipticCurvePublicKey), "no other key is ever accepted"
    return public_key


def _by_secret(snapshot: RouteSnapshot, environment: EnvironmentName) -> tuple[Route, ...]:
    return tuple(
        route
        for route in snapshot.routes
        if route.environment is environment and route.authentication is AuthenticationType.CLIENT_SECRET
    )


class RouteTable:
    """Which service a path belongs to. `number` is what the table was read at, and moves with every reading of it."""

    def __init__(self) -> None:
        self._routes: dict[EnvironmentName, dict[str, Route]] = {}
        self._scopes: dict[tuple[EnvironmentName, int], frozenset[str]] = {}
        self._united: dict[tuple[EnvironmentName, frozenset[int]], frozenset[str]] = {}
        self._longest = 0
        self._matchers: dict[int, Matcher] = {}
        self._by_secret: dict[EnvironmentName, tuple[Route, ...]] = {}
        self.number = ChangeNumber(0)

    def replace(self, snapshot: RouteSnapshot) -> None:
        self._routes = {environment: {} for environment in EnvironmentName}
        for route in snapshot.routes:
            self._routes[route.environment][route.path_prefix] = route
        self._scopes = {(route.environment, route.service_id): route.scopes for route in snapshot.routes}
        self._united = {}
        self._longest = max((len(route.path_prefix) for route in snapshot.routes), default=0)
        entries = {route.service_id: route.entry for route in snapshot.routes}
        self._matchers = {service: Matcher(entry.routes) for service, entry in entries.items() if entry is not NO_ENTRY}
        self._by_secret = {environment: _by_secret(snapshot, environment) for environment in EnvironmentName}
        self.number = snapshot.number

    def by_secret(self, environment: EnvironmentName) -> tuple[Route, ...]:
        """List the services of an environment that take client secrets."""
        return self._by_secret.get(environment, ())

    def scopes(self, environment: EnvironmentName | None, services: frozenset[int]) -> frozenset[str]:
        """What a token may be narrowed to by whoever may call these services."""
        if environment is None:
            return _NO_SCOPES
        known = self._united.get((environment, services))
        return self._unite(environment, services) if known is None else known

    def _unite(self, environment: EnvironmentName, services: frozenset[int]) -> frozenset[str]:
        """Projects have few sets of services, which every request for a token asks about."""
        united = _NO_SCOPES.union(*(self._scopes.get((environment, service), _NO_SCOPES) for service in services))
        self._united[environment, services] = united
        if len(self._united) > _UNITED_CAPACITY:
            del self._united[next(iter(self._united))]
        return united

    def match(self, route: Route, method: str, raw_path: str) -> Match:
        """Find which route of the catalog entry a call takes to the service that its path belongs to."""
        matcher = self._matchers.get(route.service_id)
        return UNMAPPED if matcher is None else matcher.match(method, below(route.path_prefix, raw_path))

    def of_service(self, environment: EnvironmentName, service_id: int) -> Route | None:
        """Find where a service is in an environment."""
        routes = self._routes.get(environment, {}).values()
        return next((route for route in routes if route.service_id == service_id), None)

    def find(self, environment: EnvironmentName, raw_path: str) -> Route | None:
        """Find the longest prefix that ends where a segment of the path does."""
        prefixes = self._routes.get(environment, {})
        end = len(raw_path)
        if end > self._longest:
            # A path of many thousand slashes costs no more than the longest prefix.
            end = raw_path.rfind("/", 0, self._longest + 1)
        while end > 0:
            route = prefixes.get(raw_path[:end])
            if route is not None:
                return route
            end = raw_path.rfind("/", 0, end)
        return prefixes.get("/") if raw_path.startswith("/") else None

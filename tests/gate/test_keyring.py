"""The gate's memory of keys and routes: what it may remember, and what it must forget."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.clock import NOON
from tests.store.rows import PRODUCTION, SANDBOX, public_key_der

from credenza.domain.catalog import UNMAPPED, CatalogEntry, Matched, RouteRule, ScopeLevel
from credenza.domain.model import AuthenticationType, ChangeNumber, CredentialKind, ProjectType, Status
from credenza.gate.keyring import UNLOADED, Entry, GateClosed, Keyring, RouteTable
from credenza.store.changes import Change, ChangeKind
from credenza.store.lookup import KeyRecord, KeySnapshot, News, Route, RouteSnapshot

KEY = KeyRecord(
    key_id="key",
    client_id="client",
    kind=CredentialKind.SIGNING_KEY,
    organization_id="organization",
    project_id="project",
    project_name="Project",
    owner_id="user",
    environment=SANDBOX,
    alias="",
    status=Status.ACTIVE,
    not_before=NOON,
    not_after=NOON + timedelta(days=395),
    project_type=ProjectType.OAUTH10A,
    dual=False,
    ambiguous_readings=False,
    project_deleted=False,
    owner_gone=False,
    services=frozenset({1}),
)


class Source:
    """Keys as a database would hold them. While `gate` is not set, answers are on their way."""

    def __init__(self) -> None:
        self.number = 0
        self.keys: dict[str, KeyRecord] = {}
        self.asked = 0
        self.waits = False
        self.open = asyncio.Event()
        self.open.set()

    def key_now(self, key_id: str) -> KeySnapshot | None:
        return None if self.waits else self._snapshot(key_id)

    async def key(self, key_id: str) -> KeySnapshot:
        snapshot = self._snapshot(key_id)
        await self.open.wait()
        return snapshot

    def certificate_now(self, sha256: bytes) -> KeySnapshot | None:
        return self.key_now(sha256.hex())

    async def certificate(self, sha256: bytes) -> KeySnapshot:
        return await self.key(sha256.hex())

    def _snapshot(self, key_id: str) -> KeySnapshot:
        self.asked += 1
        record = self.keys.get(key_id)
        return KeySnapshot(ChangeNumber(self.number), record, public_key_der() if record else b"")


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def source() -> Source:
    source = Source()
    source.keys["key"] = KEY
    return source


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def keyring(source: Source, seconds: Seconds) -> Keyring:
    return Keyring(source, clock=seconds)


def found(keyring: Keyring, key_id: str = "key") -> Entry:
    entry = keyring.peek(key_id)
    assert isinstance(entry, Entry)
    return entry


def news(number: int, *changes: tuple[ChangeKind, str]) -> News:
    first = number - len(changes) + 1
    return News(ChangeNumber(number), tuple(Change(ChangeNumber(first + at), *each) for at, each in enumerate(changes)))


def test_a_key_is_loaded_once(keyring: Keyring, source: Source) -> None:
    first = found(keyring)

    assert (found(keyring) is first, source.asked, first.live, first.record) == (True, 1, True, KEY)


def test_a_change_of_a_key_makes_its_entry_dead_and_the_key_unloaded(keyring: Keyring, source: Source) -> None:
    before = found(keyring)
    source.number, source.keys["key"] = 1, replace(KEY, status=Status.REVOKED)

    keyring.apply(news(1, (ChangeKind.CREDENTIAL, "key")))

    assert not before.live
    assert found(keyring).record.status is Status.REVOKED


@pytest.mark.parametrize(
    "change",
    [
        (ChangeKind.CREDENTIAL, "key"),
        (ChangeKind.PROJECT, "project"),
        (ChangeKind.ORGANIZATION, "organization"),
        (ChangeKind.USER, "user"),
    ],
    ids=lambda change: change[0],
)
def test_a_change_concerns_the_keys_it_names_and_no_others(
    keyring: Keyring, source: Source, change: tuple[ChangeKind, str]
) -> None:
    source.keys["other"] = replace(KEY, key_id="other", project_id="2", organization_id="2", owner_id=None)
    concerned, other = found(keyring), found(keyring, "other")

    keyring.apply(news(1, change))

    assert (concerned.live, other.live) == (False, True)


def test_a_change_of_routes_concerns_no_key(keyring: Keyring) -> None:
    entry = found(keyring)

    keyring.apply(news(1, (ChangeKind.CATALOG, "1")))

    assert (entry.live, keyring.number) == (True, 1)


@pytest.mark.parametrize("number", [0, 3, 9])
def test_news_that_do_not_follow_make_it_forget_everything(keyring: Keyring, source: Source, number: int) -> None:
    keyring.forget_all(ChangeNumber(7))
    source.number = 7
    entry = found(keyring)

    keyring.apply(News(ChangeNumber(number), ()))

    assert (entry.live, len(keyring), keyring.number) == (False, 0, number)


def test_nobodys_key_is_remembered_for_a_second_and_no_longer(
    keyring: Keyring, source: Source, seconds: Seconds
) -> None:
    assert keyring.peek("new") is None
    source.keys["new"] = replace(KEY, key_id="new")
    seconds.now += 0.99
    assert keyring.peek("new") is None
    seconds.now += 0.01

    assert found(keyring, "new").record.key_id == "new"


def test_nobodys_keys_are_remembered_up_to_a_number(keyring: Keyring) -> None:
    for made_up in range(20_000):
        keyring.peek(str(made_up))

    assert len(keyring._unknown) == 10_000


def test_the_key_unused_for_longest_makes_room(source: Source, seconds: Seconds) -> None:
    keyring = Keyring(source, clock=seconds, capacity=2)
    source.keys |= {key_id: replace(KEY, key_id=key_id) for key_id in "abc"}
    a, b = found(keyring, "a"), found(keyring, "b")
    found(keyring, "a")

    c = found(keyring, "c")

    assert [each.live for each in (a, b, c)] == [True, False, True]
    assert len(keyring) == 2


@pytest.mark.anyio
async def test_a_source_that_must_be_waited_for_is_not_asked_by_a_peek(keyring: Keyring, source: Source) -> None:
    source.waits = True

    before = keyring.peek("key")
    entry = await keyring.load("key")

    assert before is UNLOADED
    assert entry is keyring.peek("key") is not None
    assert await keyring.load("nobody's") is keyring.peek("nobody's") is None


async def change_during_load(keyring: Keyring, source: Source, change: Callable[[], None]) -> Entry | None:
    """Let a change come after the database has answered and before the answer has arrived."""
    source.waits = True
    source.open.clear()
    load = asyncio.create_task(keyring.load("key"))
    while not source.asked:
        await asyncio.sleep(0)
    change()
    source.open.set()
    return await load


@pytest.mark.anyio
async def test_a_change_that_comes_during_a_load_wins(keyring: Keyring, source: Source) -> None:
    def revoke() -> None:
        source.number, source.keys["key"] = 1, replace(KEY, status=Status.REVOKED)
        keyring.apply(news(1, (ChangeKind.CREDENTIAL, "key")))

    entry = await change_during_load(keyring, source, revoke)

    assert entry is not None
    assert (entry.record.status, entry.live, source.asked) == (Status.REVOKED, True, 2)


@pytest.mark.anyio
async def test_a_load_from_before_everything_was_forgotten_is_discarded(keyring: Keyring, source: Source) -> None:
    """After a failover to a server that has lost changes, numbers begin lower and mean something else."""
    source.number = 5

    def fail_over() -> None:
        source.number, source.keys = 3, {}
        keyring.forget_all(ChangeNumber(3))

    assert await change_during_load(keyring, source, fail_over) is None
    assert len(keyring) == 0


@pytest.mark.anyio
async def test_a_database_that_knows_only_the_past_closes_the_gate(keyring: Keyring, source: Source) -> None:
    source.waits = True
    keyring.apply(news(1, (ChangeKind.CREDENTIAL, "key")))

    with pytest.raises(GateClosed, match="database"):
        await keyring.load("key")


@pytest.mark.anyio
async def test_two_loads_of_a_key_at_once_share_an_entry(keyring: Keyring, source: Source) -> None:
    source.waits = True

    one, other = await asyncio.gather(keyring.load("key"), keyring.load("key"))

    assert one is other is not None
    assert one.live


def route(path_prefix: str, service_id: int = 1) -> Route:
    return Route(SANDBOX, service_id, "", AuthenticationType.OAUTH10A, path_prefix, "")


def table(*prefixes: str) -> RouteTable:
    routes = RouteTable()
    routes.replace(RouteSnapshot(ChangeNumber(1), tuple(map(route, prefixes))))
    return routes


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("/a", "/a"),
        ("/a/", "/a"),
        ("/a/x", "/a"),
        ("/a/b", "/a/b"),
        ("/a/b/c/d", "/a/b"),
        ("/a/bc", "/a"),
        ("/ab", None),
        ("/A", None),
        ("/", None),
        ("", None),
        ("a", None),
        ("*", None),
        ("//a", None),
        ("/a//b", "/a"),
        ("/a" + "/" * 100_000, "/a"),
        ("/" * 100_000, None),
    ],
)
def test_the_longest_prefix_that_ends_at_a_segment_wins(path: str, prefix: str | None) -> None:
    found = table("/a", "/a/b").find(SANDBOX, path)

    assert (found and found.path_prefix) == prefix


@pytest.mark.parametrize(
    ("path", "prefix"), [("/", "/"), ("/x/y", "/"), ("//", "/"), ("/a/x", "/a"), ("*", None), ("", None)]
)
def test_the_root_takes_what_nothing_else_does(path: str, prefix: str | None) -> None:
    found = table("/", "/a").find(SANDBOX, path)

    assert (found and found.path_prefix) == prefix


def test_a_route_belongs_to_one_environment() -> None:
    assert table("/a").find(PRODUCTION, "/a") is None


def test_an_empty_table_finds_nothing() -> None:
    assert RouteTable().find(SANDBOX, "/a") is None
    assert table().find(SANDBOX, "/a") is None


# ------------------------------------------------------------------------------------------------------- ready keys


def test_a_key_is_made_ready_once_and_again_after_many_others(source: Source, keyring: Keyring) -> None:
    first = keyring.peek("key")
    assert isinstance(first, Entry)
    ready = keyring.rsa_key(first)
    assert ready is not None
    assert ready is keyring.rsa_key(first)

    for number in range(5_000):
        source.keys[f"key {number}"] = replace(KEY, key_id=f"key {number}")
        other = keyring.peek(f"key {number}")
        assert isinstance(other, Entry)
        keyring.rsa_key(other)

    assert first.ready is None
    again = keyring.rsa_key(first)
    assert again is not None
    assert ready.public_numbers() == again.public_numbers()


# ---------------------------------------------------------------------------------------------------- certificates

DIGEST = bytes(32)
CERTIFICATE = replace(KEY, key_id="certificate", kind=CredentialKind.MTLS_CERTIFICATE, certificate_sha256=DIGEST.hex())


@pytest.fixture
def certificate(keyring: Keyring, source: Source) -> Entry:
    source.keys[DIGEST.hex()] = CERTIFICATE
    entry = keyring.peek_certificate(DIGEST)
    assert isinstance(entry, Entry)
    return entry


def test_a_certificate_is_loaded_once(keyring: Keyring, source: Source, certificate: Entry) -> None:
    assert (keyring.peek_certificate(DIGEST) is certificate, source.asked, certificate.live) == (True, 1, True)


def test_a_certificate_that_has_to_be_waited_for_is_loaded(keyring: Keyring, source: Source) -> None:
    source.keys[DIGEST.hex()], source.waits = CERTIFICATE, True
    assert keyring.peek_certificate(DIGEST) is UNLOADED

    entry = asyncio.run(keyring.load_certificate(DIGEST))

    assert entry is not None
    assert keyring.peek_certificate(DIGEST) is entry


@pytest.mark.parametrize(
    "change",
    [
        (ChangeKind.CREDENTIAL, "certificate"),
        (ChangeKind.PROJECT, "project"),
        (ChangeKind.ORGANIZATION, "organization"),
        (ChangeKind.USER, "user"),
        (ChangeKind.TRUST, "authority"),
    ],
    ids=lambda change: change[0],
)
def test_a_change_that_concerns_a_certificate_makes_its_entry_dead(
    keyring: Keyring, certificate: Entry, change: tuple[ChangeKind, str]
) -> None:
    keyring.apply(news(1, change))

    assert not certificate.live
    assert keyring.peek_certificate(DIGEST) is not certificate


def test_a_change_of_trust_concerns_no_key(keyring: Keyring) -> None:
    entry = found(keyring)

    keyring.apply(news(1, (ChangeKind.TRUST, "authority")))

    assert entry.live


def test_nobodys_certificate_is_asked_for_again_after_a_second(
    keyring: Keyring, source: Source, seconds: Seconds
) -> None:
    asked = []
    for _ in range(3):
        assert keyring.peek_certificate(DIGEST) is None
        asked.append(source.asked)
        seconds.now += 0.6

    assert asked == [1, 1, 2]


def test_the_certificate_that_was_used_longest_ago_makes_room_and_can_come_back(
    source: Source, seconds: Seconds
) -> None:
    keyring = Keyring(source, clock=seconds, capacity=1)
    source.keys[DIGEST.hex()] = CERTIFICATE
    first = keyring.peek_certificate(DIGEST)

    key = found(keyring)
    again = keyring.peek_certificate(DIGEST)

    assert isinstance(first, Entry)
    assert isinstance(again, Entry)
    assert (first.live, key.live, again.live, len(keyring)) == (False, False, True, 1)


def test_a_call_is_matched_below_the_prefix_of_its_service() -> None:
    entry = CatalogEntry(ScopeLevel.WORKSPACE, routes=(RouteRule("GET", "/v1/{id}", "read"),))
    profiles = replace(route("/profiles", 1), entry=entry)
    routes = RouteTable()
    routes.replace(RouteSnapshot(ChangeNumber(1), (profiles, other := route("/other", 2))))

    matched = routes.match(profiles, "GET", "/profiles/v1/7")

    assert isinstance(matched, Matched)
    assert (matched.rule, matched.variables) == (entry.routes[0], {"id": "7"})
    assert routes.match(profiles, "GET", "/profiles/v2/7") == UNMAPPED == routes.match(other, "GET", "/other/v1/7")


def test_what_can_be_asked_for_is_what_the_services_have_by_the_last_table() -> None:
    routes = RouteTable()
    orders, other = (
        replace(route("/a", 1), scopes=frozenset({"a:read"})),
        replace(route("/b", 2), scopes=frozenset("b")),
    )
    routes.replace(RouteSnapshot(ChangeNumber(1), (orders, other)))

    before = [routes.scopes(SANDBOX, frozenset(each)) for each in ((1, 2), (1, 2), (2,), (), (3,))]
    routes.replace(RouteSnapshot(ChangeNumber(2), (other,)))

    assert [{"a:read", "b"}, {"a:read", "b"}, {"b"}, set(), set()] == before
    assert routes.scopes(SANDBOX, frozenset({1, 2})) == {"b"}
    assert routes.scopes(PRODUCTION, frozenset({1, 2})) == set()

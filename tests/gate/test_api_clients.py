"""What a gate remembers of API credentials is forgotten when it changes, and never younger than what it has applied."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.clock import NOON

from credenza.domain.api_credentials import FOREVER
from credenza.domain.catalog import Grant, Tree
from credenza.domain.model import ChangeNumber, CredentialKind, EnvironmentName, Status
from credenza.gate.api_clients import ApiClient, ApiClients, Name
from credenza.gate.keyring import UNLOADED, GateClosed
from credenza.store.api_lookup import ApiRecord, ApiSnapshot, TreeSnapshot
from credenza.store.change_kinds import Change, ChangeKind
from credenza.store.lookup import KeyRecord, News

pytestmark = pytest.mark.anyio


def record(number: int, organization: str = "acme") -> ApiRecord:
    key = KeyRecord(
        key_id=f"id-{number}",
        client_id=f"client-{number}",
        kind=CredentialKind.CLIENT_SECRET,
        organization_id=organization,
        project_id=None,
        project_name="",
        owner_id=None,
        environment=EnvironmentName.SANDBOX,
        alias="",
        status=Status.ACTIVE,
        not_before=NOON,
        not_after=FOREVER,
        project_type=None,
        dual=False,
        ambiguous_readings=False,
        project_deleted=False,
        owner_gone=False,
        services=frozenset({1}),
    )
    return ApiRecord(key, (), (), {1: Grant(frozenset({"read"}))})


class Database:
    """Answers at once or when it is waited for, with what it holds, and counts how often it was asked."""

    def __init__(self, *, waits: bool = False) -> None:
        self.waits = waits
        self.number = ChangeNumber(0)
        self.records = {each.key.key_id: each for each in (record(1), record(2), record(3, "other"))}
        self.tree_of = Tree(frozenset({"account"}), {})
        self.asked = 0
        self.trees_asked = 0

    def _find_client(self, client_id: str) -> ApiSnapshot:
        self.asked += 1
        found = (each for each in self.records.values() if each.key.client_id == client_id)
        return ApiSnapshot(self.number, next(found, None))

    def _find(self, credential_id: str) -> ApiSnapshot:
        self.asked += 1
        return ApiSnapshot(self.number, self.records.get(credential_id))

    def _tree(self) -> TreeSnapshot:
        self.trees_asked += 1
        return TreeSnapshot(self.number, self.tree_of)

    def api_client_now(self, client_id: str) -> ApiSnapshot | None:
        return None if self.waits else self._find_client(client_id)

    async def api_client(self, client_id: str) -> ApiSnapshot:
        return self._find_client(client_id)

    def api_credential_now(self, credential_id: str) -> ApiSnapshot | None:
        return None if self.waits else self._find(credential_id)

    async def api_credential(self, credential_id: str) -> ApiSnapshot:
        return self._find(credential_id)

    def tree_now(self, organization_id: str) -> TreeSnapshot | None:
        return None if self.waits else self._tree()

    async def tree(self, organization_id: str) -> TreeSnapshot:
        return self._tree()


class Memory:
    """A gate's memory over a database, and a clock that is moved by hand."""

    def __init__(self, *, waits: bool = False, capacity: int = 10) -> None:
        self.now = 0.0
        self.database = Database(waits=waits)
        self.clients = ApiClients(self.database, clock=lambda: self.now, capacity=capacity)

    def peek(self, number: int) -> ApiClient:
        found = self.clients.peek(Name(f"id-{number}", is_client_id=False))
        assert isinstance(found, ApiClient), found
        return found

    def hear(self, kind: ChangeKind, subject: str) -> None:
        number = self.database.number = ChangeNumber(self.database.number + 1)
        self.clients.apply(News(number, (Change(number, kind, subject),)))


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_a_client_is_read_once_whichever_name_it_is_asked_for_by(memory: Memory) -> None:
    by_client = memory.clients.peek(Name("client-1", is_client_id=True))

    assert memory.peek(1) is by_client
    assert memory.clients.peek(Name("client-1", is_client_id=True)) is by_client
    assert memory.database.asked == 1


def test_an_id_is_no_client_id(memory: Memory) -> None:
    memory.peek(1)

    assert memory.clients.peek(Name("id-1", is_client_id=True)) is None


def test_credentials_of_one_organization_share_its_tree(memory: Memory) -> None:
    assert memory.peek(1).tree is memory.peek(2).tree
    memory.peek(3)
    assert (memory.database.trees_asked, memory.clients.trees) == (2, 2)


@pytest.mark.parametrize(
    ("kind", "subject", "forgotten"),
    [
        (ChangeKind.CREDENTIAL, "id-1", {1}),
        (ChangeKind.CREDENTIAL, "another", set()),
        (ChangeKind.ORGANIZATION, "acme", {1, 2}),
        (ChangeKind.CATALOG, "1", {1, 2, 3}),
        (ChangeKind.PROJECT, "acme", set()),
    ],
)
def test_a_change_forgets_what_it_concerns_and_nothing_else(
    memory: Memory, kind: ChangeKind, subject: str, forgotten: set[int]
) -> None:
    held = {number: memory.peek(number) for number in (1, 2, 3)}

    memory.hear(kind, subject)

    assert {number for number, client in held.items() if not client.live} == forgotten
    assert all(memory.peek(number).live for number in held)


def test_a_changed_tree_is_read_anew(memory: Memory) -> None:
    memory.peek(1)
    memory.database.tree_of = Tree(frozenset(), {})

    memory.hear(ChangeKind.ORGANIZATION, "acme")

    assert memory.peek(1).tree == Tree(frozenset(), {})


def test_missing_changes_forget_everything(memory: Memory) -> None:
    held = memory.peek(1)

    memory.clients.apply(News(ChangeNumber(7), ()))

    assert not held.live
    assert (len(memory.clients), memory.clients.trees) == (0, 0)


def test_nobody_is_remembered_for_a_second(memory: Memory) -> None:
    name = Name("nobody", is_client_id=True)
    for _ in range(3):
        assert memory.clients.peek(name) is None
    assert memory.database.asked == 1

    memory.now = 1.0
    assert memory.clients.peek(name) is None
    assert memory.database.asked == 2


def test_the_one_that_was_used_longest_ago_makes_room() -> None:
    memory = Memory(capacity=2)
    first, second = memory.peek(1), memory.peek(2)
    assert memory.peek(1) is first

    memory.peek(3)

    assert (first.live, second.live, len(memory.clients)) == (True, False, 2)


async def test_what_was_read_before_a_change_is_discarded() -> None:
    memory = Memory(waits=True)
    name = Name("id-1", is_client_id=False)
    assert memory.clients.peek(name) is UNLOADED
    memory.clients.apply(News(ChangeNumber(1), (Change(ChangeNumber(1), ChangeKind.CREDENTIAL, "id-1"),)))

    with pytest.raises(GateClosed):
        await memory.clients.load(name)

    memory.database.number = ChangeNumber(1)
    found = await memory.clients.load(name)
    assert found is not None
    assert found.live


async def test_two_who_load_at_once_hold_one_client() -> None:
    memory = Memory(waits=True)
    name = Name("id-1", is_client_id=False)

    assert await memory.clients.load(name) is await memory.clients.load(name)


def test_networks_are_kept_to_in_every_spelling(memory: Memory) -> None:
    client = ApiClient(replace(record(1), networks=("192.0.2.0/24", "2001:db8::/32")), Tree(frozenset(), {}))

    assert [client.may_come_from(each) for each in ("192.0.2.9", "::ffff:192.0.2.9", "2001:DB8::1")] == [True] * 3
    assert not any(client.may_come_from(each) for each in ("192.0.3.9", "2001:db9::1", "", "unix:", "192.0.2.9 "))
    assert memory.peek(1).may_come_from("anywhere")

"""The gate's memory of service credentials: what it may remember, what it must forget, and what keys are good for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.clock import NOON
from tests.gate.scene import VAULT, another_key
from tests.store.rows import PRODUCTION, SANDBOX

from credenza.adapters.vault import LocalVault
from credenza.domain.model import ChangeNumber, CredentialKind, Status
from credenza.domain.service_keys import purpose
from credenza.gate.keyring import UNLOADED, GateClosed
from credenza.gate.payload import PayloadFailure, Payloads
from credenza.gate.payload_keys import KeysSealed, PairKeys, PayloadKeys
from credenza.store.change_kinds import Change, ChangeKind
from credenza.store.lookup import News
from credenza.store.payload_lookup import Parties, ServiceKey, ServiceKeySnapshot

PAIR = Parties("project", 1, SANDBOX)
OTHER = Parties("other", 1, SANDBOX)
REQUEST, RESPONSE, SIGNATURE = (
    CredentialKind.REQUEST_ENCRYPTION,
    CredentialKind.RESPONSE_ENCRYPTION,
    CredentialKind.REQUEST_SIGNATURE,
)
RSA = another_key()


def key(identity: str = "key", kind: CredentialKind = REQUEST, **changed: Any) -> ServiceKey:
    usual: dict[str, Any] = {
        "id": identity,
        "kind": kind,
        "status": Status.ACTIVE,
        "inactive_since": None,
        "not_before": NOON - timedelta(days=1),
        "not_after": NOON + timedelta(days=1),
        "public_key_der": RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "spki_sha256": f"spki of {identity}",
        "certificate_sha256": f"certificate of {identity}",
        "wrapped_private_key": VAULT.wrap(
            purpose(identity), RSA.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        ),
    }
    return ServiceKey(**{**usual, **changed})


class Source:
    """Keys as a database would hold them. While `open` is not set, answers are on their way."""

    def __init__(self) -> None:
        self.number = 0
        self.keys: dict[Parties, tuple[ServiceKey, ...]] = {PAIR: (key(),)}
        self.asked = 0
        self.waits = False
        self.open = asyncio.Event()
        self.open.set()

    def service_keys_now(self, parties: Parties) -> ServiceKeySnapshot | None:
        return None if self.waits else self._snapshot(parties)

    async def service_keys(self, parties: Parties) -> ServiceKeySnapshot:
        snapshot = self._snapshot(parties)
        await self.open.wait()
        return snapshot

    def _snapshot(self, parties: Parties) -> ServiceKeySnapshot:
        self.asked += 1
        return ServiceKeySnapshot(ChangeNumber(self.number), self.keys.get(parties, ()))


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def memory(source: Source) -> PayloadKeys:
    return PayloadKeys(source, VAULT)


def found(memory: PayloadKeys, parties: Parties = PAIR) -> PairKeys:
    pair = memory.peek(parties)
    assert isinstance(pair, PairKeys)
    return pair


def news(number: int, *changes: tuple[ChangeKind, str]) -> News:
    first = number - len(changes) + 1
    return News(ChangeNumber(number), tuple(Change(ChangeNumber(first + at), *each) for at, each in enumerate(changes)))


# ------------------------------------------------------------------------------------------------------------- memory


def test_keys_are_loaded_once_and_none_are_remembered_too(memory: PayloadKeys, source: Source) -> None:
    assert found(memory) is found(memory)
    assert found(memory, OTHER) is found(memory, OTHER)
    assert (source.asked, found(memory, OTHER).keys) == (2, ())


@pytest.mark.parametrize(
    "change",
    [(ChangeKind.SERVICE_KEY, "project"), (ChangeKind.PROJECT, "project"), (ChangeKind.CREDENTIAL, "key")],
    ids=lambda change: change[0],
)
def test_a_change_concerns_the_pairs_it_names_and_no_others(
    memory: PayloadKeys, source: Source, change: tuple[ChangeKind, str]
) -> None:
    source.keys[OTHER] = (key("another"),)
    concerned, other = found(memory), found(memory, OTHER)

    memory.apply(news(1, change))

    assert (concerned.live, other.live) == (False, True)
    source.number = 1
    assert found(memory) is not concerned


def test_other_changes_concern_nobody(memory: PayloadKeys) -> None:
    pair = found(memory)

    memory.apply(news(2, (ChangeKind.CATALOG, "1"), (ChangeKind.CREDENTIAL, "a signing key")))

    assert pair.live


@pytest.mark.parametrize("number", [0, 3, 9])
def test_news_that_do_not_follow_make_it_forget_everything(memory: PayloadKeys, source: Source, number: int) -> None:
    memory.forget_all(ChangeNumber(7))
    source.number = 7
    pair = found(memory)

    memory.apply(News(ChangeNumber(number), ()))

    assert (pair.live, len(memory)) == (False, 0)


def test_the_pair_unused_for_longest_makes_room(source: Source) -> None:
    memory = PayloadKeys(source, VAULT, capacity=3)
    third = Parties("third", 1, PRODUCTION)
    source.keys |= {OTHER: (key("a"), key("b")), third: ()}
    first, second = found(memory), found(memory, OTHER)
    found(memory)

    last = found(memory, third)

    assert [each.live for each in (first, second, last)] == [True, False, True]
    assert len(memory) == 2


def test_a_pair_with_more_keys_than_there_is_room_for_is_held_alone(source: Source) -> None:
    memory = PayloadKeys(source, VAULT, capacity=2)
    source.keys[OTHER] = tuple(key(str(number)) for number in range(5))
    found(memory)

    assert found(memory, OTHER).live
    assert len(memory) == 1


@pytest.mark.anyio
async def test_a_source_that_must_be_waited_for_is_not_asked_by_a_peek(memory: PayloadKeys, source: Source) -> None:
    source.waits = True

    before = memory.peek(PAIR)
    pair = await memory.load(PAIR)

    assert before is UNLOADED
    assert memory.peek(PAIR) is pair


@pytest.mark.anyio
@pytest.mark.parametrize(
    "happens",
    [
        lambda memory: memory.apply(news(1, (ChangeKind.SERVICE_KEY, "project"))),
        lambda memory: memory.forget_all(ChangeNumber(0)),
    ],
    ids=["change", "all forgotten"],
)
async def test_what_was_read_before_a_change_is_read_again(
    memory: PayloadKeys, source: Source, happens: Callable[[PayloadKeys], None]
) -> None:
    source.waits = True
    source.open.clear()
    loading = asyncio.create_task(memory.load(PAIR))
    await asyncio.sleep(0)

    happens(memory)
    source.number, source.keys[PAIR] = 1, (key("new"),)
    source.open.set()
    pair = await loading

    assert [known.key.id for known in pair.keys] == ["new"]
    assert pair.live


@pytest.mark.anyio
async def test_two_that_load_at_once_hold_the_keys_that_a_change_will_reach(
    memory: PayloadKeys, source: Source
) -> None:
    source.waits = True

    one, other = await asyncio.gather(memory.load(PAIR), memory.load(PAIR))
    memory.apply(news(1, (ChangeKind.SERVICE_KEY, "project")))

    assert one is other
    assert not one.live


@pytest.mark.anyio
async def test_a_database_that_answers_with_the_past_alone_closes_the_gate(memory: PayloadKeys, source: Source) -> None:
    memory.forget_all(ChangeNumber(5))

    with pytest.raises(GateClosed, match="database"):
        await memory.load(PAIR)


class _Freshness:
    """Brings a change with a look, as SQLite's does."""

    def __init__(self, *looks: Callable[[], None]) -> None:
        self._looks = list(looks)

    def look(self) -> None:
        if self._looks:
            self._looks.pop(0)()


@pytest.mark.anyio
async def test_the_last_look_decides_which_keys_are_used(memory: PayloadKeys, source: Source) -> None:
    def change() -> None:
        source.number, source.keys[PAIR] = 1, (key("new"),)
        memory.apply(news(1, (ChangeKind.SERVICE_KEY, "project")))

    payloads = Payloads(memory, None, _Freshness(change), random=bytes, limit_bytes=1)  # type: ignore[arg-type]

    pair = await payloads.keys(PAIR)

    assert [known.key.id for known in pair.keys] == ["new"]


@pytest.mark.anyio
async def test_a_closed_gate_uses_no_key(memory: PayloadKeys) -> None:
    def close() -> None:
        raise GateClosed("lease")

    payloads = Payloads(memory, None, _Freshness(close), random=bytes, limit_bytes=1)  # type: ignore[arg-type]

    with pytest.raises(PayloadFailure):
        await payloads.keys(PAIR)


# ------------------------------------------------------------------------------------------------------------- the keys


def pair_of(*keys: ServiceKey) -> PairKeys:
    source = Source()
    source.keys[PAIR] = keys
    return found(PayloadKeys(source, VAULT))


@pytest.mark.parametrize("name", ["spki of key", "certificate of key", "key"])
def test_a_private_key_is_found_by_each_of_its_names(name: str) -> None:
    keys = pair_of(key("other"), key()).decrypting(VAULT, now=NOON)

    private_key = keys.find(name)

    assert private_key is not None
    assert private_key.private_numbers() == RSA.private_numbers()
    assert keys.find(name) is private_key


def test_a_message_that_names_no_key_is_for_the_only_one() -> None:
    assert pair_of(key()).decrypting(VAULT, now=NOON).find(None) is not None
    assert pair_of(key(), key("other")).decrypting(VAULT, now=NOON).find(None) is None
    assert pair_of().decrypting(VAULT, now=NOON).find(None) is None


@pytest.mark.parametrize(
    ("at", "is_found"),
    [
        (NOON - timedelta(days=1, seconds=1), False),
        (NOON - timedelta(days=1), True),
        (NOON + timedelta(days=1), True),
        (NOON + timedelta(days=1, seconds=1), False),
    ],
)
def test_a_key_is_good_from_its_first_to_its_last_second(at: datetime, is_found: bool) -> None:
    pair = pair_of(key(), key("answers", RESPONSE), key("signer", SIGNATURE))

    assert (pair.decrypting(VAULT, now=at).find("key") is not None) is is_found
    assert (pair.recipient(now=at) is not None) is is_found
    assert (pair.verifying("signer", grace=timedelta(days=9), now=at) is not None) is is_found


def test_kinds_are_not_taken_for_each_other() -> None:
    pair = pair_of(key("request"), key("answers", RESPONSE), key("signer", SIGNATURE))

    keys = pair.decrypting(VAULT, now=NOON)
    assert [keys.find(name) is not None for name in ("request", "answers", "signer")] == [True, False, False]
    recipient = pair.recipient(now=NOON)
    assert recipient is not None
    assert recipient.key_id == "answers"
    found_keys = [pair.verifying(name, grace=timedelta(0), now=NOON) for name in ("request", "answers", "signer")]
    assert [each is not None for each in found_keys] == [False, False, True]


def test_answers_are_encrypted_to_the_active_key() -> None:
    inactive = key("inactive", RESPONSE, status=Status.INACTIVE)

    recipient = pair_of(inactive, key("active", RESPONSE)).recipient(now=NOON)

    assert recipient is not None
    assert (recipient.key_id, recipient.certificate_sha256) == ("active", "certificate of active")
    assert pair_of(inactive).recipient(now=NOON) is None


@pytest.mark.parametrize(
    ("since", "grace_s", "is_good"), [(NOON, 0, False), (NOON, 1, True), (NOON, 60, True), (None, 60, False)]
)
def test_a_signature_key_that_is_inactive_is_good_within_its_grace(
    since: datetime | None, grace_s: int, is_good: bool
) -> None:
    pair = pair_of(key("signer", SIGNATURE, status=Status.INACTIVE, inactive_since=since))
    grace = timedelta(seconds=grace_s)

    assert (pair.verifying("SPKI of signer", grace=grace, now=NOON) is not None) is is_good
    assert pair.verifying("signer", grace=grace, now=NOON + grace) is None


@pytest.mark.parametrize("vault", [None, LocalVault(b"o" * 32)], ids=["none", "another"])
def test_a_gate_without_the_key_encryption_key_says_so(vault: LocalVault | None) -> None:
    with pytest.raises(KeysSealed):
        pair_of(key()).decrypting(vault, now=NOON).find("key")


def test_a_private_key_does_not_tell_itself(memory: PayloadKeys) -> None:
    pair = found(memory)
    pair.decrypting(VAULT, now=NOON).find("key")

    assert "wrapped" not in repr(pair)
    assert "_private" not in repr(pair)
    assert replace(key(), status=Status.REVOKED).wrapped_private_key != b""

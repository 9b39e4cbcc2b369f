"""Keys are fetched when they are needed, seldom enough for whoever sends nonsense, and never used when too old."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from credenza.client.errors import IssuerUnavailable
from credenza.client.issuer_keys import AGAIN_S, FRESH_S, USABLE_S, IssuerKeys
from credenza.protocol.public_key import PublicKey

pytestmark = pytest.mark.anyio

A, B = (ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(2))


class Publisher:
    def __init__(self, **keys: PublicKey) -> None:
        self.keys: Mapping[str, PublicKey] = keys
        self.now = 0.0
        self.asked = 0
        self.is_away = False
        self.answers = anyio.Event()
        self.answers.set()

    async def fetch(self) -> Mapping[str, PublicKey]:
        self.asked += 1
        await self.answers.wait()
        if self.is_away:
            raise IssuerUnavailable("away")
        return self.keys

    def ticks(self) -> float:
        return self.now


async def opened(**keys: PublicKey) -> tuple[Publisher, IssuerKeys]:
    publisher = Publisher(**keys)
    return publisher, IssuerKeys(publisher.fetch, ticks=publisher.ticks)


async def test_a_key_set_is_fetched_once_for_many_calls() -> None:
    publisher, keys = await opened(a=A)

    assert [await keys.find("a") for _ in range(5)] == [A] * 5
    assert publisher.asked == 1


async def test_a_key_that_was_published_since_is_fetched() -> None:
    publisher, keys = await opened(a=A)
    await keys.find("a")
    publisher.keys = {"a": A, "b": B}
    publisher.now += AGAIN_S

    assert await keys.find("b") is B


async def test_made_up_ids_cost_the_issuer_one_request_in_a_while() -> None:
    publisher, keys = await opened(a=A)

    for second in range(60):
        publisher.now = float(second)
        for number in range(10):
            assert await keys.find(f"{second} {number}") is None

    assert publisher.asked == 60 / AGAIN_S


async def test_a_key_that_was_taken_back_is_gone_when_the_set_is_fetched_again() -> None:
    publisher, keys = await opened(a=A)
    await keys.find("a")
    publisher.keys = {"b": B}

    assert await keys.find("a") is A
    publisher.now += FRESH_S
    assert await keys.find("a") is None


async def test_keys_outlive_an_issuer_that_is_away_but_not_their_time() -> None:
    publisher, keys = await opened(a=A)
    await keys.find("a")
    publisher.is_away = True

    publisher.now = USABLE_S - 1
    assert await keys.find("a") is A
    publisher.now = USABLE_S
    with pytest.raises(IssuerUnavailable):
        await keys.find("a")


async def test_a_set_is_as_old_as_the_request_for_it() -> None:
    publisher, keys = await opened(a=A)
    publisher.answers = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keys.find, "a")
        await anyio.wait_all_tasks_blocked()
        publisher.now = 4.0
        publisher.answers.set()
    publisher.is_away = True

    publisher.now = USABLE_S
    with pytest.raises(IssuerUnavailable):
        await keys.find("a")


async def test_an_issuer_that_was_away_is_asked_again_after_a_while() -> None:
    publisher, keys = await opened(a=A)
    publisher.is_away = True
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            await keys.find("a")
    publisher.is_away = False
    publisher.now += AGAIN_S

    assert (await keys.find("a"), publisher.asked) == (A, 2)


async def test_calls_at_once_share_one_fetch_and_known_keys_do_not_wait() -> None:
    publisher, keys = await opened(a=A)
    await keys.find("a")
    publisher.now = FRESH_S
    publisher.keys = {"a": A, "b": B}
    publisher.answers = anyio.Event()
    found: list[PublicKey | None] = []

    async def find(kid: str) -> None:
        found.append(await keys.find(kid))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(find, "b")
        await anyio.wait_all_tasks_blocked()
        assert await keys.find("a") is A
        publisher.answers.set()

    assert (found, publisher.asked) == ([B] * 3, 2)

"""What was said of a token is used for a while and no longer, counted from when it was asked."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from credenza.client.errors import IssuerUnavailable
from credenza.client.issuer import Standing
from credenza.client.standings import Standings

pytestmark = pytest.mark.anyio

GOOD, GONE = Standing(active=True, scope="a"), Standing(active=False)


class Server:
    def __init__(self) -> None:
        self.answer = GOOD
        self.now = 0.0
        self.asked: list[str] = []
        self.is_away = False
        self.answers = anyio.Event()
        self.answers.set()

    async def introspect(self, token: str) -> Standing:
        self.asked.append(token)
        answer = self.answer
        await self.answers.wait()
        if self.is_away:
            raise IssuerUnavailable("away")
        return answer

    def standings(self, max_age: timedelta = timedelta(seconds=10)) -> Standings:
        return Standings(self.introspect, max_age=max_age, ticks=lambda: self.now)


async def test_an_answer_is_used_until_it_is_too_old() -> None:
    server = Server()
    standings = server.standings()
    assert await standings.of("t") is GOOD
    server.answer = GONE

    server.now = 9.9
    assert await standings.of("t") is GOOD
    server.now = 10.0
    assert await standings.of("t") is GONE
    assert server.asked == ["t", "t"]


async def test_its_age_counts_from_the_question() -> None:
    server = Server()
    standings = server.standings()
    server.answers = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(standings.of, "t")
        await anyio.wait_all_tasks_blocked()
        server.now, server.answer = 4.0, GONE
        server.answers.set()

    server.now = 10.0
    assert await standings.of("t") is GONE


async def test_without_an_age_every_call_asks() -> None:
    server = Server()
    standings = server.standings(timedelta(0))

    for _ in range(3):
        await standings.of("t")

    assert len(server.asked) == 3


async def test_tokens_do_not_share_answers() -> None:
    server = Server()
    standings = server.standings()
    await standings.of("t")
    server.answer = GONE

    assert await standings.of("u") is GONE


async def test_calls_at_once_share_one_question() -> None:
    server = Server()
    standings = server.standings()
    server.answers = anyio.Event()
    found: list[Standing] = []

    async def ask() -> None:
        found.append(await standings.of("t"))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        server.answers.set()

    assert (found, server.asked) == ([GOOD] * 5, ["t"])


async def test_whoever_waits_longer_than_an_answer_lasts_asks_anew() -> None:
    server = Server()
    standings = server.standings()
    server.answers = anyio.Event()
    found: list[Standing] = []

    async def ask() -> None:
        found.append(await standings.of("t"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        server.now, server.answer = 10.0, GONE
        server.answers.set()

    assert found == [GOOD, GONE]


async def test_without_an_answer_nobody_is_admitted_and_the_next_call_asks_again() -> None:
    server = Server()
    standings = server.standings()
    server.is_away = True
    with pytest.raises(IssuerUnavailable):
        await standings.of("t")
    server.is_away = False

    assert await standings.of("t") is GOOD


async def test_those_who_wait_for_an_answer_that_never_comes_learn_it_together() -> None:
    server = Server()
    standings = server.standings()
    server.is_away, server.answers = True, anyio.Event()
    failed: list[str] = []

    async def ask() -> None:
        try:
            await standings.of("t")
        except IssuerUnavailable as failure:
            failed.append(str(failure))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        server.answers.set()

    assert (failed, server.asked) == (["away"] * 4, ["t"])


async def test_a_caller_who_hangs_up_takes_nobody_with_it() -> None:
    server = Server()
    standings = server.standings()
    server.answers = anyio.Event()
    found: list[Standing] = []

    async def ask() -> None:
        found.append(await standings.of("t"))

    async with anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as first:
            first.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            first.cancel_scope.cancel()
        await anyio.wait_all_tasks_blocked()
        server.answers.set()

    assert (found, server.asked) == ([GOOD], ["t", "t"])

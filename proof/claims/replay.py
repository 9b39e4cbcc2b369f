"""What is good once is taken once, however many copies come at the same moment (security.md, figure 12): the nonce of a
signed call, a client assertion, and a DPoP proof, at the gate and at the token server."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from tests.servers import RedisServer

from proof import stage
from proof.calls import ADMITTED, Line, signed
from proof.claim import Broken, Claim, Progress, hold
from proof.stage import Stage
from proof.token_calls import TOKEN, Partner, Partners

_COPIES = 16
_CALLS_AT_ONCE = 4
_DISTURB_EVERY = 500
_TOKEN_LASTS = 500
_TRIES = 100
_PAUSE_S = 0.1
_SENT_AFTER_A_LOSS = 10
_AWAY = 503

Statuses: TypeAlias = Counter[int | None]
Disturbance: TypeAlias = Callable[[], int]


@dataclass(frozen=True, slots=True)
class _Kind:
    """Something that is good once: how copies of it are made, and with which status all but one are refused."""

    name: str
    refused: int
    copies: Callable[[], Awaitable[Sequence[bytes]]]


def on_one_machine(copies: int) -> str:
    """LMDB and four workers, of which one is killed now and then."""
    with stage.on_sqlite(workers=4) as where:
        told = asyncio.run(_prove(where, copies, lambda: _kill_worker(where)))
        return f"{told}; workers killed meanwhile"


def on_three_nodes(copies: int) -> str:
    """Redis and three gates on PostgreSQL."""
    with stage.on_postgresql(gates=3) as where:
        return asyncio.run(_prove(where, copies, lambda: 0))


def with_redis_killed(copies: int) -> str:
    """Two gates on PostgreSQL, and a Redis that is killed now and then and in the end loses its disk."""
    with RedisServer() as memory, stage.on_postgresql(gates=2, replay_url=memory.url) as where:
        told = asyncio.run(_prove(where, copies, lambda: _kill_redis(memory)))
        again = asyncio.run(_send_after_a_loss(where, memory))
        return f"{told}; Redis killed meanwhile; after it lost its disk 0 of {again} were admitted again"


async def _prove(where: Stage, copies: int, disturb: Disturbance) -> str:
    return "; ".join([await _prove_kind(where, kind, copies, disturb) for kind in await _kinds(where)])


async def _prove_kind(where: Stage, kind: _Kind, copies: int, disturb: Disturbance) -> str:
    answers, disturbed = await _send_all(where, kind, max(1, copies // _COPIES), disturb)
    admissions = Counter(statuses[ADMITTED] for statuses in answers)
    twice = sum(count for times, count in admissions.items() if times > 1)
    hold(not twice, f"{twice} × {kind.name} taken more than once")
    lost = [each for each in answers if not each[ADMITTED] and not each[None] and not each[_AWAY]]
    hold(not lost, f"{len(lost)} × {kind.name} never taken although all copies were answered: {lost[:3]}")
    others = {status for statuses in answers for status in statuses} - {ADMITTED, kind.refused, _AWAY, None}
    hold(not others, f"copies of {kind.name} were answered {others}")
    ends = f" ({admissions[0]} in the midst of {disturbed} kills: refused, or nobody saw it)" if disturbed else ""
    return f"{kind.name}: {admissions[1]:,} of {len(answers):,} taken exactly once, 0 more often{ends}"


async def _send_all(where: Stage, kind: _Kind, calls: int, disturb: Disturbance) -> tuple[list[Statuses], int]:
    answers: list[Statuses] = []
    progress, numbers, disturbed = Progress(kind.name, calls), iter(range(calls)), 0

    async def send() -> None:
        nonlocal disturbed
        lines = _lines(where)
        for number in numbers:
            copies = asyncio.gather(*(line.status(copy) for line, copy in zip(lines, await kind.copies(), strict=True)))
            if number % _DISTURB_EVERY == 1:
                await asyncio.sleep(0)  # the copies are on their way
                disturbed += disturb()
            answers.append(Counter(await copies))
            progress.add()
        _drop(lines)

    await asyncio.gather(*(send() for _ in range(_CALLS_AT_ONCE)))
    return answers, disturbed


async def _send_after_a_loss(where: Stage, memory: RedisServer) -> int:
    """Have some of each kind taken, let Redis come back without its memory, and send the same again."""
    taken = [await kind.copies() for kind in await _kinds(where) for _ in range(_SENT_AFTER_A_LOSS)]
    lines = _lines(where)
    before = await _statuses(lines, taken)
    hold(before[ADMITTED] == len(taken), f"{before[ADMITTED]} of {len(taken)} were taken before the loss")
    memory.kill()
    memory.wipe()
    memory.start()
    after = await _statuses(lines, taken)
    hold(not after[ADMITTED], f"{after[ADMITTED]} of {len(taken)} were taken again by a memory that had forgotten them")
    _drop(lines)
    return len(taken)


async def _statuses(lines: Sequence[Line], calls: Sequence[Sequence[bytes]]) -> Statuses:
    found: Statuses = Counter()
    for copies in calls:
        found.update(await asyncio.gather(*(line.status(copy) for line, copy in zip(lines, copies, strict=True))))
    return found


# ------------------------------------------------------------------------------------------------ what is good once


async def _kinds(where: Stage) -> Sequence[_Kind]:
    client, partner = where.installation.add_project()[1], Partners(where).add()
    tokens = _Tokens(where, partner)
    await partner.await_admission([gate.port for gate in where.gates])
    path = f"{partner.prefix}/7"

    async def nonces() -> Sequence[bytes]:
        return [signed(client, where.gate.origin, "/orders/v1/7")] * _COPIES

    async def assertions() -> Sequence[bytes]:
        assertion = partner.assertion()
        return [partner.token_request(assertion=assertion) for _ in range(_COPIES)]

    async def token_proofs() -> Sequence[bytes]:
        proof = partner.proof("POST", TOKEN)
        return [partner.token_request(proof=proof) for _ in range(_COPIES)]

    async def call_proofs() -> Sequence[bytes]:
        return [partner.call(await tokens.current(), path)] * _COPIES

    return (
        _Kind("1.0a nonces", 403, nonces),
        _Kind("assertions", 401, assertions),
        _Kind("proofs at the token server", 400, token_proofs),
        _Kind("proofs at the gate", 401, call_proofs),
    )


class _Tokens:
    """A token that is fetched again long before it ends."""

    def __init__(self, where: Stage, partner: Partner) -> None:
        self._port = where.gate.port
        self._partner = partner
        self._token = ""
        self._left = 0

    async def current(self) -> str:
        if self._left == 0:
            self._token = await self._fetch()
            self._left = _TOKEN_LASTS
        self._left -= 1
        return self._token

    async def _fetch(self) -> str:
        """Workers are killed meanwhile, and with them those that would answer: it is asked for again."""
        for _ in range(_TRIES):
            async with Line(self._port) as line:
                with suppress(OSError, EOFError):
                    return await self._partner.fetch(line)
            await asyncio.sleep(_PAUSE_S)
        raise Broken(f"no token was given in {_TRIES} tries")


# ---------------------------------------------------------------------------------------------------- lines and kills


def _lines(where: Stage) -> Sequence[Line]:
    return [Line(where.gates[number % len(where.gates)].port) for number in range(_COPIES)]


def _drop(lines: Sequence[Line]) -> None:
    for line in lines:
        line.drop()


def _kill_worker(where: Stage) -> int:
    workers = where.gate.worker_pids()
    if len(workers) < 2:
        return 0
    os.kill(random.choice(workers), signal.SIGKILL)
    return 1


def _kill_redis(memory: RedisServer) -> int:
    memory.kill()
    memory.start()
    return 1


CLAIMS = (
    Claim(
        "replay, LMDB",
        "of copies of a 1.0a nonce, an assertion or a proof, sent at once, one is taken; 4 workers, which are killed",
        100_000,
        "copies of each",
        on_one_machine,
    ),
    Claim("replay, Redis", "the same on three gates", 100_000, "copies of each", on_three_nodes),
    Claim(
        "replay, Redis killed",
        "the same on two gates whose Redis is killed: refused, not forgotten",
        100_000,
        "copies of each",
        with_redis_killed,
    ),
)

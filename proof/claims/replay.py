"""A signed call is admitted once, however many copies come at the same moment (security.md, figure 12)."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Sequence

from tests.gate.scene import Client

from proof import stage
from proof.calls import ADMITTED, Line, signed
from proof.claim import Claim, Progress, hold
from proof.stage import Stage

_COPIES = 16
_CALLS_AT_ONCE = 4
_KILL_EVERY = 500


def on_one_machine(copies: int) -> str:
    """LMDB and four workers, of which one is killed now and then."""
    with stage.on_sqlite(workers=4) as where:
        return _prove(where, copies, kill=True)


def on_three_nodes(copies: int) -> str:
    """Redis and three gates on PostgreSQL."""
    with stage.on_postgresql(gates=3) as where:
        return _prove(where, copies, kill=False)


def _prove(where: Stage, copies: int, *, kill: bool) -> str:
    client = where.installation.add_project()[1]
    answers, kills = asyncio.run(_send_all(where, client, max(1, copies // _COPIES), kill=kill))
    admissions = Counter(statuses[ADMITTED] for statuses in answers)
    twice = sum(count for times, count in admissions.items() if times > 1)
    hold(not twice, f"{twice} calls were admitted more than once")
    lost = [statuses for statuses in answers if not statuses[ADMITTED] and not statuses[None]]
    hold(not lost, f"{len(lost)} calls were never admitted although all copies were answered: {lost[:3]}")
    others = {status for statuses in answers for status in statuses} - {ADMITTED, 403, None}
    hold(not others, f"copies were answered {others}")
    unknown = admissions[0]
    ends = f", {kills} workers killed meanwhile (of {unknown} calls nobody saw the admission)" if kills else ""
    return (
        f"{admissions[1]:,} of {len(answers):,} calls admitted exactly once, 0 more often, among "
        f"{sum(statuses.total() for statuses in answers):,} copies sent at once{ends}"
    )


async def _send_all(where: Stage, client: Client, calls: int, *, kill: bool) -> tuple[list[Counter[int | None]], int]:
    answers: list[Counter[int | None]] = []
    progress, numbers, kills = Progress("calls", calls), iter(range(calls)), 0

    async def send() -> None:
        nonlocal kills
        lines = [Line(where.gates[number % len(where.gates)].port) for number in range(_COPIES)]
        for number in numbers:
            call = signed(client, where.gate.origin, f"/orders/v1/{number}")
            copies = asyncio.gather(*(line.status(call) for line in lines))
            if kill and number % _KILL_EVERY == 1:
                kills += _kill_one(where)
            answers.append(Counter(await copies))
            progress.add()
        for line in lines:
            line.drop()

    await asyncio.gather(*(send() for _ in range(_CALLS_AT_ONCE)))
    return answers, kills


def _kill_one(where: Stage) -> int:
    workers: Sequence[int] = where.gate.worker_pids()
    if len(workers) < 2:
        return 0
    os.kill(random.choice(workers), signal.SIGKILL)
    return 1


CLAIMS = (
    Claim(
        "replay, LMDB",
        "of copies sent at once exactly one is admitted; 4 workers, which are killed",
        100_000,
        "copies",
        on_one_machine,
    ),
    Claim("replay, Redis", "the same on three gates", 100_000, "copies", on_three_nodes),
)

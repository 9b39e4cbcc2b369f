"""Revoke, then call: what starts after the answer is never admitted, on any gate (architecture, "Freshness")."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.gate.scene import Client
from tests.installation import CredenzaServer

from credenza.client import operations
from credenza.client.auth import TokenAuth
from credenza.client.management import AsyncManagementClient
from proof import stage
from proof.calls import ADMITTED, Line, make_keys, signed
from proof.claim import Claim, Progress, hold
from proof.stage import Stage

_LINES_PER_GATE = 4
_TARGET = "/orders/v1"


@dataclass(slots=True)
class _Watched:
    """The calls of one key: when they began, what became of them, and when its revocation was answered."""

    calls: list[tuple[float, int | None]] = field(default_factory=list)
    answered_at: float | None = None
    took_s: float = 0.0

    @property
    def after(self) -> list[int | None]:
        if self.answered_at is None:
            return []
        return [status for began, status in self.calls if began > self.answered_at]


def on_sqlite(calls: int) -> str:
    with stage.on_sqlite(workers=4) as where:
        return _prove(where, calls, keys=max(1, calls // 100))


def on_postgresql(calls: int) -> str:
    with stage.on_postgresql(gates=2) as where:
        return _prove(where, calls, keys=max(1, calls // 100))


def on_three_nodes(revocations: int) -> str:
    with stage.on_postgresql(gates=3) as where:
        return _prove(where, revocations * 12, keys=revocations)


def _prove(where: Stage, calls: int, *, keys: int) -> str:
    project, _ = where.installation.add_project()
    clients = [where.installation.add_key(project, key) for key in make_keys(keys)]
    watched = asyncio.run(_revoke_all(where, project.id, clients, -(-calls // keys)))
    after = [status for each in watched for status in each.after]
    before = sum(status == ADMITTED for each in watched for _, status in each.calls) - after.count(ADMITTED)
    hold(before >= keys, f"only {before} calls were admitted before the revocations: nothing was at stake")
    hold(after.count(ADMITTED) == 0, f"{after.count(ADMITTED)} of {len(after)} later calls were admitted")
    hold(set(after) == {403}, f"later calls were answered {set(after)}")
    took = sorted(each.took_s for each in watched)
    return (
        f"0 of {len(after):,} calls admitted that started after the answer to one of {keys:,} revocations, "
        f"{before:,} before; answered in {took[len(took) // 2] * 1e3:.0f} ms (median), "
        f"{took[int(len(took) * 0.99)] * 1e3:.0f} ms (p99), {took[-1] * 1e3:.0f} ms (most)"
    )


async def _revoke_all(where: Stage, project_id: str, clients: Sequence[Client], calls: int) -> list[_Watched]:
    progress = Progress("revocations", len(clients))
    watched = []
    token = TokenAuth(where.installation.token)
    async with AsyncManagementClient(where.manage.manage_origin, token) as management:
        for client in clients:
            watched.append(await _revoke_under_fire(where, management, project_id, client, calls))
            progress.add()
    return watched


async def _revoke_under_fire(
    where: Stage, management: AsyncManagementClient, project_id: str, client: Client, calls: int
) -> _Watched:
    """Revoke a key while it calls every gate, and let it go on until `calls` have started after the answer."""
    watched = _Watched()
    lines = [(gate, Line(gate.port)) for gate in where.gates for _ in range(_LINES_PER_GATE)]
    firing = [asyncio.create_task(_fire(line, where.gate, client, watched, calls)) for _, line in lines]
    while sum(status == ADMITTED for _, status in watched.calls) < len(lines):
        await asyncio.sleep(0.001)
    began = time.monotonic()
    await management.send(operations.revoke_project_credential(project_id, client.key_id))
    watched.answered_at = time.monotonic()
    watched.took_s = watched.answered_at - began
    await asyncio.gather(*firing)
    return watched


async def _fire(line: Line, origin: CredenzaServer, client: Client, watched: _Watched, calls: int) -> None:
    async with line:
        while len(watched.after) < calls:
            call = signed(client, origin.origin, _TARGET)
            began = time.monotonic()
            watched.calls.append((began, await line.status(call)))


CLAIMS = (
    Claim(
        "revoke, SQLite",
        "of calls that start after the answer to a revocation none is admitted; 4 workers",
        10_000,
        "calls",
        on_sqlite,
    ),
    Claim("revoke, PostgreSQL", "the same with two gates on PostgreSQL", 10_000, "calls", on_postgresql),
    Claim("R1", "the same with three gates, PostgreSQL and Redis", 1_000, "revocations", on_three_nodes),
)

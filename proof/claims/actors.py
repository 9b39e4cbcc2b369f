"""Sixteen at once on one project: limits hold, the last key stays, and every attempt is in the audit log (R4)."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from tests.installation import Installation

from credenza.client import operations
from credenza.client.operations import Operation
from credenza.domain.access import Action
from credenza.domain.lifecycle import OAUTH2_KEY_LIMIT
from credenza.domain.model import Project
from credenza.store.engine import reading
from credenza.store.schema import audit_entries, credentials
from proof import stage, workload
from proof.calls import Line, request
from proof.claim import Claim, Progress, hold
from proof.stage import Stage

_ACTORS = 16
_BURSTS_A_PROJECT = 50
_DONE = frozenset({200, 201, 204})
_REFUSED = frozenset({400, 404, 409})


def on_sqlite(bursts: int) -> str:
    with stage.on_sqlite(workers=3) as where:
        return asyncio.run(_prove(where, bursts))


def on_postgresql(bursts: int) -> str:
    with stage.on_postgresql(gates=1, managers=3) as where:
        return asyncio.run(_prove(where, bursts))


async def _prove(where: Stage, bursts: int) -> str:
    progress, seen = Progress("bursts", bursts), _Seen()
    async with AsyncExitStack() as stack:
        lines = [
            await stack.enter_async_context(Line(where.managing[number % len(where.managing)].manage_port))
            for number in range(_ACTORS)
        ]
        for first in range(0, bursts, _BURSTS_A_PROJECT):
            project = workload.open_project(where.installation)
            told = Counter[int | None]()
            for _ in range(min(_BURSTS_A_PROJECT, bursts - first)):
                told += await _burst(where.installation, project, lines)
                seen.look(len(_active(where.installation, project)))
                progress.add()
            _check_audit(where.installation, project, told)
            seen.answers += told
    return seen.said()


@dataclass(slots=True)
class _Seen:
    """What all bursts together have shown."""

    answers: Counter[int | None] = field(default_factory=Counter)
    active: Counter[int] = field(default_factory=Counter)

    def look(self, active: int) -> None:
        hold(1 <= active <= OAUTH2_KEY_LIMIT, f"{active} active keys")
        self.active[active] += 1

    def said(self) -> str:
        hold(set(self.answers) <= _DONE | _REFUSED, f"answered {self.answers}")
        hold(max(self.active) == OAUTH2_KEY_LIMIT, "the limit was never reached")
        done = sum(count for status, count in self.answers.items() if status in _DONE)
        return (
            f"{self.answers.total():,} attempts in bursts of {_ACTORS}: {done:,} done, the others refused, each with "
            f"its audit row; {min(self.active)} to {max(self.active)} active keys after each of {self.active.total():,}"
        )


async def _burst(installation: Installation, project: Project, lines: list[Line]) -> Counter[int | None]:
    """Each actor adds a key, or revokes one, its own or anybody's, but asks to keep the last."""
    active = _active(installation, project)
    asked = [_written(installation, _operation(project, active)) for _ in lines]
    return Counter(await asyncio.gather(*(line.status(each) for line, each in zip(lines, asked, strict=True))))


def _operation(project: Project, active: list[str]) -> Operation[Any]:
    if random.random() < 0.5:
        new = workload.new_credential(secrets.token_hex(8))
        return operations.add_credential_to_project(project.id, new)
    return operations.revoke_project_credential(project.id, random.choice(active))


def _written(installation: Installation, operation: Operation[Any]) -> bytes:
    headers = {"Authorization": f"Bearer {installation.token}", "Content_Type": "application/json"}
    headers |= {"Idempotency_Key": secrets.token_hex(16)} if operation.repeatable else {"Credenza_Keep_Last": "true"}
    return request(operation.method, operation.path, body=operation.content or b"", **headers)


def _active(installation: Installation, project: Project) -> list[str]:
    with reading(installation.platform.database.records) as connection:
        query = select(credentials.c.id).where(credentials.c.project_id == project.id, credentials.c.status == "ACTIVE")
        return list(connection.execute(query).scalars())


def _check_audit(installation: Installation, project: Project, told: Counter[int | None]) -> None:
    with reading(installation.platform.database.records) as connection:
        query = (
            select(audit_entries.c.outcome, func.count().label("times"))
            .where(
                audit_entries.c.project_id == project.id,
                audit_entries.c.action.in_([Action.KEY_ADD, Action.KEY_REVOKE]),
            )
            .group_by(audit_entries.c.outcome)
        )
        rows = {row.outcome: row.times for row in connection.execute(query)}
    done = sum(count for status, count in told.items() if status in _DONE)
    expected = {"done": done, "refused": told.total() - done}
    hold(rows == {name: count for name, count in expected.items() if count}, f"answered {told}, audited {rows}")


CLAIMS = (
    Claim(
        "R4, SQLite",
        "16 concurrent actors on one project: never more than 3 keys, never none under the guard, every attempt "
        "audited; 3 workers",
        10_000,
        "bursts of 16",
        on_sqlite,
        in_tests=20,
    ),
    Claim("R4, PostgreSQL", "the same with three manage nodes", 10_000, "bursts of 16", on_postgresql, in_tests=10),
)

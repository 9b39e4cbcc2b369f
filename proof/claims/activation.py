"""Two activate different keys of a service at the same moment: whoever looks, and whenever, sees exactly one active."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select
from tests.installation import Installation, now, request_for

from credenza.actions import service_keys
from credenza.actions.service_key_admission import ByRequest
from credenza.client import operations
from credenza.domain.access import Action
from credenza.domain.model import CredentialId, CredentialKind, ProjectId, ServiceId
from credenza.store.engine import reading
from credenza.store.schema import audit_entries, credentials
from proof import stage, workload
from proof.calls import Line, request
from proof.claim import Claim, Progress, hold
from proof.stage import Stage

_KIND = CredentialKind.REQUEST_SIGNATURE
_KEYS = 4
_ACTORS = 2


def on_sqlite(moments: int) -> str:
    with stage.on_sqlite(workers=2) as where:
        return asyncio.run(_prove(where, moments))


def on_postgresql(moments: int) -> str:
    with stage.on_postgresql(gates=1, managers=2) as where:
        return asyncio.run(_prove(where, moments))


@dataclass(frozen=True, slots=True)
class _Counter:
    """A project's keys for one service."""

    installation: Installation
    project_id: ProjectId
    service_id: ServiceId
    keys: tuple[CredentialId, ...]

    def activation(self, key: CredentialId) -> bytes:
        operation = operations.activate_service_key(self.project_id, self.service_id, key)
        token = self.installation.token
        return request(
            operation.method,
            operation.path,
            body=operation.content or b"",
            Authorization=f"Bearer {token}",
            Content_Type="application/json",
        )

    def active(self) -> list[str]:
        query = select(credentials.c.id).where(
            credentials.c.project_id == self.project_id, credentials.c.kind == _KIND, credentials.c.status == "ACTIVE"
        )
        with reading(self.installation.platform.database.records) as connection:
            return list(connection.execute(query).scalars())

    def audited(self) -> int:
        query = select(func.count()).where(
            audit_entries.c.project_id == self.project_id,
            audit_entries.c.action == Action.SERVICE_KEY_ACTIVATE,
            audit_entries.c.outcome == "done",
        )
        with reading(self.installation.platform.database.records) as connection:
            return int(connection.execute(query).scalar_one())


@dataclass(slots=True)
class _Looks:
    """How many were active, by look."""

    seen: Counter[int] = field(default_factory=Counter)
    failures: list[BaseException] = field(default_factory=list)


async def _prove(where: Stage, moments: int) -> str:
    counter, progress = _open(where.installation), Progress("moments", moments)
    won: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        lines = [
            await stack.enter_async_context(Line(where.managing[number % len(where.managing)].manage_port))
            for number in range(_ACTORS)
        ]
        with _looking(counter) as looks:
            for _ in range(moments):
                won[await _moment(counter, lines)] += 1
                progress.add()
    hold(not looks.failures, f"a look failed: {looks.failures}")
    hold(set(looks.seen) == {1}, f"seen active: {looks.seen}")
    hold(counter.audited() == moments * _ACTORS, f"{counter.audited()} activations audited")
    return (
        f"{moments:,} times {_ACTORS} at once: exactly 1 active after each, and at each of {looks.seen[1]:,} looks "
        f"meanwhile; the first asked won {won['first']:,} times, the second {won['second']:,}; every activation audited"
    )


async def _moment(counter: _Counter, lines: list[Line]) -> str:
    """Let two activate different keys; say which of them came last and is active."""
    chosen = random.sample(counter.keys, _ACTORS)
    asked = (line.status(counter.activation(key)) for line, key in zip(lines, chosen, strict=True))
    answers = await asyncio.gather(*asked)
    hold(answers == [200] * _ACTORS, f"answered {answers}")
    active = counter.active()
    hold(len(active) == 1 and active[0] in chosen, f"asked for {chosen}, active are {active}")
    return "first" if active[0] == chosen[0] else "second"


@contextmanager
def _looking(counter: _Counter) -> Iterator[_Looks]:
    """Look at the database all the while."""
    looks, stopping = _Looks(), threading.Event()

    def look() -> None:
        try:
            while not stopping.is_set():
                looks.seen[len(counter.active())] += 1
        except BaseException as failure:  # noqa: BLE001 - told to the thread that asked for it
            looks.failures.append(failure)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield looks
    finally:
        stopping.set()
        watcher.join()


def _open(installation: Installation) -> _Counter:
    project = workload.open_project(installation)
    service_id = project.environments[0].services[0].service_id
    made = [
        service_keys.add(
            installation.platform,
            installation.actor,
            project.id,
            service_id,
            ByRequest(_KIND, f"key {number}", request_for(ec.generate_private_key(ec.SECP256R1()))),
            None,
            now=now(),
        )
        for number in range(_KEYS)
    ]
    return _Counter(installation, project.id, service_id, tuple(each.id for each in made))


_PROMISE = "two actors activate different keys at the same moment: always exactly one is active, for whoever looks; "

CLAIMS = (
    Claim("activation, SQLite", f"{_PROMISE}2 workers", 10_000, "moments", on_sqlite, in_tests=20),
    Claim("activation, PostgreSQL", f"{_PROMISE}2 manage nodes", 10_000, "moments", on_postgresql, in_tests=20),
)

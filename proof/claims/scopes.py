"""Catalogs drawn by lot, and calls to them with credentials of every state: the gate decides as a model does that is
written from the guide (product rows D3, D4 and D10)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.actions.stage import Stage, know_the_timeline, new_platform
from tests.clock import Clock
from tests.databases import migrate_files
from tests.gate import drawn_catalogs
from tests.gate.api_scene import standing
from tests.gate.test_compat_matrix import STATES
from tests.servers import PostgreSQLServer

from credenza.gate.decision import Code
from credenza.store import migrate
from credenza.store.engine import Database, open_database
from proof.claim import Claim, Progress, hold

_CALLS = 1000
"""Of a credential that is active to each API of a drawing; of the others a tenth."""
_A_DRAWING = 2 * (_CALLS + _CALLS // 10 * (len(STATES) - 1))
_DRAWINGS = 20
"""On one installation; the next begin on a new one."""


def on_sqlite(calls: int) -> str:
    return _prove(calls, _sqlite)


def on_postgresql(calls: int) -> str:
    return _prove(calls, _postgresql)


def _prove(calls: int, database: Callable[[], AbstractContextManager[Database]]) -> str:
    progress, found = Progress("calls", calls), Counter[Code | None]()
    chance = random.Random(calls)
    while found.total() < calls:
        with database() as opened:
            found += asyncio.run(_draw(opened, chance, calls - found.total(), progress))
    hold(found[None], "nothing was admitted: nothing was at stake")
    told = ", ".join(f"{count:,} × {'admitted' if code is None else code}" for code, count in found.most_common())
    return f"{found.total():,} of {found.total():,} calls decided as the model does: {told}"


async def _draw(database: Database, chance: random.Random, calls: int, progress: Progress) -> Counter[Code | None]:
    know_the_timeline(database.records)
    clock, found = Clock(), Counter[Code | None]()
    async with standing(Stage(new_platform(database, now=clock.now()), clock)) as gate:
        for _ in range(min(_DRAWINGS, -(-calls // _A_DRAWING))):
            found += await drawn_catalogs.check(gate, chance, calls=_CALLS)
            progress.add(_A_DRAWING)
    return found


@contextmanager
def _sqlite() -> Iterator[Database]:
    with TemporaryDirectory(prefix="credenza-proof-") as directory:
        migrate_files(Path(directory))
        yield from _opened(f"sqlite:///{directory}/credenza.db")


@contextmanager
def _postgresql() -> Iterator[Database]:
    with PostgreSQLServer() as server:
        yield from _opened(server.create_database())


def _opened(url: str) -> Iterator[Database]:
    database = open_database(url)
    migrate.upgrade(database)
    yield database
    database.close()


CLAIMS = (
    Claim(
        "API scopes, SQLite",
        "what a gate admits of API credentials is what was ticked: catalogs, trees, permissions, scope and states "
        "drawn by lot, against a model written from the guide",
        300_000,
        "calls",
        on_sqlite,
    ),
    Claim("API scopes, PostgreSQL", "the same on PostgreSQL", 300_000, "calls", on_postgresql),
)

"""Installations to prove things on: real servers by the real command line, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.installation import CredenzaServer, Installation, furnish, settings, upgrade
from tests.servers import HOST, NginxServer, PostgreSQLServer, RedisServer

from credenza.settings import Settings


@dataclass(frozen=True, slots=True)
class Stage:
    """`manage` answers the management API; calls go to any of `gates`, which may be the same process."""

    installation: Installation
    manage: CredenzaServer
    gates: tuple[CredenzaServer, ...]

    @property
    def gate(self) -> CredenzaServer:
        return self.gates[0]


@contextmanager
def on_sqlite(*, workers: int = 1, **changed: Any) -> Iterator[Stage]:
    """One machine: everything in `workers` processes."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="credenza-proof-")))
        chosen = settings(directory, **changed)
        server = stack.enter_context(CredenzaServer(chosen, workers=workers))
        installation = stack.enter_context(furnish(chosen, upstream=stack.enter_context(_upstream())))
        yield Stage(installation, server, (server,))


@contextmanager
def on_postgresql(*, gates: int, database_url: str | None = None, **changed: Any) -> Iterator[Stage]:
    """Several machines, as far as one can play them: a manage node, `gates` gate nodes, PostgreSQL and Redis."""
    with ExitStack() as stack:
        if database_url is None:
            database_url = stack.enter_context(PostgreSQLServer()).create_database()
        if "replay_url" not in changed:
            changed["replay_url"] = stack.enter_context(RedisServer()).url
        chosen = _on_one_directory(stack, database_url, changed)
        upgrade(database_url)
        # The nodes share one public origin, as behind a load balancer: a call signed for one is meant for any.
        manage = stack.enter_context(CredenzaServer(chosen, role="manage"))
        first = stack.enter_context(CredenzaServer(chosen, role="gate"))
        others = [
            stack.enter_context(CredenzaServer(chosen, role="gate", sandbox_origin=first.origin))
            for _ in range(gates - 1)
        ]
        installation = stack.enter_context(furnish(chosen, upstream=stack.enter_context(_upstream())))
        yield Stage(installation, manage, (first, *others))


def _on_one_directory(stack: ExitStack, database_url: str, changed: dict[str, Any]) -> Settings:
    directory = Path(stack.enter_context(TemporaryDirectory(prefix="credenza-proof-")))
    (directory / "data").mkdir(mode=0o700)
    return settings(directory, database_url=database_url, **changed)


@contextmanager
def _upstream() -> Iterator[str]:
    """An API that answers everything with 200."""
    with NginxServer(f"server {{ listen {HOST}:{{port}}; location / {{ return 200 ok; }} }}") as server:
        yield f"http://{HOST}:{server.port}"

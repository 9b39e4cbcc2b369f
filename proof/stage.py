"""Installations to prove things on: real servers by the real command line, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.installation import CredenzaServer, Installation, full_settings, furnish, upgrade
from tests.servers import HOST, NginxServer, PostgreSQLServer, RedisServer

from credenza.settings import Settings

# A busy machine may keep a gate from renewing a short lease; what comes of that R2 proves.
_LEASE_S = 35.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Any of `managing` answers the management API, and any of `gates` calls; they may be the same process. `upstream`
    answers everything with 200."""

    installation: Installation
    managing: tuple[CredenzaServer, ...]
    gates: tuple[CredenzaServer, ...]
    upstream: str

    @property
    def manage(self) -> CredenzaServer:
        return self.managing[0]

    @property
    def gate(self) -> CredenzaServer:
        return self.gates[0]


@contextmanager
def on_sqlite(
    *,
    workers: int = 1,
    program: str = "credenza",
    wrapper: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    **changed: Any,
) -> Iterator[Stage]:
    """One machine: everything in `workers` processes. The others are as `CredenzaServer` has them."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="credenza-proof-")))
        chosen = full_settings(directory, **changed)
        server = stack.enter_context(
            CredenzaServer(chosen, workers=workers, program=program, wrapper=wrapper, environment=environment)
        )
        upstream = stack.enter_context(_upstream())
        installation = stack.enter_context(furnish(chosen, upstream=upstream))
        yield Stage(installation, (server,), (server,), upstream)


@contextmanager
def on_postgresql(
    *,
    gates: int,
    managers: int = 1,
    database_url: str | None = None,
    last_gate: Mapping[str, str] | None = None,
    **changed: Any,
) -> Iterator[Stage]:
    """Several machines, as far as one can play them: manage nodes, gate nodes, PostgreSQL and Redis.

    `last_gate` are settings of the last gate alone.
    """
    with ExitStack() as stack:
        if database_url is None:
            database_url = stack.enter_context(PostgreSQLServer()).create_database()
        changed.setdefault("lease_s", _LEASE_S)
        if "replay_url" not in changed:
            changed["replay_url"] = stack.enter_context(RedisServer()).url
        chosen = _on_one_directory(stack, database_url, changed)
        upgrade(database_url)
        # The nodes share one public origin, as behind a load balancer: a call signed for one is meant for any.
        managing = [stack.enter_context(CredenzaServer(chosen, role="manage")) for _ in range(managers)]
        serving: list[CredenzaServer] = []
        for number in range(gates):
            own: dict[str, Any] = {"sandbox_origin": serving[0].origin} if serving else {}
            own |= last_gate or {} if number == gates - 1 else {}
            serving.append(stack.enter_context(CredenzaServer(chosen, role="gate", **own)))
        upstream = stack.enter_context(_upstream())
        installation = stack.enter_context(furnish(chosen, upstream=upstream))
        yield Stage(installation, tuple(managing), tuple(serving), upstream)


def _on_one_directory(stack: ExitStack, database_url: str, changed: dict[str, Any]) -> Settings:
    directory = Path(stack.enter_context(TemporaryDirectory(prefix="credenza-proof-")))
    (directory / "data").mkdir(mode=0o700)
    return full_settings(directory, database_url=database_url, **changed)


@contextmanager
def _upstream() -> Iterator[str]:
    """An API that answers everything with 200."""
    with NginxServer(f"server {{ listen {HOST}:{{port}}; location / {{ return 200 ok; }} }}") as server:
        yield f"http://{HOST}:{server.port}"

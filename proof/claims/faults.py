"""A revocation is enforced although things are broken: late, or by refusing everybody, but never not (R2)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

import psycopg
from tests.gate.scene import Client
from tests.servers import PostgreSQLServer, RedisServer

from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.domain.model import Project
from proof import stage
from proof.calls import ADMITTED, Line, make_keys, signed
from proof.claim import Claim, Progress, hold
from proof.relay import Relay
from proof.stage import Stage

_LEASE_S = 1.0
_CALLS = 20
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class _Scene:
    """Two gates, of which the second reaches the database through a relay."""

    where: Stage
    database: PostgreSQLServer
    memory: RedisServer
    relay: Relay
    project: Project


Fault: TypeAlias = Callable[[_Scene, Client], Counter[int | None]]


def revocation_under_faults(rounds: int) -> str:
    with ExitStack() as stack:
        database = stack.enter_context(PostgreSQLServer(durable=True))
        memory = stack.enter_context(RedisServer())
        relay = stack.enter_context(Relay(database.port))
        url = database.create_database()
        relayed = url.replace(f":{database.port}/", f":{relay.port}/")
        where = stack.enter_context(
            stage.on_postgresql(
                gates=2, database_url=url, replay_url=memory.url, lease_s=_LEASE_S, last_gate={"database_url": relayed}
            )
        )
        project, _ = where.installation.add_project()
        scene = _Scene(where, database, memory, relay, project)
        return _prove(scene, rounds)


def _prove(scene: _Scene, rounds: int) -> str:
    progress, later = Progress("faults", rounds), {name: Counter[int | None]() for name in _FAULTS}
    keys = make_keys(rounds)
    for number in range(rounds):
        name, fault = list(_FAULTS.items())[number % len(_FAULTS)]
        client = scene.where.installation.add_key(scene.project, keys[number])
        _await_admission(scene, client)
        later[name] += fault(scene, client)
        hold(not later[name][ADMITTED], f"{name}: a call that started after the answer was admitted")
        progress.add()
    return "0 admitted after the answer: " + "; ".join(
        f"{name}: {_words(statuses)}" for name, statuses in later.items() if statuses
    )


def _words(statuses: Counter[int | None]) -> str:
    return ", ".join(f"{count} × {status or 'no answer'}" for status, count in sorted(statuses.items(), key=str))


# ----------------------------------------------------------------------------------------------------------- the faults


def _nothing(scene: _Scene, client: Client) -> Counter[int | None]:
    _revoke(scene, client)
    return _call(scene, client)


def _feed_dropped(scene: _Scene, client: Client) -> Counter[int | None]:
    """Every connection to the database is ended."""
    with psycopg.connect(scene.database.url("postgres"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    _revoke(scene, client)
    return _call(scene, client)


def _gate_frozen(scene: _Scene, client: Client) -> Counter[int | None]:
    """A gate sleeps through the revocation and its own lease, and is asked the moment it wakes."""
    gate = scene.where.gates[-1]
    gate.freeze()
    _revoke(scene, client)
    gate.thaw()
    return _call(scene, client)


def _gate_cut_off(scene: _Scene, client: Client) -> Counter[int | None]:
    scene.relay.cut()
    _revoke(scene, client)
    found = _call(scene, client)
    scene.relay.mend()
    return found


def _database_frozen(scene: _Scene, client: Client) -> Counter[int | None]:
    """While the database sleeps longer than a lease nobody is admitted, revoked or not."""
    scene.database.freeze()
    time.sleep(2 * _LEASE_S)
    found = _call(scene, client)
    scene.database.thaw()
    _revoke(scene, client)
    return found + _call(scene, client)


def _memory_killed(scene: _Scene, client: Client) -> Counter[int | None]:
    """Without its replay memory a gate admits nobody either."""
    scene.memory.kill()
    found = _call(scene, client)
    _revoke(scene, client)
    found += _call(scene, client)
    scene.memory.start()
    return found


_FAULTS: Mapping[str, Fault] = {
    "no fault": _nothing,
    "feed dropped": _feed_dropped,
    "gate frozen": _gate_frozen,
    "gate cut off": _gate_cut_off,
    "PostgreSQL frozen": _database_frozen,
    "Redis killed": _memory_killed,
}


def _revoke(scene: _Scene, client: Client) -> None:
    """Ask until it is answered; only what comes after the answer is promised."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with scene.where.installation.client(scene.where.manage) as management:
            try:
                management.send(operations.revoke_project_credential(scene.project.id, client.key_id))
                return
            except ApiError as error:
                hold(error.status >= 500 and time.monotonic() < deadline, f"revoking was answered {error}")
        time.sleep(0.1)


def _call(scene: _Scene, client: Client) -> Counter[int | None]:
    """Call both gates, at once and for some time."""

    async def calls() -> Counter[int | None]:
        found = Counter[int | None]()
        for _ in range(_CALLS):
            lines = [Line(gate.port) for gate in scene.where.gates]
            call = [signed(client, scene.where.gate.origin, "/orders") for _ in lines]
            found.update(await asyncio.gather(*(line.status(each) for line, each in zip(lines, call, strict=True))))
            for line in lines:
                line.drop()
        return found

    return asyncio.run(calls())


def _await_admission(scene: _Scene, client: Client) -> None:
    """Wait until both gates have recovered from the fault before and admit the key."""
    deadline = time.monotonic() + _PATIENCE_S
    admitted: set[int] = set()

    async def ask(port: int) -> int | None:
        async with Line(port) as line:
            return await line.status(signed(client, scene.where.gate.origin, "/orders"))

    while len(admitted) < len(scene.where.gates):
        hold(time.monotonic() < deadline, "the gates did not recover")
        for gate in scene.where.gates:
            if asyncio.run(ask(gate.port)) == ADMITTED:
                admitted.add(gate.port)
        time.sleep(0.05)


CLAIMS = (
    Claim(
        "R2",
        "after the answer to a revocation no call is admitted, whether the feed is dropped, a gate is frozen or cut "
        "off (TCP relay), PostgreSQL frozen and thawed, or Redis killed; two gates, lease 1 s",
        120,
        "faults",
        revocation_under_faults,
        in_tests=len(_FAULTS),
    ),
)

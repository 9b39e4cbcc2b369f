"""`credenza serve`: what is looked at, and said, before anything is served."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from tests.cli.installation import Installation
from tests.clock import NOON
from tests.forked import ForkedServer
from tests.installation import CredenzaServer, settings
from tests.store.rows import Rows

from credenza.cli import local, preparing
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.roles import Role
from credenza.domain.model import PLATFORM
from credenza.store import leases, quarantine, schema
from credenza.store.engine import Database, open_database, writing


@pytest.mark.parametrize("role", Role)
def test_an_installation_in_quarantine_says_so_at_every_start_and_what_ends_it(
    installation: Installation, capsys: pytest.CaptureFixture[str], role: Role
) -> None:
    installation.done("org", "create", "Acme")
    database = open_database(f"sqlite:///{installation.directory}/credenza.db")
    Rows(database).signing_key()
    preparing.prepare(local.load_settings(), role)
    before = capsys.readouterr().err
    with writing(database.records) as connection:
        quarantine.impose(connection, now=NOON)
    database.close()

    for _ in range(2):
        preparing.prepare(local.load_settings(), role)
        said = capsys.readouterr().err

        assert "IN QUARANTINE: 1 credentials" in said
        assert "credenza db quarantine" in said
        assert "credenza db release" in said
    assert "QUARANTINE" not in before


def live_gate(database: Database, *, memory: str, renewed_at: datetime) -> None:
    with writing(database.records) as connection:
        connection.execute(
            schema.gates.insert().values(
                organization_id=PLATFORM,
                id=str(uuid4()),
                name="gate-1.example.org",
                applied=0,
                lease_us=5_000_000,
                renewed_at=renewed_at,
                fenced=False,
                memory=memory,
            )
        )


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("memory", ["another machine's", leases.SHARED_MEMORY])
def test_a_gate_without_shared_replay_memory_does_not_start_beside_another(
    on_postgresql: Installation, role: Role, memory: str
) -> None:
    on_postgresql.done("db", "upgrade")
    on_postgresql.done("org", "create", "Acme")
    database = open_database(on_postgresql.setting("DATABASE_URL"))
    preparing.prepare(local.load_settings(), role)
    live_gate(database, memory=memory, renewed_at=local.now() + timedelta(minutes=1))
    database.close()

    with pytest.raises(CommandFailed, match=r"gate-1\.example\.org.*CREDENZA_REPLAY_URL"):
        preparing.prepare(local.load_settings(), role)

    found = {each["name"]: each for each in on_postgresql.run("doctor", "-o", "json").document}
    assert found["replay_memory_of_the_fleet"]["ok"] is False
    assert "gate-1.example.org" in found["replay_memory_of_the_fleet"]["detail"]


def test_a_gate_that_has_died_is_in_nobody_s_way(on_postgresql: Installation) -> None:
    on_postgresql.done("db", "upgrade")
    on_postgresql.done("org", "create", "Acme")
    database = open_database(on_postgresql.setting("DATABASE_URL"))
    live_gate(database, memory="another machine's", renewed_at=local.now() - timedelta(minutes=1))
    database.close()

    preparing.prepare(local.load_settings(), Role.GATE)

    found = {each["name"]: each for each in on_postgresql.run("doctor", "-o", "json").document}
    assert found["replay_memory_of_the_fleet"]["ok"] is True


_NOT_IN_AN_IDLE_GATE = {
    "alembic",
    "argon2",
    "babel",
    "credenza.actions",
    "credenza.api",
    "credenza.portal",
    "credenza.wire.shape",
    "fastapi",
    "jinja2",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "sqlalchemy",
    "starlette",
    "typer",
    "webauthn",
    "yaml",
}
"""Each takes megabytes, and part of every start; all are there when somebody wants them (performance.md, P16)."""
_MASKS = ("SigCgt", "SigBlk")


def test_an_idle_gate_holds_no_command_line_no_database_toolkit_and_no_management_plane(tmp_path: Path) -> None:
    with _naming_gate(tmp_path, workers=1) as server:
        server.stop()
        held = set(server.log.read_text().splitlines())

    assert "credenza.cli.start" in held
    assert held.isdisjoint(_NOT_IN_AN_IDLE_GATE)


def test_nor_does_a_worker(tmp_path: Path) -> None:
    with _naming_gate(tmp_path, workers=2) as server:
        for pid in server.worker_pids():
            while not _catches(pid, signal.SIGTERM):
                time.sleep(0.05)  # it is only beginning to serve, and would just end
        server.stop()
        held = server.log.read_text().splitlines()

    assert held.count("credenza.cli.start") == 3, "two workers and their parent"
    assert _NOT_IN_AN_IDLE_GATE.isdisjoint(held)


def test_a_worker_that_dies_is_replaced_and_all_stop_with_their_parent(tmp_path: Path) -> None:
    with ForkedServer(settings(tmp_path), role="gate", workers=2) as server:
        dead, other = server.worker_pids()
        os.kill(dead, signal.SIGKILL)
        while dead in (now := server.worker_pids()) or len(now) < 2:
            time.sleep(0.05)
        server.stop()
        log = server.log_tail()

    assert other in now
    assert '"exit_code": -9' in log
    assert not [pid for pid in now if Path(f"/proc/{pid}").exists()]


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with ForkedServer(settings(tmp_path), role="gate", workers=3) as server:
        workers = server.worker_pids()
        os.kill(_parent_of(workers), signal.SIGKILL)
        for pid in workers:
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.05)

    assert len(workers) == 3


def test_a_server_ends_when_no_worker_of_it_can_serve(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    with ForkedServer(chosen):
        pass  # makes the key
    chosen.key_path.unlink()
    command = CredenzaServer(chosen, role="gate", workers=2, identity_life_s=60).command()

    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert ended.returncode == ExitCode.ERROR
    assert "identity_life_s needs the key-encryption key" in ended.stderr
    assert "worker.died" not in ended.stderr


def test_the_parent_of_workers_has_one_thread_and_no_database_open(tmp_path: Path) -> None:
    with CredenzaServer(settings(tmp_path), workers=2) as server:
        parent = _parent_of(server.worker_pids())
        threads = list(Path(f"/proc/{parent}/task").iterdir())
        opened = [each.readlink() for each in Path(f"/proc/{parent}/fd").iterdir()]

    assert len(threads) == 1
    assert not [path for path in opened if path.is_relative_to(tmp_path)]


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process does something of its own then. A worker that has only been forked holds it back."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught, blocked = (int(re.findall(rf"^{name}:\s*([0-9a-f]+)$", status, re.MULTILINE)[0], 16) for name in _MASKS)
    return bool((caught & ~blocked) >> (number - 1) & 1)


def _parent_of(workers: Sequence[int]) -> int:
    return int(Path(f"/proc/{workers[0]}/stat").read_text().rpartition(")")[2].split()[1])


def _naming_gate(directory: Path, *, workers: int) -> CredenzaServer:
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    program = "tests.cli.naming_server"
    return CredenzaServer(settings(directory), role="gate", workers=workers, program=program, environment=path)

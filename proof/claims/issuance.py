"""Nothing is signed that is not on record, nothing is half done, and a repeated request has the same answer (R5)."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import httpx
from sqlalchemy import text
from tests.installation import Installation

from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.client.management import ManagementClient
from credenza.client.operations import Operation
from credenza.domain.model import Project
from credenza.store.engine import writing
from proof import stage, workload
from proof.claim import Broken, Claim, Progress, hold
from proof.stage import Stage
from proof.workload import Log

_FAILPOINTS = ("before_signature", "after_signature", "before_commit", "after_commit")
_REPOSITORY = Path(__file__).parents[2]
Asked: TypeAlias = Callable[[Project, str], Operation[Any]]
"""What is asked for a project, under an alias."""


def keys_at_every_failpoint(kills: int) -> str:
    return _die_everywhere(kills, _key)


def certificates_at_every_failpoint(kills: int) -> str:
    return _die_everywhere(kills, _certificate)


def _key(project: Project, alias: str) -> Operation[Any]:
    return operations.add_credential_to_project(project.id, workload.new_credential(alias))


def _certificate(project: Project, alias: str) -> Operation[Any]:
    return operations.add_certificate(project.id, workload.new_certificate(alias))


def _die_everywhere(kills: int, asked: Asked) -> str:
    """All failpoints at once: a request that died unanswered may be repeated after 15 s only."""
    with ThreadPoolExecutor(len(_FAILPOINTS)) as pool:
        said = list(pool.map(_die_at, _FAILPOINTS, [kills] * len(_FAILPOINTS), [asked] * len(_FAILPOINTS)))
    return "; ".join(said)


def _die_at(failpoint: str, kills: int, asked: Asked) -> str:
    with TemporaryDirectory(prefix="credenza-proof-") as directory:
        armed = Path(directory) / "armed"
        environment = {"PROOF_ARMED": str(armed), "PYTHONPATH": f"{_REPOSITORY}:{':'.join(filter(None, sys.path))}"}
        with stage.on_sqlite(program="proof.crashing", environment=environment) as where:
            log, progress = Log(), Progress(failpoint, kills)
            project = workload.open_project(where.installation)
            for _ in range(kills):
                armed.write_text(failpoint)
                _ask_repair_repeat(where, project, log, asked, repair=lambda: _start_again(where, armed))
                progress.add()
            return f"{kills} kills at {failpoint}: {workload.check(where, log)}"


def _start_again(where: Stage, armed: Path) -> None:
    hold(not armed.exists(), "the failpoint was not passed")
    where.manage.kill()
    where.manage.start()


def at_every_statement_on_sqlite(failures: int) -> str:
    with stage.on_sqlite() as where:
        return _fail_statements(where, failures, _SQLITE_TRIGGER)


def at_every_statement_on_postgresql(failures: int) -> str:
    with stage.on_postgresql(gates=1) as where:
        with writing(where.installation.platform.database.records) as connection:
            connection.execute(text(_POSTGRESQL_FUNCTION))
        return _fail_statements(where, failures, _POSTGRESQL_TRIGGER)


def _fail_statements(where: Stage, failures: int, trigger: str) -> str:
    log, progress = Log(), Progress("failing statements", failures)
    project = workload.open_project(where.installation)
    for number in range(failures):
        table, verb = _STATEMENTS[number % len(_STATEMENTS)]
        _execute(where.installation, trigger.format(verb=verb, table=table))
        cure = _CURES[trigger].format(table=table)
        repair = partial(_execute, where.installation, cure)
        _ask_repair_repeat(where, project, log, _key, repair=repair)
        progress.add()
    return f"{failures} failing statements in {len(_STATEMENTS)} places: {workload.check(where, log)}"


def _ask_repair_repeat(where: Stage, project: Project, log: Log, asked: Asked, *, repair: Callable[[], None]) -> None:
    """Add a credential into a fault; then repair, and ask for the same until it is answered."""
    key, alias = secrets.token_hex(16), secrets.token_hex(8)
    operation = asked(project, alias)
    with where.installation.client(where.manage) as client:
        _meet_fault(client, operation, key)
        repair()
        added = workload.until_answered(client, operation, log, key=key)
        again = workload.until_answered(client, operation, log, key=key)
        hold(again == added, "the same request had two answers")
        log.added[alias] = added.id
        workload.until_answered(client, operations.revoke_project_credential(project.id, added.id), log)
        log.revoked.add(added.id)


def _meet_fault(client: ManagementClient, operation: Operation[Any], key: str) -> None:
    try:
        client.send(operation, idempotency_key=key)
    except httpx.TransportError:
        return
    except ApiError as error:
        hold(error.status >= 500, f"a fault of ours was answered {error.status}")
        return
    raise Broken("the fault was not met")


def _execute(installation: Installation, statement: str) -> None:
    with writing(installation.platform.database.records) as connection:
        connection.execute(text(statement))


_STATEMENTS = (
    ("certificates", "INSERT"),
    ("certificates", "UPDATE"),
    ("credentials", "INSERT"),
    ("audit_entries", "INSERT"),
    ("audit_heads", "UPDATE"),
    ("idempotency", "INSERT"),
    ("idempotency", "UPDATE"),
)
_SQLITE_TRIGGER = "CREATE TRIGGER fault BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, 'fault'); END"
_POSTGRESQL_FUNCTION = (
    "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'fault'; END $$"
)
_POSTGRESQL_TRIGGER = "CREATE TRIGGER fault BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION fault()"
_CURES: Mapping[str, str] = {
    _SQLITE_TRIGGER: "DROP TRIGGER fault",
    _POSTGRESQL_TRIGGER: "DROP TRIGGER fault ON {table}",
}

CLAIMS = (
    Claim(
        "R5, failpoints",
        "a server killed before or after signature and commit leaves nothing half done, and the repeated request is "
        "answered once and for all",
        20,
        "kills at each of 4 failpoints",
        keys_at_every_failpoint,
    ),
    Claim(
        "R5, failpoints, certificates",
        "the same for certificates of TLS clients",
        20,
        "kills at each of 4 failpoints",
        certificates_at_every_failpoint,
    ),
    Claim(
        "R5, statements",
        "the same when a statement of the database fails; SQLite",
        70,
        "failing statements",
        at_every_statement_on_sqlite,
    ),
    Claim(
        "R5, statements, PostgreSQL",
        "the same on PostgreSQL",
        70,
        "failing statements",
        at_every_statement_on_postgresql,
    ),
)

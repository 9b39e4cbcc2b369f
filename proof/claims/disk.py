"""A full disk stops changes, not verification, and nothing has to be repaired afterwards (R7).

The disk is full for files that grow: RLIMIT_FSIZE on the running server, so no loop device and no root is needed. Each
file meets the limit by itself, as on a quota.
"""

from __future__ import annotations

import asyncio
import resource
import secrets
import sqlite3

from tests.gate.scene import Client

from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.domain.model import Project
from proof import stage, workload
from proof.calls import ADMITTED, Line, signed
from proof.claim import Claim, Progress, hold
from proof.stage import Stage
from proof.workload import Log

_MOST_WRITES = 400
_CALLS = 20
_UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def when_full(rounds: int) -> str:
    with stage.on_sqlite() as where:
        log, progress, refused, admitted = Log(), Progress("full disks", rounds), 0, 0
        project, client = workload.open_project(where.installation), where.installation.add_project()[1]
        for number in range(rounds):
            _limit(where, 4096 * (1 + number % 7))
            refused += _write_until_refused(where, project, log)
            statuses = asyncio.run(_call(where, client))
            hold(set(statuses) == {ADMITTED}, f"while the disk was full calls were answered {statuses}")
            admitted += len(statuses)
            _free(where)
            _clear(where, project, log)
            _write(where, project, log)
            _check_database(where)
            progress.add()
        return (
            f"{rounds} times full: changes answered 5xx ({refused:,}), {admitted:,} of {admitted:,} calls admitted "
            f"meanwhile, changes again without repair; {workload.check(where, log)}"
        )


def _limit(where: Stage, room_bytes: int) -> None:
    data = where.installation.settings.data_dir
    grown = max((data / name).stat().st_size for name in ("credenza.db-wal", "credenza.db") if (data / name).exists())
    for pid in where.manage.worker_pids():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (grown + room_bytes, resource.RLIM_INFINITY))


def _free(where: Stage) -> None:
    for pid in where.manage.worker_pids():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, _UNLIMITED)


def _write_until_refused(where: Stage, project: Project, log: Log) -> int:
    for _ in range(_MOST_WRITES):
        try:
            _write(where, project, log)
        except ApiError as error:
            hold(error.status >= 500, f"a full disk was answered {error.status}")
            return 1
    raise AssertionError("the disk did not fill")


def _write(where: Stage, project: Project, log: Log) -> None:
    """Add a key and revoke it; what was answered is noted, the rest may be there or not."""
    alias = secrets.token_hex(8)
    with where.installation.client(where.manage) as client:
        added = client.send(operations.add_credential_to_project(project.id, workload.new_credential(alias)))
        log.added[alias] = added.id
        client.send(operations.revoke_project_credential(project.id, added.id))
        log.revoked.add(added.id)


def _clear(where: Stage, project: Project, log: Log) -> None:
    """Revoke what was added and could not be revoked: a project holds three keys at most."""
    with where.installation.client(where.manage) as client:
        for left in client.send(operations.list_credentials(project.id, status="ACTIVE")).items:
            client.send(operations.revoke_project_credential(project.id, left.id))
            log.revoked.add(left.id)


async def _call(where: Stage, client: Client) -> list[int | None]:
    async with Line(where.gate.port) as line:
        return [await line.status(signed(client, where.gate.origin, f"/orders/{number}")) for number in range(_CALLS)]


def _check_database(where: Stage) -> None:
    connection = sqlite3.connect(where.installation.settings.data_dir / "credenza.db")
    found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    hold(found == "ok", f"the database is damaged: {found}")


CLAIMS = (
    Claim(
        "R7",
        "a full disk (a limit on the size of files) refuses changes with 5xx, admits calls as before, and needs no "
        "repair when there is room again",
        50,
        "full disks",
        when_full,
    ),
)

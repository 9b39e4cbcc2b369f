"""Writers that never give up: each repeats a request under its Idempotency-Key until it is answered, and remembers.

What was answered must be in the database afterwards, once, with its audit row. `check` compares.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select
from tests.installation import NOWHERE, Installation, request_for

from credenza.actions import audit_log
from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.client.management import ManagementClient
from credenza.client.operations import Operation, Result
from credenza.domain.access import Action
from credenza.domain.model import AuthenticationType, Project, ProjectType
from credenza.protocol import csr
from credenza.store.engine import reading
from credenza.store.schema import audit_entries, certificates, credentials
from credenza.wire.credentials import AddMTLSCsrCredential, AddSigningCredential
from proof.claim import hold
from proof.stage import Stage

_ADDS = frozenset({Action.KEY_ADD, Action.CERTIFICATE_ADD})
_REVOKES = frozenset({Action.KEY_REVOKE, Action.CERTIFICATE_REVOKE})
_PAUSE_S, _LONG_PAUSE_S = 0.1, 0.5
_PATIENCE_S = 120.0
_FOR_A_WHILE = frozenset({409, 429, 500, 502, 503, 507})


@dataclass(slots=True)
class Log:
    """What was answered, by alias: the key id, and whether it was revoked. `repeats` counts requests sent again."""

    added: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    repeats: int = 0

    @property
    def answers(self) -> int:
        return len(self.added) + len(self.revoked)

    def await_more_than(self, answers: int) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while self.answers <= answers:
            hold(time.monotonic() < deadline, f"nothing was answered for {_PATIENCE_S:.0f} s")
            time.sleep(_PAUSE_S / 10)


@contextmanager
def writing(where: Stage, *, writers: int = 4, most: int = 1_000_000) -> Iterator[Log]:
    """Let writers add and revoke EC keys, each in its own project, to the end of the block or `most` answers."""
    log, stopping = Log(), threading.Event()
    projects = [open_project(where.installation) for _ in range(writers)]
    failures: list[BaseException] = []
    threads = [
        threading.Thread(target=_write, args=(where, project, log, stopping, most, failures)) for project in projects
    ]
    for thread in threads:
        thread.start()
    try:
        yield log
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def open_project(installation: Installation) -> Project:
    """A project whose keys may be EC keys: they are made a hundred times faster than RSA's."""
    service = installation.add_service(
        f"Ledger {secrets.token_hex(4)}", f"/ledger-{secrets.token_hex(4)}", AuthenticationType.OAUTH2_FAPI, NOWHERE
    )
    return installation.add_project(ProjectType.OAUTH2_FAPI, service)[0]


def _write(
    where: Stage, project: Project, log: Log, stopping: threading.Event, most: int, failures: list[BaseException]
) -> None:
    try:
        with where.installation.client(where.manage) as client:
            while not stopping.is_set() and log.answers < most:
                alias = secrets.token_hex(8)
                new = new_credential(alias)
                added = until_answered(client, operations.add_credential_to_project(project.id, new), log)
                log.added[alias] = added.id
                until_answered(client, operations.revoke_project_credential(project.id, added.id), log)
                log.revoked.add(added.id)
    except BaseException as failure:  # noqa: BLE001 - told to the thread that asked for it
        failures.append(failure)


def new_credential(alias: str) -> AddSigningCredential:
    request = request_for(ec.generate_private_key(ec.SECP256R1())).decode()
    return AddSigningCredential.model_validate({"type": "SIGNING", "alias": alias, "csr": request})


def new_certificate(alias: str) -> AddMTLSCsrCredential:
    """A subject is accepted once: the alias is the common name."""
    request = csr.build(ec.generate_private_key(ec.SECP256R1()), common_name=alias).decode()
    return AddMTLSCsrCredential.model_validate({"type": "MTLS_CSR", "alias": alias, "csr": request})


def until_answered(
    client: ManagementClient, operation: Operation[Result], log: Log, *, key: str | None = None
) -> Result:
    """Ask until there is an answer. A 409 tells that the first attempt still counts as under way."""
    key, deadline = key or secrets.token_hex(16), time.monotonic() + _PATIENCE_S
    while True:
        try:
            return client.send(operation, idempotency_key=key)
        except httpx.TransportError as error:
            pause_s = _PAUSE_S
            _give_up_after(deadline, error)
        except ApiError as error:
            if error.status not in _FOR_A_WHILE:
                raise
            pause_s = _LONG_PAUSE_S  # what is under way counts as that for 15 s
            _give_up_after(deadline, error)
        log.repeats += 1
        time.sleep(pause_s)


def _give_up_after(deadline: float, error: Exception) -> None:
    if time.monotonic() > deadline:
        raise error


@dataclass(frozen=True, slots=True)
class _Found:
    """What the database holds of keys after all: by alias, by key id, and what the audit log says was done."""

    ids: dict[str, list[str]]
    states: dict[str, str]
    issued: Counter[str]
    done: Counter[tuple[str, str]]


def check(where: Stage, log: Log) -> str:
    """Nothing answered is lost or doubled, nothing is half done, and the audit log tells all of it."""
    found = _look(where.installation)
    hold(all(log.added[alias] in found.ids.get(alias, ()) for alias in log.added), "an answered addition is lost")
    hold(all(len(ids) == 1 for ids in found.ids.values()), "an addition was done twice")
    hold(all(found.states[key_id] == "REVOKED" for key_id in log.revoked), "an answered revocation is lost")
    hold(all(found.issued[key_id] == 1 for key_id in found.states), "a credential without exactly one certificate")
    hold(set(found.issued) <= set(found.states), "an issued certificate without its credential")
    _check_audit(where, found)
    return (
        f"{log.answers:,} answered changes all present, none twice; {len(found.states):,} credentials, each with one "
        f"certificate and one audit row; {log.repeats:,} requests repeated"
    )


def _check_audit(where: Stage, found: _Found) -> None:
    flaws = [each.flaw for each in audit_log.verify(where.installation.platform.database) if each.flaw is not None]
    hold(not flaws, f"the audit log does not verify: {flaws}")
    added = Counter({key_id: count for (action, key_id), count in found.done.items() if action in _ADDS})
    # The first key of a project is told with the project.
    projects = sum(count for (action, _), count in found.done.items() if action == Action.PROJECT_CREATE)
    hold(len(found.states) == added.total() + projects, "additions and audit rows are not as many")
    hold(all(count == 1 for count in added.values()), "an addition has two audit rows")
    hold(set(added) <= set(found.states), "the audit log tells of an addition that is not there")
    silent = [
        k
        for k, state in found.states.items()
        if state == "REVOKED" and not any(found.done[each, k] for each in _REVOKES)
    ]
    hold(not silent, f"{len(silent)} revocations without an audit row")


def _look(installation: Installation) -> _Found:
    ids: dict[str, list[str]] = {}
    with reading(installation.platform.database.records) as connection:
        rows = connection.execute(select(credentials.c.alias, credentials.c.id, credentials.c.status)).all()
        for row in rows:
            ids.setdefault(row.alias, []).append(row.id)
        issued = select(certificates.c.credential_id).where(certificates.c.state == "ISSUED")
        done = select(audit_entries.c.action, audit_entries.c.subject).where(audit_entries.c.outcome == "done")
        return _Found(
            ids,
            {row.id: row.status for row in rows},
            Counter(connection.execute(issued).scalars()),
            Counter((row.action, row.subject) for row in connection.execute(done)),
        )

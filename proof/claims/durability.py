"""Embedded mode keeps what it has answered through a power cut (R6): synced before each answer, and every image opens.

strace records what the server writes. From that the files are built as they stood between any two writes, with what was
not yet synced kept, lost or half lost. It is Debian's package strace; without it this proof cannot be run.
"""

from __future__ import annotations

import random
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers import find_program

from credenza.client import operations
from proof import stage, tracing, workload
from proof.claim import Claim, Progress, hold
from proof.stage import Stage
from proof.tracing import Event, Kind

_NAMES = ("credenza.db", "credenza.db-wal")


def answers_follow_syncs(answers: int) -> str:
    with TemporaryDirectory(prefix="credenza-proof-") as directory:
        log = Path(directory) / "strace"
        wrapper = [find_program("strace", "strace"), *tracing.COMMAND[1:], str(log)]
        with stage.on_sqlite(wrapper=wrapper) as where:
            data = where.installation.settings.data_dir
            project = workload.open_project(where.installation)
            before = {name: (data / name).read_bytes() for name in _NAMES}
            already = len(list(tracing.read(log, [data / name for name in _NAMES])))
            aliases = _write(where, project.id, answers)
            events = list(tracing.read(log, [data / name for name in _NAMES]))[already:]
        checked = _check_syncs(events)
        hold(checked >= answers, f"only {checked} answers were seen")
        images = _check_images(Path(directory), before, events, aliases)
    return (
        f"0 of {checked:,} answers before their sync; {images:,} crash images, all sound and with all that was answered"
    )


def _write(where: Stage, project_id: str, count: int) -> list[str]:
    """Change something `count` times; the aliases in the order of their answers."""
    aliases = []
    progress = Progress("answers", count)
    with where.installation.client(where.manage) as client:
        for _ in range(count):
            aliases.append(secrets.token_hex(8))
            new = workload.new_credential(aliases[-1])
            added = client.send(operations.add_credential_to_project(project_id, new))
            client.send(operations.revoke_project_credential(project_id, added.id))
            progress.add()
    return aliases


def _check_syncs(events: Sequence[Event]) -> int:
    """Count the answers; none may find a write that is not synced."""
    unsynced: set[str] = set()
    answers = 0
    for event in events:
        if event.kind is Kind.SYNC:
            unsynced.discard(event.path)
        elif event.kind is Kind.ANSWER:
            hold(not unsynced, f"answer {answers} came before {unsynced} was synced")
            answers += 1
        else:
            unsynced.add(event.path)
    return answers


def _check_images(directory: Path, before: dict[str, bytes], events: Sequence[Event], aliases: list[str]) -> int:
    images, progress = 0, Progress("crash images", 3 * len(events))
    for files, answered in _images(before, events):
        _check_image(directory / "image", files, aliases[: answered // 2])
        images += 1
        progress.add()
    return images


def _images(before: dict[str, bytes], events: Sequence[Event]) -> Iterator[tuple[dict[str, bytes], int]]:
    """What a power cut may leave after each write: all of what is not synced, a part of it, nothing of it."""
    safe, pending, answered = {name: bytearray(content) for name, content in before.items()}, list[Event](), 0
    for event in events:
        if event.kind is Kind.ANSWER:
            answered += 1
        elif event.kind is Kind.SYNC:
            _apply(safe, [each for each in pending if each.path == event.path])
            pending = [each for each in pending if each.path != event.path]
        else:
            pending.append(event)
            for kept in (pending, random.sample(pending, k=len(pending) // 2), []):
                files = {name: bytearray(content) for name, content in safe.items()}
                _apply(files, [each for each in pending if each in kept])
                yield {name: bytes(content) for name, content in files.items()}, answered


def _apply(files: dict[str, bytearray], events: Sequence[Event]) -> None:
    for event in events:
        file = files[event.path]
        if event.kind is Kind.TRUNCATE:
            del file[event.offset :]
        file.extend(bytes(max(0, event.offset - len(file))))
        file[event.offset : event.offset + len(event.content)] = event.content


def _check_image(directory: Path, files: dict[str, bytes], answered: list[str]) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    with closing(sqlite3.connect(directory / "credenza.db")) as connection:
        hold(connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "an image is damaged")
        found = {alias for (alias,) in connection.execute("SELECT alias FROM credentials WHERE status = 'REVOKED'")}
        hold(found >= set(answered), "an image lacks what was answered")
        halves = connection.execute(_HALF_DONE).fetchone()[0]
        hold(not halves, f"an image has {halves} credentials without certificate or audit row")


_HALF_DONE = """
SELECT count(*) FROM credentials c JOIN projects p ON p.id = c.project_id WHERE NOT EXISTS (
    SELECT 1 FROM certificates WHERE credential_id = c.id AND state = 'ISSUED'
) OR NOT EXISTS (
    SELECT 1 FROM audit_entries WHERE outcome = 'done'
    AND (action = 'key.add' AND subject = c.id OR action = 'project.create' AND project_id IN (p.id, ''))
)
"""

CLAIMS = (
    Claim(
        "R6",
        "no answer before its data is synced; every file image that a power cut can leave opens, is sound and holds "
        "all that was answered; SQLite, strace",
        200,
        "keys added and revoked",
        answers_follow_syncs,
    ),
)

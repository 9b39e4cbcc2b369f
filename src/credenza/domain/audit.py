"""An audit log that proves itself: every entry carries the hash of the one before it.

One chain per organization and one for the platform. `verify` needs the entries alone, so it works offline and
for a third party; a checkpoint (sequence and hash, kept elsewhere) shows that no tail was cut off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

GENESIS = "0" * 64


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Record:
    """What happened. `code` is the refusal's when it was refused; `detail` holds no secret and no key material."""

    at: datetime
    actor_kind: str
    actor_id: str
    user_id: str
    address: str
    action: str
    outcome: Outcome
    code: str
    project_id: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Entry:
    chain: str
    sequence: int
    record: Record
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries to read. What is left empty does not narrow; `until` itself is left out."""

    action: str = ""
    outcome: Outcome | None = None
    user_id: str = ""
    project_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = Wanted()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a chain at some moment. Kept away from the database it shows a cut-off tail."""

    chain: str
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first thing wrong with a chain."""

    chain: str
    sequence: int
    what: str


def entry_hash(chain: str, sequence: int, record: Record, previous_hash: str) -> str:
    """SHA-256, lower-case hex, over a canonical JSON array: every field in fixed order, times in UTC microseconds."""
    fields = [
        chain,
        sequence,
        record.at.astimezone(UTC).isoformat(timespec="microseconds"),
        record.actor_kind,
        record.actor_id,
        record.user_id,
        record.address,
        record.action,
        record.outcome,
        record.code,
        record.project_id,
        record.subject,
        record.detail,
        previous_hash,
    ]
    canonical = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def follow(chain: str, sequence: int, previous_hash: str, record: Record) -> Entry:
    """Make the entry that comes after (`sequence`, `previous_hash`)."""
    return Entry(chain, sequence + 1, record, previous_hash, entry_hash(chain, sequence + 1, record, previous_hash))


def verify(chain: str, entries: Iterable[Entry], checkpoints: Iterable[Checkpoint] = ()) -> Flaw | None:
    """Walk a whole chain from its first entry; return the first flaw, or None when nothing was altered."""
    wanted = _by_entry(checkpoints)
    sequence, previous = 0, GENESIS
    for entry in entries:
        flaw = _flaw(chain, entry, sequence + 1, previous)
        if flaw is not None:
            return Flaw(chain, sequence + 1, flaw)
        sequence, previous = entry.sequence, entry.hash
        if wanted.pop(sequence, {previous}) != {previous}:
            return Flaw(chain, sequence, "differs from its checkpoint")
    if wanted:
        return Flaw(chain, sequence + 1, f"missing: a checkpoint names entry {max(wanted)}")
    return None


def _by_entry(checkpoints: Iterable[Checkpoint]) -> dict[int, set[str]]:
    """Two of one entry must both fit: one may be the database's own. That of an empty chain says nothing."""
    hashes: dict[int, set[str]] = {}
    for each in checkpoints:
        if each.sequence > 0:
            hashes.setdefault(each.sequence, set()).add(each.hash)
    return hashes


def _flaw(chain: str, entry: Entry, sequence: int, previous: str) -> str | None:
    if entry.chain != chain:
        return f"belongs to chain {entry.chain}"
    if entry.sequence != sequence:
        return f"missing: the next entry is {entry.sequence}"
    if entry.previous_hash != previous:
        return "does not follow the entry before it"
    if entry.hash != entry_hash(chain, entry.sequence, entry.record, entry.previous_hash):
        return "was altered"
    return None

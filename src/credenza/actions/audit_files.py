"""The audit log as files to take away: JSON lines that end with a signed checkpoint, or a table for a spreadsheet.

Written to a file of their own first: a slow reader must hold neither a transaction nor the whole chain in memory.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from io import TextIOWrapper
from tempfile import SpooledTemporaryFile
from typing import IO

from credenza.actions.audit_log import SignedCheckpoint
from credenza.domain import audit
from credenza.wire import audit as wire

_IN_MEMORY_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_COLUMNS = (
    "sequence", "at", "action", "outcome", "code", "actor_kind", "actor_id", "user_id", "address", "project_id",
    "subject", "detail", "hash",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def json_lines(entries: Iterable[audit.Entry], checkpoint: SignedCheckpoint) -> Iterator[bytes]:
    """One entry a line, oldest first; the last line is the checkpoint. `credenza audit verify` reads it."""
    with ExitStack() as stack:
        spool = stack.enter_context(SpooledTemporaryFile(_IN_MEMORY_BYTES))
        for each in entries:
            spool.write(shape(each).model_dump_json(by_alias=True).encode() + b"\n")
        spool.write(shape_of_checkpoint(checkpoint).model_dump_json(by_alias=True).encode() + b"\n")
        stack.pop_all()
        return _chunks(spool)


def table(entries: Iterable[audit.Entry]) -> Iterator[bytes]:
    """Comma-separated values (RFC 4180), oldest first. Without the hashes' links: it is to be read, not verified."""
    with ExitStack() as stack:
        spool = stack.enter_context(SpooledTemporaryFile(_IN_MEMORY_BYTES))
        text = TextIOWrapper(spool, encoding="utf-8", newline="")
        rows = csv.writer(text)
        rows.writerow(_COLUMNS)
        for each in entries:
            fields = shape(each).model_dump(mode="json")
            rows.writerow([_inert(fields[name]) for name in _COLUMNS])
        text.detach()
        stack.pop_all()
        return _chunks(spool)


def shape(entry: audit.Entry) -> wire.AuditEntry:
    record = entry.record
    return wire.AuditEntry(
        chain=entry.chain,
        sequence=entry.sequence,
        at=record.at,
        actor_kind=record.actor_kind,
        actor_id=record.actor_id,
        user_id=record.user_id,
        address=record.address,
        action=record.action,
        outcome=record.outcome.value,
        code=record.code,
        project_id=record.project_id,
        subject=record.subject,
        detail=record.detail,
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


def shape_of_checkpoint(signed: SignedCheckpoint) -> wire.SignedCheckpoint:
    return wire.SignedCheckpoint(
        chain=signed.checkpoint.chain,
        sequence=signed.checkpoint.sequence,
        hash=signed.checkpoint.hash,
        at=signed.at,
        public_key=signed.public_key_pem,
        signature=signed.signature,
    )


def _inert(value: object) -> object:
    """Aliases and reasons come from strangers: a spreadsheet must not run one as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _chunks(spool: IO[bytes]) -> Iterator[bytes]:
    spool.seek(0)
    with spool:
        while chunk := spool.read(_CHUNK_BYTES):
            yield chunk

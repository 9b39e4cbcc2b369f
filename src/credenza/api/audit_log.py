"""The audit log over HTTP: the newest entries, the whole chain as JSON lines, the signed head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated

from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse

from credenza.actions import audit_log
from credenza.api import paging
from credenza.api.asked import Caller, OrganizationPath
from credenza.domain import audit
from credenza.domain.model import OrganizationId, ProjectId
from credenza.wire import audit as wire
from credenza.wire.shape import Uuid

_USUAL_PAGE = 100
_IN_MEMORY_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024


def latest(
    asked: Caller,
    organization_id: OrganizationPath,
    request: Request,
    response: Response,
    project_id: Annotated[Uuid | None, Query(alias="projectId")] = None,
    limit: paging.Limit = _USUAL_PAGE,
    cursor: Annotated[int | None, Query(ge=1, le=2**53, description="Go on below this sequence number.")] = None,
) -> Sequence[wire.AuditEntry]:
    """List entries, the newest first."""
    found = audit_log.latest(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        project_id=None if project_id is None else ProjectId(project_id),
        before=cursor,
        limit=limit + 1,
        now=asked.now,
    )
    shown = paging.page(request, response, found, limit, lambda entry: str(entry.sequence))
    return [_entry(each) for each in shown]


def export(asked: Caller, organization_id: OrganizationPath) -> StreamingResponse:
    """Read the whole chain, oldest first, one JSON object a line; the last line is the signed checkpoint."""
    chain = OrganizationId(organization_id)
    with audit_log.export(asked.platform, asked.actor, chain, now=asked.now) as (entries, checkpoint):
        spool = _spooled(entries, checkpoint)
    return StreamingResponse(_chunks(spool), media_type="application/jsonl")


def head(asked: Caller, organization_id: OrganizationPath) -> wire.SignedCheckpoint:
    """Read the signed head of the chain: kept elsewhere, it shows later that nothing was altered or cut off."""
    chain = OrganizationId(organization_id)
    with audit_log.export(asked.platform, asked.actor, chain, now=asked.now) as (_, checkpoint):
        return _checkpoint(checkpoint)


def _spooled(entries: Iterable[audit.Entry], checkpoint: audit_log.SignedCheckpoint) -> IO[bytes]:
    """Write the lines to a file of their own: a slow reader must hold neither a transaction nor the chain in memory."""
    with ExitStack() as stack:
        spool = stack.enter_context(SpooledTemporaryFile(_IN_MEMORY_BYTES))
        for entry in entries:
            spool.write(_entry(entry).model_dump_json(by_alias=True).encode() + b"\n")
        spool.write(_checkpoint(checkpoint).model_dump_json(by_alias=True).encode() + b"\n")
        spool.seek(0)
        stack.pop_all()  # from here on `_chunks` closes it
        return spool


def _chunks(spool: IO[bytes]) -> Iterator[bytes]:
    with spool:
        while chunk := spool.read(_CHUNK_BYTES):
            yield chunk


def _entry(entry: audit.Entry) -> wire.AuditEntry:
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


def _checkpoint(signed: audit_log.SignedCheckpoint) -> wire.SignedCheckpoint:
    return wire.SignedCheckpoint(
        chain=signed.checkpoint.chain,
        sequence=signed.checkpoint.sequence,
        hash=signed.checkpoint.hash,
        at=signed.at,
        public_key=signed.public_key_pem,
        signature=signed.signature,
    )

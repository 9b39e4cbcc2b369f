"""The audit log over HTTP: the newest entries, the whole chain as JSON lines, the signed head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import AwareDatetime
from starlette.responses import StreamingResponse

from credenza.actions import audit_files, audit_log
from credenza.api import paging
from credenza.api.asked import Caller, OrganizationPath
from credenza.domain import audit
from credenza.domain.model import OrganizationId
from credenza.wire import audit as wire
from credenza.wire.shape import Uuid

_USUAL_PAGE = 100


def latest(
    asked: Caller,
    organization_id: OrganizationPath,
    request: Request,
    response: Response,
    project_id: Annotated[Uuid | None, Query(alias="projectId")] = None,
    user_id: Annotated[Uuid | None, Query(alias="userId")] = None,
    action: Annotated[str, Query(max_length=48, description="Such as key.revoke")] = "",
    outcome: audit.Outcome | None = None,
    since: AwareDatetime | None = None,
    until: Annotated[AwareDatetime | None, Query(description="Entries before this time.")] = None,
    limit: paging.Limit = _USUAL_PAGE,
    cursor: Annotated[int | None, Query(ge=1, le=2**53, description="Go on below this sequence number.")] = None,
) -> Sequence[wire.AuditEntry]:
    """List entries, the newest first."""
    found = audit_log.latest(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        audit.Wanted(action, outcome, user_id or "", project_id or "", since, until),
        before=cursor,
        limit=limit + 1,
        now=asked.now,
    )
    shown = paging.page(request, response, found, limit, lambda entry: str(entry.sequence))
    return [audit_files.shape(each) for each in shown]


def export(asked: Caller, organization_id: OrganizationPath) -> StreamingResponse:
    """Read the whole chain, oldest first, one JSON object a line; the last line is the signed checkpoint."""
    chain = OrganizationId(organization_id)
    with audit_log.export(asked.platform, asked.actor, chain, now=asked.now) as (entries, checkpoint):
        lines = audit_files.json_lines(entries, checkpoint)
    return StreamingResponse(lines, media_type="application/jsonl")


def head(asked: Caller, organization_id: OrganizationPath) -> wire.SignedCheckpoint:
    """Read the signed head of the chain: kept elsewhere, it shows later that nothing was altered or cut off."""
    chain = OrganizationId(organization_id)
    with audit_log.export(asked.platform, asked.actor, chain, now=asked.now) as (_, checkpoint):
        return audit_files.shape_of_checkpoint(checkpoint)

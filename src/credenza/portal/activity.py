"""The audit log: who did what, narrowed and paged; taken away as a file; proven unbroken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse

from credenza.actions import audit_files, audit_log, people, permissions, projects_in_sight
from credenza.domain import audit
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import OrganizationId
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_PAGE = 50
_NAMES = ("actor", "action", "outcome", "project", "since", "until")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for, word for word, and what that means."""

    fields: dict[str, str]
    wanted: audit.Wanted

    @property
    def query(self) -> str:
        return urlencode({name: value for name, value in self.fields.items() if value})


def show(visit: Visit) -> Response:
    organization_id, asked = _organization(visit), _asked(visit)
    platform, actor, now = visit.portal.platform, visit.actor, visit.now
    if Action.AUDIT_VIEW not in permissions.in_organization(platform, actor, organization_id, now=now):
        return render(visit, "activity_closed.html", section="activity", organization_id=organization_id, status=403)
    before = _before(visit)
    found = audit_log.latest(platform, actor, organization_id, asked.wanted, before=before, limit=_PAGE + 1, now=now)
    shown = found[:_PAGE]
    known = projects_in_sight.list_all(platform, actor, organization_id, now=now)
    return render(
        visit,
        "activity.html",
        section="activity",
        organization_id=organization_id,
        asked=asked,
        found=shown,
        following=shown[-1].sequence if len(found) > _PAGE else 0,
        first_page=before is None,
        names={each.id: each for each in audit_log.actors(platform, actor, organization_id, shown, now=now)},
        people=people.list_members(platform, actor, organization_id, now=now),
        projects={each.project.id: each.project.name for each in known},
        actions=sorted(Action),
        outcomes=tuple(audit.Outcome),
    )


def check(visit: Visit) -> Response:
    """Walk the whole chain and say what that has shown."""
    organization_id = _organization(visit)
    verdict, signed = audit_log.check(visit.portal.platform, visit.actor, organization_id, now=visit.now)
    return render(
        visit, "chain.html", section="activity", organization_id=organization_id, verdict=verdict, signed=signed
    )


def export_lines(visit: Visit) -> Response:
    organization_id = _organization(visit)
    with audit_log.export(visit.portal.platform, visit.actor, organization_id, now=visit.now) as (entries, checkpoint):
        lines = audit_files.json_lines(entries, checkpoint)
    return _file(lines, "application/jsonl", f"audit-{visit.now:%Y-%m-%d}.jsonl")


def export_table(visit: Visit) -> Response:
    organization_id = _organization(visit)
    with audit_log.export(visit.portal.platform, visit.actor, organization_id, now=visit.now) as (entries, _):
        rows = audit_files.table(entries)
    return _file(rows, "text/csv; charset=utf-8", f"audit-{visit.now:%Y-%m-%d}.csv")


def export_checkpoint(visit: Visit) -> Response:
    organization_id = _organization(visit)
    with audit_log.export(visit.portal.platform, visit.actor, organization_id, now=visit.now) as (_, checkpoint):
        shape = audit_files.shape_of_checkpoint(checkpoint)
    text = json.dumps(shape.model_dump(mode="json", by_alias=True), indent=2) + "\n"
    return _file(iter((text.encode(),)), "application/json", f"checkpoint-{shape.sequence}.json")


def _organization(visit: Visit) -> OrganizationId:
    return OrganizationId(visit.path("organization_id"))


def _asked(visit: Visit) -> Asked:
    fields = {name: visit.query(name) for name in _NAMES}
    outcome = fields["outcome"]
    wanted = audit.Wanted(
        action=fields["action"],
        outcome=audit.Outcome(outcome) if outcome in set(audit.Outcome) else None,
        user_id=fields["actor"],
        project_id=fields["project"],
        since=_day(fields["since"], "since"),
        until=_after(_day(fields["until"], "until")),
    )
    return Asked(fields, wanted)


def _day(text: str, field: str) -> datetime | None:
    """Read a day as the browser's date field sends it; days are UTC's."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(Code.INVALID, "A day is written as 2026-11-21.", field=field) from None


def _after(day: datetime | None) -> datetime | None:
    return None if day is None else day + timedelta(days=1)


def _before(visit: Visit) -> int | None:
    text = visit.query("before")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def _file(content: Iterator[bytes], media_type: str, name: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(content, media_type=media_type, headers=headers)

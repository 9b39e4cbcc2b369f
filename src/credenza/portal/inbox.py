"""A person's inbox: notices that keys of theirs end."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import inbox
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_PAGE = 50


def show(visit: Visit) -> Response:
    found = inbox.list_own(
        visit.portal.platform, visit.actor, before=visit.query("before") or None, limit=_PAGE + 1, now=visit.now
    )
    return render(
        visit,
        "inbox.html",
        found=found[:_PAGE],
        following=found[_PAGE - 1].notice.id if len(found) > _PAGE else "",
    )


def mark_read(visit: Visit) -> Response:
    inbox.mark_read(visit.portal.platform, visit.actor, [visit.path("notice_id")], now=visit.now)
    return visit.go("/inbox")


def mark_all_read(visit: Visit) -> Response:
    inbox.mark_all_read(visit.portal.platform, visit.actor, now=visit.now)
    return visit.go("/inbox")

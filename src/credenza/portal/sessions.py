"""Where the user is signed in, and ending what should not be."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import sessions
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_LIST = "/account/sessions"


def show_list(visit: Visit) -> Response:
    found = sessions.list_own(visit.portal.platform, visit.actor, now=visit.now)
    return render(visit, "sessions.html", sessions=found)


def end(visit: Visit) -> Response:
    sessions.end(visit.portal.platform, visit.actor, visit.path("session_id"), now=visit.now)
    return visit.go(_LIST)


def end_others(visit: Visit) -> Response:
    sessions.end_others(visit.portal.platform, visit.actor, now=visit.now)
    return visit.go(_LIST)

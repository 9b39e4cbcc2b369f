"""Sign in and out."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import sessions
from credenza.portal import cookies
from credenza.portal.rendering import render
from credenza.portal.visit import SIGN_IN, Visit, local_path


def show(visit: Visit) -> Response:
    if visit.signed_in is not None:
        return visit.go(local_path(visit.query("next")))
    return render(visit, "sign_in.html", problem="", next=local_path(visit.query("next")))


def sign_out(visit: Visit) -> Response:
    sessions.end(visit.portal.platform, visit.actor, visit.session.id, now=visit.now)
    response = visit.go(SIGN_IN)
    cookies.drop_token(visit.portal, response)
    return response

"""What a person sees where a program would read an error document: a page that says what is the case and what to do.

It is made without the database, which may be the reason for it.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from credenza.portal.portal import Portal
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_PROGRAMS = ("/api/", "/developer/", "/pki/", "/metrics", "/health", "/openapi.json")


def pages(portal: Portal) -> Callable[[Scope, Response], Response]:
    """Make the function that puts a page in the place of an error document, for browsers alone."""

    def shown(scope: Scope, response: Response) -> Response:
        request = Request(scope)
        if scope["path"].startswith(_PROGRAMS) or "text/html" not in request.headers.get("accept", ""):
            return response
        page = render(
            Visit(portal, request, portal.clock(), None, {}, {}),
            "unserved.html",
            status=response.status_code,
            reason=HTTPStatus(response.status_code),
        )
        for name in ("retry-after", "allow"):
            if name in response.headers:
                page.headers[name] = response.headers[name]
        return page

    return shown

"""Parts of pages that live: a stream of server-sent events renders a part again and again and sends it when it changed.

A stream is no sign of life of its session: it ends with the session, and does not keep it. What a page shows first, its
stream sends first, so that nothing is missed in between.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from credenza.domain.errors import Refusal
from credenza.portal.portal import Portal
from credenza.portal.rendering import render
from credenza.portal.streams import Full
from credenza.portal.visit import Page, Visit, revisit

log = structlog.get_logger()

LOOK_EVERY = timedelta(seconds=2)
LOOK_SELDOM = timedelta(seconds=5)
"""After a minute without a change: a look takes some 15 ms of a core, and tabs stay open for hours."""

_LOOKS_UNTIL_SELDOM = 30
_LOOKS_WHILE_QUIET = 8
"""After so many without a change a comment goes out: proxies end connections that say nothing."""

_AT_A_TIME = 4
"""Looks under way in all of a process: streams must leave threads to those who click."""

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_LATER = {"Retry-After": "10"}


def route(portal: Portal, path: str, part: Page) -> Route:
    """Make the framework's route of a stream; `part` renders what it sends."""
    looks = CapacityLimiter(_AT_A_TIME)

    async def endpoint(request: Request) -> Response:
        visit = await to_thread.run_sync(revisit, portal, request, limiter=looks)
        if visit.signed_in is None:
            return Response(status_code=401)
        try:
            portal.streams.check(visit.session.id)
        except Full:
            return Response(status_code=503, headers=_LATER)
        events = _events(portal, request, part, visit.session.id, looks)
        return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)

    endpoint.__name__ = part.__name__
    return Route(path, endpoint, methods=["GET"])


async def _events(
    portal: Portal, request: Request, part: Page, session_id: str, looks: CapacityLimiter
) -> AsyncIterator[bytes]:
    with suppress(Full), portal.streams.place(session_id):
        shown, quiet = "", 0
        while True:
            try:
                look = await to_thread.run_sync(_look, portal, request, part, limiter=looks)
            except Exception:  # half an answer is out; the browser comes back by itself
                log.exception("portal.stream_broken", part=part.__name__)
                return
            if look is None:
                yield _ended()
                return
            quiet = 0 if look != shown else quiet + 1
            if look != shown:
                yield _message(look)
            elif quiet % _LOOKS_WHILE_QUIET == 0:
                yield b": still here\n\n"
            shown = look
            if not await portal.streams.pause(LOOK_EVERY if quiet < _LOOKS_UNTIL_SELDOM else LOOK_SELDOM):
                return


def _look(portal: Portal, request: Request, part: Page) -> str | None:
    """Render the part as it is now; None when nobody may see it any more."""
    visit = revisit(portal, request)
    if visit.signed_in is None:
        return None
    try:
        return _text(part(visit))
    except Refusal as refusal:
        return _text(_refused(visit, refusal))


def _refused(visit: Visit, refusal: Refusal) -> Response:
    return render(visit, "parts/live_refused.html", refusal=refusal)


def _text(response: Response) -> str:
    return bytes(response.body).decode()


def _message(text: str) -> bytes:
    # WHATWG HTML 9.2.6: a line of data for each line of text, and an empty line at the end.
    return "".join(f"data: {line}\n" for line in text.splitlines() if line.strip()).encode() + b"\n"


def _ended() -> bytes:
    return b"event: ended\ndata: signed out\n\n"

"""One request of the portal, from the browser to a page and back.

A page is a function from a `Visit` to a response, run in a thread. Around it: who is signed in, whether a form really
came from one of our pages, and what is shown when an action refuses. Signed-in pages cannot forget any of it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from urllib.parse import quote, urlsplit

from anyio import to_thread
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from credenza.actions import sessions
from credenza.actions.sessions import Visitor
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, Session, User
from credenza.portal import cookies
from credenza.portal.portal import Portal

SIGN_IN = "/sign-in"
CONFIRM = "/confirm"
CSRF_HEADER = "X-CSRF-Token"
_LARGEST_FILE_BYTES = 128 * 1024
_MOST_FIELDS = 12_000
"""The scope of an API credential is a box for each workspace: ten APIs may have as many as they take."""
_SAFE = frozenset({"GET", "HEAD"})
_UNREADABLE = Refusal(
    Code.INVALID,
    "Nothing was changed: the form has more than 12,000 fields, more than four files or a file of more than 128 kB, or "
    "is damaged. If you ticked very many workspaces, choose fewer, and make another credential for the others.",
)


class Access(StrEnum):
    """Who may open a page."""

    OPEN = "open"
    SIGNED_IN = "signed in"


@dataclass(frozen=True, slots=True)
class Visit:
    """What a page gets. `fields` are the form's texts, `files` the contents of its uploads; empty for a GET."""

    portal: Portal
    request: Request
    now: datetime
    signed_in: Session | None
    fields: Mapping[str, str]
    files: Mapping[str, bytes]

    @property
    def session(self) -> Session:
        if self.signed_in is None:
            raise Refusal(Code.UNAUTHENTICATED, "Sign in first.")
        return self.signed_in

    @property
    def user(self) -> User:
        return self.session.user

    @property
    def actor(self) -> Actor:
        return sessions.actor_of(self.session, address=self.visitor.address, now=self.now)

    @property
    def visitor(self) -> Visitor:
        client = self.request.client
        return Visitor(client.host if client else "", self.request.headers.get("user-agent", ""))

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks for a part of a page, not for a whole one."""
        return self.request.headers.get("HX-Request-Type") == "partial"

    @property
    def csrf(self) -> str:
        """What a form of this session carries: only our own pages can know it."""
        key = self.portal.platform.pepper
        return hmac.new(key, b"csrf\n" + self.session.id.encode(), hashlib.sha256).hexdigest()

    def path(self, name: str) -> str:
        """Read a parameter of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        return self.request.query_params.get(name, default)[:500]

    def ask_for_proof(self) -> None:
        """Ask now for what the form would be asked for when it is sent: that the sign-in is recent."""
        if not self.actor.fresh:
            raise Refusal(Code.PROOF_NEEDED, "Confirm first that it is you.")

    def go(self, url: str) -> Response:
        """Send the browser on: 303, so that what was a POST is not repeated (RFC 9700 4.12)."""
        if self.is_fragment:
            return Response(headers={"HX-Redirect": url})
        return RedirectResponse(url, 303)


Page: TypeAlias = Callable[[Visit], Response]
Refused: TypeAlias = Callable[[Visit, Refusal], Response]


def route(portal: Portal, method: str, path: str, page: Page, refused: Refused, access: Access) -> Route:
    """Make the framework's route of a page; `refused` shows a refusal that the page does not show itself."""

    async def endpoint(request: Request) -> Response:
        try:
            fields, files = await _read_form(request) if method not in _SAFE else ({}, {})
        except HTTPException:
            return await to_thread.run_sync(_refuse_form, request)
        return await to_thread.run_sync(_serve, request, fields, files)

    def _refuse_form(request: Request) -> Response:
        return refused(_arrive(portal, request, {}, {}), _UNREADABLE)

    def _serve(request: Request, fields: Mapping[str, str], files: Mapping[str, bytes]) -> Response:
        visit = _arrive(portal, request, fields, files)
        try:
            if access is Access.SIGNED_IN and visit.signed_in is None:
                return visit.go(_with_next(visit, SIGN_IN))
            if method not in _SAFE:
                _check_origin(visit)
            return page(visit)
        except Refusal as refusal:
            if refusal.code is Code.PROOF_NEEDED:
                return visit.go(_with_next(visit, CONFIRM))
            return refused(visit, refusal)

    return Route(path, _named(endpoint, page), methods=[method])


def local_path(url: str, default: str = "/") -> str:
    """Keep a way back inside the portal: never to another origin (RFC 9700 4.11)."""
    parts = urlsplit(url)
    inside = url.startswith("/") and not url.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return url if inside and url.isprintable() and "\\" not in url else default


def revisit(portal: Portal, request: Request) -> Visit:
    """Make the visit of a stream anew, at a later moment. Streams are no sign of life of their session."""
    now = portal.clock()
    token = cookies.read_token(portal, request)
    return Visit(portal, request, now, sessions.peek(portal.platform, token, now=now) if token else None, {}, {})


def _arrive(portal: Portal, request: Request, fields: Mapping[str, str], files: Mapping[str, bytes]) -> Visit:
    now = portal.clock()
    token = cookies.read_token(portal, request)
    session = sessions.find(portal.platform, token, now=now) if token else None
    return Visit(portal, request, now, session, fields, files)


def _check_origin(visit: Visit) -> None:
    """Refuse a form that another site sent, or that does not carry the session's token."""
    if not _from_here(visit.portal, visit.request):
        raise Refusal(Code.FORBIDDEN, "This form was sent from another site. Nothing was changed.")
    if visit.signed_in is None:
        return
    sent = visit.fields.get("csrf") or visit.request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), visit.csrf.encode()):
        raise Refusal(
            Code.FORBIDDEN, "This form is from an earlier sign-in. Nothing was changed: reload the page and try again."
        )


def _from_here(portal: Portal, request: Request) -> bool:
    """Believe what only browsers set; a client without either header is no browser and has no cookies to abuse."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return True
    return urlsplit(origin).netloc in (request.headers.get("host", ""), urlsplit(portal.platform.public_url).netloc)


def _with_next(visit: Visit, target: str) -> str:
    """Come back to the page that was asked for, also when it was for a dialog: every one is a page as well. Come back
    to the page a form stood on when it was a form."""
    if visit.request.method in _SAFE:
        back = visit.request.url.path + (f"?{visit.request.url.query}" if visit.request.url.query else "")
    else:
        came_from = urlsplit(visit.request.headers.get("hx-current-url") or visit.request.headers.get("referer", ""))
        back = came_from.path + (f"?{came_from.query}" if came_from.query else "")
    return f"{target}?next={quote(local_path(back), safe='')}"


async def _read_form(request: Request) -> tuple[Mapping[str, str], Mapping[str, bytes]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return {}, {}
    async with request.form(max_files=4, max_fields=_MOST_FIELDS, max_part_size=_LARGEST_FILE_BYTES) as sent:
        return await _texts_and_files(sent)


async def _texts_and_files(sent: FormData) -> tuple[Mapping[str, str], Mapping[str, bytes]]:
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for name, value in sent.multi_items():
        if isinstance(value, UploadFile):
            files[name] = await value.read(_LARGEST_FILE_BYTES + 1)
        else:
            fields[name] = value
    return fields, files


def _named(endpoint: Callable[[Request], Awaitable[Response]], page: Page) -> Callable[[Request], Awaitable[Response]]:
    endpoint.__name__ = page.__name__
    return endpoint

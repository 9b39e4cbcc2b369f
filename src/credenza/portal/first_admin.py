"""The page behind the one-time link that the first start prints: it makes the first admin and shows the first token.

Server-rendered, no script. The link's token goes from the address into the form's body; nothing is loaded from another
origin, and no referrer is sent, so it does not leave this page. Looking at the page does not use the link up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from anyio import to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from credenza.actions import first_admin
from credenza.actions.context import Platform
from credenza.actions.first_admin import FirstAdmin
from credenza.domain.errors import Code, Refusal

PATH = "/first-admin"
_STYLE_PATH = "/first-admin.css"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_LONGEST = {"token": 64, "email": 254, "name": 120, "organization": 120}
_STATUS = {Code.UNAUTHENTICATED: 403, Code.DUPLICATE_NAME: 409}

_templates = Environment(
    loader=PackageLoader("credenza.portal", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Filled:
    """The form as it was sent; empty fields before it was."""

    token: str = ""
    email: str = ""
    name: str = ""
    organization: str = ""


def routes(platform: Platform, *, public_url: str, clock: Callable[[], datetime]) -> tuple[BaseRoute, ...]:
    """`public_url` is where this server is reached; the command that the page shows names it."""

    def show(request: Request) -> Response:
        return _form(Filled(token=request.query_params.get("token", "")))

    async def accept(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=len(_LONGEST)) as sent:
            filled = _read(sent)
        address = request.client.host if request.client else ""
        return await to_thread.run_sync(_accept, platform, filled, public_url, address, clock())

    return (
        Route(PATH, show, methods=["GET"]),
        Route(PATH, accept, methods=["POST"]),
        Route(_STYLE_PATH, _style, methods=["GET"]),
    )


def _accept(platform: Platform, filled: Filled, public_url: str, address: str, now: datetime) -> Response:
    problem = _problem(filled)
    if problem:
        return _form(filled, problem, status=400)
    try:
        made = first_admin.accept(
            platform,
            filled.token,
            email=filled.email,
            name=filled.name,
            organization=filled.organization,
            address=address,
            now=now,
        )
    except Refusal as refusal:
        return _form(filled, refusal.message, status=_STATUS.get(refusal.code, 400))
    return _done(made, public_url)


def _read(sent: FormData) -> Filled:
    fields = {name: value for name in _LONGEST if isinstance(value := sent.get(name, ""), str)}
    return Filled(**fields)


def _problem(filled: Filled) -> str:
    """Name the first field that cannot be taken, or nothing."""
    for field, longest in _LONGEST.items():
        value: str = getattr(filled, field)
        if not value.strip() or len(value) > longest or not value.isprintable():
            return f"Please give the {field}: 1 to {longest} characters."
    return ""


def _form(filled: Filled, problem: str = "", *, status: int = 200) -> Response:
    page = _templates.get_template("first_admin.html").render(filled=filled, problem=problem)
    return HTMLResponse(page, status, _HEADERS)


def _done(made: FirstAdmin, public_url: str) -> Response:
    page = _templates.get_template("first_admin_done.html").render(made=made, public_url=public_url)
    return HTMLResponse(page, headers=_HEADERS)


def _style(_request: Request) -> Response:
    css = files("credenza.portal").joinpath("static", "first-admin.css").read_text(encoding="utf-8")
    return Response(css, headers={"Cache-Control": "public, max-age=3600"}, media_type="text/css")

"""What browsers load besides pages: style, script and pictures, all from here.

Their address carries a hash over all of them: an unchanged one is never asked for again, and modules that import each
other always come from one release.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOREVER = "public, max-age=31536000, immutable"
_VERSION_DIGITS = 12


@dataclass(frozen=True, slots=True)
class StaticFile:
    media_type: str
    content: bytes
    zipped: bytes


def url(name: str) -> str:
    if name not in known():
        raise LookupError(f"there is no static file {name}")
    return f"/static/{_version()}/{name}"


def routes() -> tuple[Route, ...]:
    return (Route("/static/{version}/{name:path}", _serve, methods=["GET"]),)


@cache
def known() -> dict[str, StaticFile]:
    """Read them all, once a process."""
    return dict(sorted(_read(files("credenza.portal").joinpath("static"), "")))


def _read(folder: Traversable, prefix: str) -> list[tuple[str, StaticFile]]:
    found: list[tuple[str, StaticFile]] = []
    for each in folder.iterdir():
        name = f"{prefix}{each.name}"
        ending = name[name.rfind(".") :]
        if each.is_dir():
            found += _read(each, f"{name}/")
        elif ending in _MEDIA_TYPES:
            content = each.read_bytes()
            found.append((name, StaticFile(_MEDIA_TYPES[ending], content, gzip.compress(content, mtime=0))))
    return found


@cache
def _version() -> str:
    seen = hashlib.sha256()
    for name, each in known().items():
        seen.update(name.encode() + b"\0" + hashlib.sha256(each.content).digest())
    return seen.hexdigest()[:_VERSION_DIGITS]


async def _serve(request: Request) -> Response:
    found = known().get(request.path_params["name"])
    if found is None:
        return PlainTextResponse("There is no such file.", 404)
    lasting = _FOREVER if request.path_params["version"] == _version() else "no-cache"
    headers = {"Cache-Control": lasting, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.zipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=found.media_type)
    return Response(found.content, headers=headers, media_type=found.media_type)

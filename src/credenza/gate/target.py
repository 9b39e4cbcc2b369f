"""Request targets that mean different things to different programs (security.md, threat 14).

A call is verified and routed on the bytes of its target, and the same bytes go to the upstream. What the upstream makes
of escapes, double slashes, backslashes and path parameters is its own affair, as long as it cannot arrive where another
route leads: a caller who may use one API would else reach its neighbour.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from credenza.domain.model import EnvironmentName
from credenza.gate.keyring import RouteTable
from credenza.protocol.errors import Malformed
from credenza.protocol.oauth1 import Request
from credenza.store.lookup import Route

RESERVED = ("/oauth", "/sso", "/.well-known")
"""Credenza's own places at the origin of an environment (settled 1); no route leads there."""

# On a path without escapes. `..;x` is one too: some servers strip path parameters before they resolve dot segments.
_DOT_SEGMENT = re.compile(r"[/\\]\.\.?(?:[/\\;?#\0]|$)")
# Where a path ends for programs that take it apart after unescaping it, or keep it as a string of C.
_END = re.compile(r"[?#\0]")
_TOKEN_PARAMETER = re.compile(rb"(?:^|&)access_token=")
# Proxies that unescape before they pass on stand in rows, but not in longer ones.
_UNESCAPED_AT_MOST = 3


def route(routes: RouteTable, environment: EnvironmentName, path: str) -> Route | None:
    """Find where a path leads. Raises Malformed when programs may disagree about that."""
    found = _find(routes, environment, path)
    if _is_plain(path):
        return found
    # RFC 3986 5.2.4: clients resolve dot segments before they send. Whoever sends some wants two programs to disagree.
    unescaped = _unescaped(path)
    if _DOT_SEGMENT.search(unescaped) is not None:
        raise Malformed("target", "The path has the segment . or ..: resolve it before you sign.")
    if _find(routes, environment, _plain(unescaped)) is not found:
        raise Malformed("target", "The path can be read in two ways that lead to different APIs: spell it plainly.")
    return found


def has_token(request: Request) -> bool:
    """RFC 6750 2: a token is sent in one way. What the upstream might take for one is not passed on beside ours."""
    if "access_token=" not in request.query and not request.form:
        return False  # nearly always, and at a tenth of the price
    sent = request.query.encode("ascii"), request.form or b""
    return any(_TOKEN_PARAMETER.search(each) is not None for each in sent)


def _is_plain(path: str) -> bool:
    """Whether every program reads the path alike. Nearly every call asks, and a regular expression takes ten times."""
    return not ("%" in path or "//" in path or "/." in path or ";" in path or "\\" in path)


def _find(routes: RouteTable, environment: EnvironmentName, path: str) -> Route | None:
    if path.startswith(RESERVED) and any(path == place or path.startswith(f"{place}/") for place in RESERVED):
        return None
    return routes.find(environment, path)


def _unescaped(path: str) -> str:
    for _ in range(_UNESCAPED_AT_MOST):
        path = unquote(path)
    return path


def _plain(unescaped: str) -> str:
    """Spell a path as the most liberal server reads it: cut at its end, without parameters, slashes merged."""
    segments = _END.split(unescaped, maxsplit=1)[0].replace("\\", "/").split("/")
    return "/" + "/".join(filter(None, (segment.partition(";")[0] for segment in segments)))

"""Which of a service's routes a call takes: templates, and a tree of their segments that is walked once per call.

The same bytes go to the upstream, which may read them more liberally than we do. So a path is read one way only, and
whatever could be read in another is `Unclear`, also where calls without a route are admitted: a permission would else
be evaded by another spelling of its path. Escapes of unreserved characters are the characters themselves (RFC 3986
6.2.2.2) and are read once; all others stay as they are.

The most specific template wins, segment by segment: a literal stands above a variable. The path is found first and the
method after it: `PUT /users/me` never takes the route `PUT /users/{id}` while any route is about `/users/me`, and is no
unmapped call either. HEAD is GET, unless a route names it. A slash at the end counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from credenza.domain.catalog import OTHER_METHOD, UNMAPPED, Match, Matched, RouteRule, Unclear

# RFC 3986 3.3 pchar, but no semicolon: some servers take what follows it away, and some do not.
_CLEAR = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,=:@%/-]*)?", re.ASCII)
# What no segment may hold escaped: controls, / \ ? # ; whatever is escaped twice, overlong UTF-8, and half an escape.
_UNCLEAR_ESCAPE = re.compile(
    r"%(?:[01][0-9A-F]|7F|2F|5C|3F|23|3B|25[0-9A-F]{2}|C[01]|E0%[89]|F0%8|F[5-9A-F]|(?![0-9A-F]{2}))", re.IGNORECASE
)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

_CHARACTERS = Unclear("The path holds characters that programs read differently: ; \\ or what a path has no room for.")
_ESCAPES = Unclear("The path holds an escape that programs read differently, such as %2F, or one that is no escape.")
_SEGMENTS = Unclear("The path holds an empty segment or the segment . or ..: spell it plainly.")
_SPELLING = Unclear("The path differs from a route's by escapes, a slash at its end or upper and lower case alone.")
_METHOD = Unclear("Methods are written in upper case.")


def below(path_prefix: str, raw_path: str) -> str:
    """Say what of a path lies below the prefix of the service that it was found to belong to."""
    return raw_path if path_prefix == "/" else raw_path.removeprefix(path_prefix)


def variable_of(segment: str) -> str | None:
    """Say which variable a segment of a template is, None for a literal."""
    return segment[1:-1] if segment.startswith("{") else None


class _Ready:
    """A route, with the segments that its variables are."""

    __slots__ = ("account", "rule", "variables", "workspace")

    def __init__(self, rule: RouteRule, segments: list[str]) -> None:
        names = map(variable_of, segments)
        self.rule = rule
        self.variables = {name: at for at, name in enumerate(names) if name is not None}
        self.account = self.variables.get(rule.account_variable or "")
        self.workspace = self.variables.get(rule.workspace_variable or "")

    def matched(self, segments: list[str]) -> Matched:
        return Matched(
            self.rule,
            None if self.account is None else segments[self.account],
            None if self.workspace is None else segments[self.workspace],
            {name: segments[at] for name, at in self.variables.items()},
        )


@dataclass(slots=True, eq=False)
class _Node:
    """A place in the tree of segments. `liberal` is where an upstream arrives that reads as liberally as any."""

    literals: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    routes: dict[str, _Ready] = field(default_factory=dict)
    liberal: _Node | None = None


class Matcher:
    """A service's routes, made ready once. They must have passed `catalog_rules.check`."""

    def __init__(self, routes: Iterable[RouteRule]) -> None:
        self._root, self._liberal, self._deepest = _Node(), _Node(), 0
        for rule in routes:
            segments = rule.path.split("/")[1:]
            self._deepest = max(self._deepest, len(segments))
            node, liberal = _grow(self._root, segments), _grow(self._liberal, _liberally(segments))
            node.liberal = liberal
            node.routes[rule.method] = liberal.routes[rule.method] = _Ready(rule, segments)

    def match(self, method: str, path: str) -> Match:
        """Find the route of a call; `path` is what lies below the service's prefix, as it was sent."""
        if _CLEAR.fullmatch(path) is None:
            return _CHARACTERS
        if "%" in path and _UNCLEAR_ESCAPE.search(path) is not None:
            return _ESCAPES
        segments = _segments(path)
        if not _are_plain(segments):
            return _SEGMENTS
        if not method.isupper():
            return _METHOD
        return self._find(method, segments)

    def _find(self, method: str, segments: list[str]) -> Match:
        # One more than the deepest: a slash too many at the end is a matter of spelling.
        if len(segments) > self._deepest + 1:
            return UNMAPPED
        node = _walk(self._root, segments, 0)
        if _walk(self._liberal, _liberally(segments), 0) is not (None if node is None else node.liberal):
            return _SPELLING  # an upstream that ignores case or a last slash would take another route, or one at all
        if node is None:
            return UNMAPPED
        ready = node.routes.get(method) or (node.routes.get("GET") if method == "HEAD" else None)
        return OTHER_METHOD if ready is None else ready.matched(segments)


def _walk(node: _Node, segments: list[str], at: int) -> _Node | None:
    """Follow the segments to a template's end. Every node is met once at most, so no path takes longer than the
    catalog is large."""
    if at == len(segments):
        return node if node.routes else None
    segment = segments[at]
    literal = node.literals.get(segment)
    found = None if literal is None else _walk(literal, segments, at + 1)
    if found is None and node.variable is not None and segment:
        return _walk(node.variable, segments, at + 1)
    return found


def _grow(node: _Node, segments: list[str]) -> _Node:
    for segment in segments:
        if variable_of(segment) is None:
            node = node.literals.setdefault(segment, _Node())
        else:
            node.variable = node.variable or _Node()
            node = node.variable
    return node


def _liberally(segments: list[str]) -> list[str]:
    """Spell segments as the most liberal upstream reads them: unescaped, without case and a slash at the end."""
    kept = segments[:-1] if segments[-1] == "" else segments
    return [unquote(segment).casefold() if "%" in segment else segment.casefold() for segment in kept]


def _segments(path: str) -> list[str]:
    segments = path.split("/")[1:] or [""]
    if "%" in path:
        return [_ESCAPE.sub(_unescaped, segment) for segment in segments]
    return segments


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def _are_plain(segments: list[str]) -> bool:
    return "." not in segments and ".." not in segments and "" not in segments[:-1]

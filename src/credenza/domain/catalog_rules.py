"""What may be written into a catalog entry. `check` is the one door: everything else trusts what passed it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from credenza.domain.catalog import CatalogEntry, RouteRule, ScopeLevel
from credenza.domain.catalog_paths import variable_of
from credenza.domain.errors import Code, Refusal

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MOST_PERMISSIONS = 50
MOST_ROUTES = 500
LONGEST_PATH = 300
LONGEST_DESCRIPTION = 200
LONGEST_AUDIENCE = 200
SHORTEST_TOKEN_LIFE_S = 60
LONGEST_TOKEN_LIFE_S = 28_800
MOST_CALLS_PER_MINUTE = 1_000_000

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
_VARIABLE = re.compile(r"\{[A-Za-z][A-Za-z0-9_]{0,39}\}", re.ASCII)
_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@-]+", re.ASCII)
_URN = re.compile(r"urn:[a-z0-9][a-z0-9-]{0,31}:[!-~]+", re.ASCII | re.IGNORECASE)


def check(entry: CatalogEntry) -> None:
    """Refuse an entry that a gate could not decide by."""
    _check_level(entry)
    _check_audience(entry.audience)
    _check_numbers(entry)
    _check_permissions(entry)
    _check_routes(entry)


def _check_level(entry: CatalogEntry) -> None:
    if entry.scope_level is None:
        raise _invalid("A service that takes client secrets has a level at which its scope is chosen.", "scopeLevel")
    if entry.scope_level is ScopeLevel.ORGANIZATION and not entry.scope_fixed:
        raise _invalid("At the level of the organization scope is fixed: there is nothing to choose.", "scopeFixed")


def _check_audience(audience: str) -> None:
    if audience and (len(audience) > LONGEST_AUDIENCE or not (_is_https(audience) or _URN.fullmatch(audience))):
        raise _invalid(
            f"An audience is an https address without query and fragment, or a urn:, of at most {LONGEST_AUDIENCE} "
            "characters. Leave it out for the origin of the environment.",
            "audience",
        )


def _is_https(audience: str) -> bool:
    try:
        parts = urlsplit(audience)
        reachable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    plain = audience.isascii() and audience.isprintable() and " " not in audience
    return reachable and plain and parts.scheme == "https" and not (set("?#@") & set(audience))


def _check_numbers(entry: CatalogEntry) -> None:
    if not SHORTEST_TOKEN_LIFE_S <= entry.token_life_s <= LONGEST_TOKEN_LIFE_S:
        raise _invalid(
            f"A token lives between {SHORTEST_TOKEN_LIFE_S} and {LONGEST_TOKEN_LIFE_S} seconds.", "tokenLifeS"
        )
    if entry.calls_per_minute is not None and not 1 <= entry.calls_per_minute <= MOST_CALLS_PER_MINUTE:
        raise _invalid(f"A limit lies between 1 and {MOST_CALLS_PER_MINUTE} calls a minute.", "callsPerMinute")


def _check_permissions(entry: CatalogEntry) -> None:
    names = [each.name for each in entry.permissions]
    if not 1 <= len(names) <= MOST_PERMISSIONS:
        raise _invalid(f"A service offers between 1 and {MOST_PERMISSIONS} permissions.", "permissions")
    for each in entry.permissions:
        if _NAME.fullmatch(each.name) is None:
            raise _invalid(
                f"{each.name[:40]!r} names no permission: 40 small letters, digits, - and _ at most, a letter first.",
                "permissions",
            )
        if len(each.description) > LONGEST_DESCRIPTION or not each.description.isprintable():
            raise _invalid(
                f"The description of {each.name} is one line of {LONGEST_DESCRIPTION} characters at most.",
                "permissions",
            )
    if len(set(names)) != len(names):
        raise _invalid(f"Each permission may be named once: {_first_twice(names)} is named twice.", "permissions")


def _check_routes(entry: CatalogEntry) -> None:
    if len(entry.routes) > MOST_ROUTES:
        raise _invalid(f"A service has at most {MOST_ROUTES} routes.", "routes")
    known: dict[str, str] = {}
    calls = set()
    for rule in entry.routes:
        _check_template(rule)
        _check_rule(rule, entry)
        spelling = _shape(rule.path)
        if known.setdefault(spelling.casefold().rstrip("/"), spelling) != spelling:
            raise _ambiguous(rule, "differs from another route by a slash at its end or by upper and lower case alone")
        if (rule.method, spelling) in calls:
            raise _ambiguous(rule, "is what another route stands for already")
        calls.add((rule.method, spelling))


def _check_template(rule: RouteRule) -> None:
    if len(rule.path) > LONGEST_PATH or not rule.path.startswith("/"):
        raise _invalid(
            f"{rule.path[:40]!r} is no path of a route: it begins with a slash, below the path prefix, and has "
            f"{LONGEST_PATH} characters at most.",
            "routes",
        )
    segments = rule.path.split("/")[1:]
    for at, segment in enumerate(segments):
        if not _is_segment(segment) and not (segment == "" and at == len(segments) - 1):
            raise _invalid(
                f"The path {rule.path} has a segment that is neither a {{variable}} nor plain: letters, digits and "
                "- . _ ~ ! $ & ' ( ) * + , = : @",
                "routes",
            )


def _is_segment(segment: str) -> bool:
    plain = _LITERAL.fullmatch(segment) is not None and segment not in (".", "..")
    return plain or _VARIABLE.fullmatch(segment) is not None


def _check_rule(rule: RouteRule, entry: CatalogEntry) -> None:
    if rule.method not in METHODS:
        raise _invalid(f"{rule.method[:16]!r} is no method of a route: {', '.join(METHODS)}.", "routes")
    if not entry.offers(rule.permission):
        raise _invalid(
            f"{rule.method} {rule.path} needs {rule.permission[:40]!r}, which is none of the service's permissions.",
            "routes",
        )
    variables = [name for name in map(variable_of, rule.path.split("/")) if name is not None]
    if len(set(variables)) != len(variables):
        raise _invalid(f"The path {rule.path} names the variable {_first_twice(variables)} twice.", "routes")
    _check_places(rule, variables)


def _check_places(rule: RouteRule, variables: list[str]) -> None:
    named = [each for each in (rule.account_variable, rule.workspace_variable) if each is not None]
    for name in named:
        if name not in variables:
            raise _invalid(f"The path {rule.path} has no variable {{{name[:40]}}}.", "routes")
    if len(set(named)) != len(named):
        raise _invalid(f"In {rule.path} one variable cannot be both account and workspace.", "routes")


def _shape(path: str) -> str:
    """A template without the names of its variables."""
    return "/".join("{}" if variable_of(segment) is not None else segment for segment in path.split("/"))


def _first_twice(names: list[str]) -> str:
    return next(name for name in names if names.count(name) > 1)


def _ambiguous(rule: RouteRule, why: str) -> Refusal:
    return _invalid(f"{rule.method} {rule.path} {why}.", "routes")


def _invalid(message: str, field: str) -> Refusal:
    return Refusal(Code.INVALID, message, field=field)

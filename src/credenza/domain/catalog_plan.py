"""What a new catalog would change, in words, and whose calls it would widen or narrow. Pure: who holds what is asked of
the store by `Effect.permissions`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from credenza.domain.catalog import RouteRule
from credenza.domain.catalog_paths import variable_of
from credenza.domain.model import EnvironmentName, Service, ServiceId, ServiceStatus


class Direction(StrEnum):
    """What a change does to credentials that live already. MOVES: the same calls, elsewhere or named otherwise."""

    WIDENS = "widens"
    NARROWS = "narrows"
    MOVES = "moves"


class Kind(StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    RETIRED = "retired"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Effect:
    """`permissions` are whose holders it concerns; none: everybody who was granted anything at the service."""

    direction: Direction
    sentence: str
    permissions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """`lines` are the difference as people read it: `+` what is new, `-` what goes, `~` what becomes another."""

    service_id: ServiceId
    name: str
    kind: Kind
    lines: tuple[str, ...]
    effects: tuple[Effect, ...]


def changes(old: Iterable[Service], new: Iterable[Service]) -> tuple[ServiceChange, ...]:
    """Compare two catalogs by the names of their services. What the new one leaves out is retired, never deleted."""
    before, after = {each.name: each for each in old}, {each.name: each for each in new}
    kept = (_compared(before.get(name), service) for name, service in after.items())
    gone = (
        ServiceChange(each.id, each.name, Kind.RETIRED, (), (_everybody(Direction.NARROWS, "it is served no more"),))
        for each in before.values()
        if each.name not in after and each.status is ServiceStatus.LIVE
    )
    return (*(each for each in kept if each is not None), *gone)


def _compared(old: Service | None, new: Service) -> ServiceChange | None:
    if old is None:
        return ServiceChange(new.id, new.name, Kind.CREATED, tuple(_lines({}, _facts(new))), ())
    lines, effects = tuple(_lines(_facts(old), _facts(new))), tuple(_effects(old, new))
    if old.status is ServiceStatus.RETIRED:
        back = _everybody(Direction.WIDENS, "it is served again")
        return ServiceChange(old.id, new.name, Kind.RESTORED, lines, (back, *effects))
    return ServiceChange(old.id, new.name, Kind.CHANGED, lines, effects) if lines else None


def _lines(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    for name, text in new.items():
        if name not in old:
            yield f"+ {name}: {text}"
        elif old[name] != text:
            yield f"~ {name}: {old[name]} -> {text}"
    yield from (f"- {name}: {text}" for name, text in old.items() if name not in new)


def _facts(service: Service) -> dict[str, str]:
    """Everything that a catalog says of a service, each thing under a name of its own."""
    entry = service.entry
    found = {"authentication": service.authentication.value, "description": service.description}
    for place in service.environments:
        found[f"{place.environment} path"] = place.path_prefix
        found[f"{place.environment} upstream"] = place.upstream
        found[f"{place.environment} validity"] = (
            f"{place.validity_months} months" if place.validity_days is None else f"{place.validity_days} days"
        )
        if place.payload_rules is not None:
            found[f"{place.environment} payload rules"] = place.payload_rules
    found |= {f"scope {scope}": "yes" for scope in sorted(service.scopes)}
    if entry.scope_level is not None:
        found["scope level"] = f"{entry.scope_level}{', fixed' if entry.everywhere else ', chosen'}"
        found["audience"] = entry.audience or "the origin"
        found["token life"] = f"{entry.token_life_s} s"
        found["calls a minute"] = str(entry.calls_per_minute or "unlimited")
        found["calls without a route"] = "admitted" if entry.admits_unmapped else "refused"
    found |= {f"permission {each.name}": each.description or "-" for each in entry.permissions}
    found |= {f"route {rule.method} {rule.path}": needs(rule) for rule in entry.routes}
    return found


def needs(rule: RouteRule) -> str:
    """Say what a call needs, and which of its variables name places."""
    named = {"account": rule.account_variable, "workspace": rule.workspace_variable}
    return ", ".join([rule.permission, *(f"{place} {{{name}}}" for place, name in named.items() if name is not None)])


def _effects(old: Service, new: Service) -> Iterator[Effect]:
    yield from _of_places(old, new)
    yield from _of_terms(old, new)
    yield from _of_limits(old, new)
    yield from _of_permissions(old, new)
    yield from _of_routes(old, new)
    yield from _of_paths(old, new)


def _of_places(old: Service, new: Service) -> Iterator[Effect]:
    for name in EnvironmentName:
        before, after = old.in_environment(name), new.in_environment(name)
        if before is None and after is not None:
            yield _everybody(Direction.WIDENS, f"it is served in {name}, at {after.path_prefix}")
        elif before is not None and after is None:
            yield _everybody(Direction.NARROWS, f"it is served in {name} no more")
        elif before is not None and after is not None:
            if before.upstream != after.upstream:
                yield _everybody(Direction.MOVES, f"{name} calls go to {after.upstream}, not to {before.upstream}")
            if before.path_prefix != after.path_prefix:
                yield _everybody(Direction.MOVES, f"{name} calls come to {after.path_prefix}, not {before.path_prefix}")


def _of_terms(old: Service, new: Service) -> Iterator[Effect]:
    before, after = old.entry, new.entry
    if not before.everywhere and after.everywhere:
        yield _everybody(Direction.WIDENS, "scope becomes fixed: all places, present and future, chosen or not")
    elif before.everywhere and not after.everywhere:
        yield _everybody(Direction.NARROWS, "scope is no longer fixed: only places chosen for a credential count")
    elif before.scope_level is not after.scope_level:
        yield _everybody(Direction.NARROWS, f"scope is chosen among {after.scope_level}S: what was chosen is dropped")
    if before.admits_unmapped is not after.admits_unmapped:
        widens = Direction.WIDENS if after.admits_unmapped else Direction.NARROWS
        yield _everybody(widens, f"calls without a route are {'admitted' if after.admits_unmapped else 'refused'}")
    if before.audience != after.audience:
        yield _everybody(Direction.MOVES, f"tokens are for {after.audience or 'the origin'}, old ones are refused")


def _of_limits(old: Service, new: Service) -> Iterator[Effect]:
    before, after = old.entry, new.entry
    if before.token_life_s != after.token_life_s:
        longer = Direction.WIDENS if after.token_life_s > before.token_life_s else Direction.NARROWS
        yield _everybody(longer, f"tokens live {after.token_life_s} s, not {before.token_life_s} s")
    if before.calls_per_minute != after.calls_per_minute:
        unlimited = float("inf")
        more = (after.calls_per_minute or unlimited) > (before.calls_per_minute or unlimited)
        limit = after.calls_per_minute or "unlimited"
        yield _everybody(Direction.WIDENS if more else Direction.NARROWS, f"calls a minute: {limit}")


def _of_permissions(old: Service, new: Service) -> Iterator[Effect]:
    for each in old.entry.permissions:
        if not new.entry.offers(each.name):
            yield Effect(
                Direction.NARROWS, f"{each.name} is taken away, for good: it does not come back", frozenset({each.name})
            )


def _of_routes(old: Service, new: Service) -> Iterator[Effect]:
    before, after = _by_call(old), _by_call(new)
    for call, rule in after.items():
        was = before.get(call)
        if was is None:
            yield _permitted(Direction.WIDENS, rule, "gains")
            yield from _taken(Direction.NARROWS, rule, before.values())
        elif was.permission != rule.permission:
            yield _permitted(Direction.NARROWS, was, "loses")
            yield _permitted(Direction.WIDENS, rule, "gains")
        elif _places(was) != _places(rule):
            yield from _rebound(was, rule)
    for call, rule in before.items():
        if call not in after:
            yield _permitted(Direction.NARROWS, rule, "loses")
            yield from _taken(Direction.WIDENS, rule, after.values())


def _of_paths(old: Service, new: Service) -> Iterator[Effect]:
    """A path that routes are about is called by their methods alone."""
    before, after = _by_path(old), _by_path(new)
    for path, rules in after.items():
        if path not in before:
            yield from _guarded(Direction.NARROWS, rules, old)
    for path, rules in before.items():
        if path not in after:
            yield from _guarded(Direction.WIDENS, rules, new)


def _guarded(direction: Direction, rules: Sequence[RouteRule], without: Service) -> Iterator[Effect]:
    """What calls to a path lose by these routes, or gain by their end: `without` is the service that has them not."""
    path, methods = rules[0].path, {rule.method for rule in rules}
    wider = [other for other in without.entry.routes if _covers(other, rules[0])]
    verb = "loses" if direction is Direction.NARROWS else "gains"
    for other in wider:
        if other.method not in methods:
            sentence = f"{other.permission} {verb} {other.method} {path}"
            yield Effect(direction, sentence, frozenset({other.permission}))
    if without.entry.admits_unmapped and not wider:
        by = "by its routes alone" if direction is Direction.NARROWS else "without a route"
        yield _everybody(direction, f"calls to {path} are admitted {by}")


def _taken(direction: Direction, rule: RouteRule, others: Iterable[RouteRule]) -> Iterator[Effect]:
    """A more specific template takes calls from another, or leaves them to it."""
    verb = "leaves calls to" if direction is Direction.NARROWS else "takes the calls of"
    for other in others:
        if other.method == rule.method and other.permission != rule.permission and _covers(other, rule):
            sentence = f"{other.permission} {verb} {rule.method} {rule.path} at {other.path}"
            yield Effect(direction, sentence, frozenset({other.permission}))


def _covers(wide: RouteRule, narrow: RouteRule) -> bool:
    pairs = list(zip(_shape(wide), _shape(narrow), strict=False))
    return len(_shape(wide)) == len(_shape(narrow)) and all(each in (None, other) for each, other in pairs)


def _rebound(was: RouteRule, rule: RouteRule) -> Iterator[Effect]:
    """A route that names fewer places is open to more callers, and one that names others to others."""
    if not _places(rule) >= _places(was):
        yield _permitted(Direction.WIDENS, rule, "is no longer bound to the same places at")
    if not _places(rule) <= _places(was):
        yield _permitted(Direction.NARROWS, rule, "is bound to places at")


def _places(rule: RouteRule) -> frozenset[tuple[str, int]]:
    """Which segments name which kind of place."""
    segments = rule.path.split("/")
    named = {"account": rule.account_variable, "workspace": rule.workspace_variable}
    return frozenset((place, segments.index(f"{{{name}}}")) for place, name in named.items() if name is not None)


def _by_call(service: Service) -> dict[tuple[str, tuple[str | None, ...]], RouteRule]:
    return {(rule.method, _shape(rule)): rule for rule in service.entry.routes}


def _by_path(service: Service) -> dict[tuple[str | None, ...], list[RouteRule]]:
    found: dict[tuple[str | None, ...], list[RouteRule]] = {}
    for rule in service.entry.routes:
        found.setdefault(_shape(rule), []).append(rule)
    return found


def _shape(rule: RouteRule) -> tuple[str | None, ...]:
    """The segments of a template; None for a variable."""
    return tuple(None if variable_of(segment) is not None else segment for segment in rule.path.split("/"))


def _permitted(direction: Direction, rule: RouteRule, verb: str) -> Effect:
    return Effect(direction, f"{rule.permission} {verb} {rule.method} {rule.path}", frozenset({rule.permission}))


def _everybody(direction: Direction, sentence: str) -> Effect:
    return Effect(direction, sentence)

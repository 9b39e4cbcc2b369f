"""The whole catalog at once, from a reviewed file: what it would change and for whom, and the change itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from credenza.actions import services as catalog_services
from credenza.actions import token_keys
from credenza.actions.context import Act, Attempt, Platform, acting, viewing
from credenza.actions.services import NewService
from credenza.domain import catalog_plan
from credenza.domain.access import Action
from credenza.domain.catalog_plan import Direction, Effect, Kind, ServiceChange
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, Service, ServiceId, ServiceStatus
from credenza.store import changes, grant_holders, leases, services
from credenza.store.grant_holders import Holders

__all__ = ["Concern", "Direction", "Effect", "Holders", "Kind", "Plan", "PlannedChange", "apply", "export", "plan"]


@dataclass(frozen=True, slots=True)
class Concern:
    """An effect, and whom it concerns."""

    effect: Effect
    holders: Holders


@dataclass(frozen=True, slots=True)
class PlannedChange:
    change: ServiceChange
    concerns: tuple[Concern, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`fingerprint` stands for the catalog as it is and as it is wanted: a plan is applied to nothing else."""

    fingerprint: str
    changes: tuple[PlannedChange, ...]


def export(platform: Platform, actor: Actor, *, now: datetime) -> tuple[Service, ...]:
    """Show everything that is live, upstreams included."""
    with viewing(platform, Attempt(actor, Action.SERVICE_CHANGE, now)) as act:
        return services.list_live(act.connection)


def plan(platform: Platform, actor: Actor, wanted: tuple[NewService, ...], *, now: datetime) -> Plan:
    """Say what the catalog would become, and whose live credentials that widens or narrows."""
    with viewing(platform, Attempt(actor, Action.SERVICE_CHANGE, now)) as act:
        current = services.list_all(act.connection)
        return _plan(act, current, _wanted(current, wanted))


def apply(platform: Platform, actor: Actor, wanted: tuple[NewService, ...], planned: str, *, now: datetime) -> Plan:
    """Make the catalog what is wanted, in one piece, if it is still the one that was planned for; returns when no gate
    decides by the old one any more."""
    with acting(platform, Attempt(actor, Action.SERVICE_CHANGE, now)) as act:
        services.lock_all(act.connection)
        current = services.list_all(act.connection)
        named = _wanted(current, wanted)
        found = _plan(act, current, named)
        if found.fingerprint != planned:
            raise Refusal(
                Code.EDITED_MEANWHILE,
                "The catalog or the file is no longer what was planned. Plan again, read it, and apply that.",
                field="plan",
            )
        places = [place for service in named for place in service.environments]
        token_keys.sign_answers(platform, act.connection, places, now=now)
        _apply(act, current, named, found)
        act.note("catalog", "; ".join(f"{each.change.kind} {each.change.name}" for each in found.changes)[:500])
        number = changes.current(act.connection)
    leases.await_reach(platform.database.records, number, lease=platform.policy.lease)
    return found


def _wanted(current: tuple[Service, ...], wanted: tuple[NewService, ...]) -> tuple[Service, ...]:
    known = {each.name: each for each in current}
    if len({each.name for each in wanted}) != len(wanted):
        raise Refusal(Code.INVALID, "Each service may be named once.", field="services")
    return tuple(_as_service(known.get(new.name), new) for new in wanted)


def _as_service(known: Service | None, new: NewService) -> Service:
    try:
        catalog_services.check(new)
        if known is not None:
            catalog_services.check_against(known, new)
    except Refusal as refusal:
        raise Refusal(refusal.code, f"{new.name}: {refusal.message}", field=refusal.field) from refusal
    return Service(
        id=known.id if known is not None else ServiceId(0),
        name=new.name,
        authentication=new.authentication,
        status=ServiceStatus.LIVE,
        description=new.description,
        environments=catalog_services.with_canonical_rules(_in_order(new).environments),
        scopes=new.scopes,
        entry=new.entry,
    )


def _in_order(new: NewService) -> NewService:
    """Environments in the order in which they are stored, so that equal catalogs compare as equal."""
    ordered = sorted(new.environments, key=lambda each: each.environment, reverse=True)
    return replace(new, environments=tuple(ordered))


def _plan(act: Act, current: tuple[Service, ...], wanted: tuple[Service, ...]) -> Plan:
    found = catalog_plan.changes(current, wanted)
    return Plan(_fingerprint(current, wanted), tuple(_planned(act, each) for each in found))


def _planned(act: Act, change: ServiceChange) -> PlannedChange:
    return PlannedChange(change, tuple(_concern(act, change, effect) for effect in change.effects))


def _concern(act: Act, change: ServiceChange, effect: Effect) -> Concern:
    return Concern(effect, grant_holders.of_service(act.connection, change.service_id, effect.permissions, now=act.now))


def _fingerprint(current: Iterable[Service], wanted: Iterable[Service]) -> str:
    both = [sorted(each, key=lambda service: service.name) for each in (current, wanted)]
    return hashlib.sha256(msgspec.json.encode(both, order="sorted")).hexdigest()[:32]


def _apply(act: Act, current: tuple[Service, ...], wanted: tuple[Service, ...], found: Plan) -> None:
    before = {each.name: each for each in current}
    after = {each.name: each for each in wanted}
    kinds = {each.change.name: each.change.kind for each in found.changes}
    # Paths and scopes may change hands among services: they are free before anybody takes one.
    services.clear_places(act.connection, [before[name].id for name in kinds if name in before and name in after])
    for name, kind in kinds.items():
        if kind is Kind.CREATED:
            made = replace(after[name], id=services.insert_service(act.connection, after[name], now=act.now))
            catalog_services.announce(act, made)
        else:
            service = after[name] if name in after else replace(before[name], status=ServiceStatus.RETIRED)
            lost = services.replace_service(act.connection, before[name], service)
            catalog_services.announce(act, service, lost)

"""What somebody should know of an organization at a glance: what to do now, and what goes on.

Everybody sees their own projects, an overseer all of them. How many calls come in is told of the whole organization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from credenza.actions.context import Act, Attempt, Platform, viewing
from credenza.actions.expiry import hidden, sight
from credenza.domain.access import Action
from credenza.domain.expiry import Ending, is_silent
from credenza.domain.model import Actor, OrganizationId, ProjectId, Status
from credenza.store import endings, projects, refused_calls, standings, traces, traffic
from credenza.store.engine import reading
from credenza.store.refused_calls import RefusedGroup
from credenza.store.standings import Counts, NamedKey
from credenza.store.traffic import Traffic

SOON = timedelta(days=30)
PERIOD = timedelta(minutes=15)
SHOWN_PERIOD = timedelta(hours=1)
_UNUSED_AFTER = timedelta(days=1)
_MOST = 8
_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class EndingSoon:
    """A credential that ends soon. `key` is None for an account-level key and an API credential; `followed` says that
    it has a successor."""

    ending: Ending
    key: NamedKey | None
    followed: bool


@dataclass(frozen=True, slots=True)
class RefusedKey:
    key: NamedKey
    calls: RefusedGroup


@dataclass(frozen=True, slots=True)
class Pace:
    """Calls of the organization by the minute, the earliest first; minutes without a call are missing.

    `last_at` is None when none was counted within a day.
    """

    minutes: tuple[Traffic, ...]
    last_at: datetime | None

    def within(self, period: timedelta, *, now: datetime) -> tuple[int, int]:
        """Sum up (admitted, refused) of the latest `period`."""
        found = [each for each in self.minutes if each.minute > now - period]
        return sum(each.admitted for each in found), sum(each.refused for each in found)


@dataclass(frozen=True, slots=True)
class Overview:
    counts: Counts
    ending: tuple[EndingSoon, ...]
    unused: tuple[NamedKey, ...]
    refused: tuple[RefusedKey, ...]
    reasons: tuple[RefusedGroup, ...]


def see(platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime) -> Overview:
    """Look at what needs somebody now. Refused calls are those of the last hour."""
    with viewing(platform, Attempt(actor, Action.ORGANIZATION_VIEW, now, organization_id=organization_id)) as act:
        mine = _own_projects(act)
        counts = standings.count(act.connection, organization_id, mine, now=now)
        ending = _ending_soon(act)
        unused = _unused(act, mine)
        with reading(platform.database.traces) as connection:
            by_key = refused_calls.by_key(connection, organization_id, mine, now=now)[:_MOST]
            reasons = refused_calls.by_reason(connection, organization_id, mine, now=now)
        names = standings.name(act.connection, [each.what for each in by_key])
    refused = tuple(RefusedKey(names[each.what], each) for each in by_key if each.what in names)
    return Overview(counts, ending, unused, refused, reasons)


def pace(platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime) -> Pace:
    """Look at how many calls came in the last hour; gates write their counts every few seconds."""
    with viewing(platform, Attempt(actor, Action.ORGANIZATION_VIEW, now, organization_id=organization_id)):
        pass
    with reading(platform.database.traces) as connection:
        minutes = traffic.list_since(connection, organization_id, now - SHOWN_PERIOD)
        return Pace(minutes, traffic.last_at(connection, organization_id))


def _own_projects(act: Act) -> Sequence[ProjectId] | None:
    person = sight(act)
    return None if person is None else projects.ids_visible(act.connection, act.organization_id, to_user=person)


def _ending_soon(act: Act) -> tuple[EndingSoon, ...]:
    found = endings.list_ending(
        act.connection,
        act.organization_id,
        seen_by=sight(act),
        hidden=hidden(act),
        begin=act.now,
        end=act.now + SOON,
        environment=None,
        project_id=None,
        after=None,
        limit=_LOOKED_AT,
    )
    ids = [each.credential_id for each in found]
    after = endings.successors(act.connection, ids, now=act.now)
    with reading(act.platform.database.traces) as connection:
        used = traces.in_use(connection, [each for followers in after.values() for each in followers])
        last = traces.last_uses(connection, ids)
    loud = [
        each
        for each in found
        if each.status is Status.ACTIVE
        and not is_silent(
            successor_used=any(one in used for one in after.get(each.credential_id, [])),
            last_used=last.get(each.credential_id),
            now=act.now,
        )
    ][:_MOST]
    names = standings.name(act.connection, [each.credential_id for each in loud])
    return tuple(EndingSoon(each, names.get(each.credential_id), each.credential_id in after) for each in loud)


def _unused(act: Act, mine: Sequence[ProjectId] | None) -> tuple[NamedKey, ...]:
    found = standings.list_successors(
        act.connection, act.organization_id, mine, made_before=act.now - _UNUSED_AFTER, limit=_LOOKED_AT, now=act.now
    )
    with reading(act.platform.database.traces) as connection:
        used = traces.in_use(connection, [each.id for each in found])
    return tuple(each for each in found if each.id not in used)[:_MOST]

"""P14: lists and searches of one organization among a million credentials, and how much longer they take than among a
tenth of them.

The actions are timed, as the API and the portal call them. A tenth of all credentials is the organization's and a
hundredth the project's that is looked at, so lists grow with the platform. `P14-10M` is the same with ten million:
it fills a disk for half an hour, and is measured when it is named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from tests.installation import CredenzaServer, Installation, full_settings, furnish, now, upgrade
from tests.servers import PostgreSQLServer

from bench import many_credentials
from bench.line import Line, judge, milliseconds
from bench.measure import ROUNDS, figure, percentile, progress
from credenza.actions import expiry, oauth_keys, organizations, people, search
from credenza.cli import local
from credenza.domain.lists import KeyOrder, KeyQuery
from credenza.domain.model import Actor, ActorKind, EnvironmentName, OrganizationRole, Project

_OF_ORGANIZATION, _OF_PROJECT = 10, 100
_APART = timedelta(seconds=3)
_LOOKS = 40
_PAGE = 50
_GOAL_S, _GOAL_GROWTH = 0.02, 3.0

_View: TypeAlias = Callable[[int], object]


def measure() -> tuple[Line, ...]:
    return _measure("P14", 100_000, 1_000_000)


def measure_ten_million() -> tuple[Line, ...]:
    return _measure("P14-10M", 1_000_000, 10_000_000)


def _measure(row: str, few: int, many: int) -> tuple[Line, ...]:
    with TemporaryDirectory(prefix="credenza-bench-") as directory, PostgreSQLServer() as postgresql:
        url = postgresql.create_database()
        upgrade(url)
        lines = []
        for kind, chosen in {"SQLite": {}, "PostgreSQL": {"database_url": url}}.items():
            with _opened(Path(directory) / kind, chosen) as place:
                progress(f"  {few:,} credentials on {kind}")
                place.grow(range(few))
                among_few = place.p95()
                progress(f"  {many:,} credentials on {kind}")
                place.grow(range(few, many))
                lines.append(_line(row, f"{many:,} credentials, {kind}", among_few, place.p95()))
    return tuple(lines)


def _line(row: str, what: str, among_few: Mapping[str, float], among_many: Mapping[str, float]) -> Line:
    worst, growth = max(among_many.values()), max(among_many[view] / among_few[view] for view in among_many)
    return Line(
        id=row,
        what=f"an organization's lists and searches, as actions, among {what}",
        figure="p95: " + ", ".join(f"{view} {milliseconds(seconds)}" for view, seconds in among_many.items()),
        compared="the same among a tenth",
        ratio=f"{growth:.1f} × at most",
        goal=f"p95 ≤ {milliseconds(_GOAL_S)} among 10,000,000, growth ≤ {_GOAL_GROWTH:.0f} ×",
        verdict=judge(worst <= _GOAL_S and growth <= _GOAL_GROWTH),
    )


@dataclass(slots=True)
class _Place:
    """An organization with the project that is looked at, and what there is beside them."""

    installation: Installation
    projects: tuple[Project, ...]
    numbers: range = range(0)

    def grow(self, numbers: range) -> None:
        many_credentials.add(self.installation, self.projects, numbers, _APART, now=now())
        self.numbers = range(numbers.stop)

    def p95(self) -> dict[str, float]:
        return {what: self._p95(view) for what, view in self._views().items()}

    def _views(self) -> Mapping[str, _View]:
        made, project = self.installation, self.projects[0]
        here = (made.platform, made.actor, project.id)
        organization = (made.platform, made.actor, made.organization_id)
        sandbox = EnvironmentName.SANDBOX
        return {
            "first page": lambda _: oauth_keys.search_page(*here, KeyQuery(sandbox), now=now()),
            "page from the middle": lambda number: oauth_keys.search_page(
                *here, KeyQuery(sandbox, order=KeyOrder.ALIAS, after=many_credentials.key_id(number)), now=now()
            ),
            "search by alias": lambda number: search.find(*organization, many_credentials.alias(number), now=now()),
            "search by key id": lambda number: search.find(
                *organization, many_credentials.key_id(number)[:20], now=now()
            ),
            "search by thumbprint": lambda number: search.find(
                *organization, many_credentials.thumbprint(number), now=now()
            ),
            "search by what begins many": lambda _: search.find(*organization, "Key 0", now=now()),
            "expiring soon": lambda _: expiry.list_page(*organization, limit=_PAGE, now=now()),
        }

    def _p95(self, view: _View) -> float:
        """The median of several rounds' p95, after one that warms up, each look at another key of the project."""
        own = self.numbers[:: len(self.projects)]
        step = len(own) // (_LOOKS * (ROUNDS + 1))
        rounds = [
            percentile([_seconds(partial(view, own[(round_ * _LOOKS + look) * step])) for look in range(_LOOKS)], 95)
            for round_ in range(ROUNDS + 1)
        ]
        return figure(rounds[1:]).median


@contextmanager
def _opened(directory: Path, chosen: Mapping[str, str]) -> Iterator[_Place]:
    wanted = full_settings(directory, **chosen)
    with CredenzaServer(wanted):
        pass  # the first start makes the installation
    with furnish(wanted) as ours:
        (looked_at, _), (beside, _), (foreign, _) = (
            ours.add_project(),
            ours.add_project(),
            _elsewhere(ours).add_project(),
        )
        others = [beside if number % _OF_ORGANIZATION == 0 else foreign for number in range(1, _OF_PROJECT)]
        yield _Place(ours, (looked_at, *others))


def _elsewhere(ours: Installation) -> Installation:
    """Another organization on the same platform."""
    email = "eve@elsewhere.example"
    organization = organizations.create(ours.platform, local.OPERATOR, name="Elsewhere", project_limit=1, now=now())
    eve = people.create_user(ours.platform, local.OPERATOR, email=email, name="Eve", now=now())
    place = (ours.platform, local.OPERATOR, organization.id)
    people.set_member(*place, email=email, role=OrganizationRole.ADMIN, now=now())
    actor = Actor(ActorKind.SESSION, "bench", eve.id, organization.id)
    return replace(ours, organization_id=organization.id, actor=actor)


def _seconds(look: Callable[[], object]) -> float:
    began = time.perf_counter()
    look()
    return time.perf_counter() - began

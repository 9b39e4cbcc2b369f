"""What an API credential's form says: the same fields in the wizard, where each step shows some, and on the edit page.

A box is named by what it ticks (`api-3`, `may-3-read`, `in-3-<place>`), so that a form without script says it all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from credenza.actions.api_credentials import ApiCredentialEdit, ApiCredentialView, Choices, NewApiCredential
from credenza.domain.api_access import Offer, Place, Review
from credenza.domain.api_credentials import ApiCredential, ApiGrant
from credenza.domain.catalog import ScopeLevel
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import EnvironmentName, ServiceId
from credenza.portal.visit import Visit

_USUAL_DAYS = "90"
_DAYS = {"30": 30, _USUAL_DAYS: 90, "180": 180, "365": 365}
_SEPARATORS = re.compile(r"[\s,;]+")


class Ends(StrEnum):
    """When it ends, besides after a number of days."""

    NEVER = "never"
    ON = "on"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Draft:
    """A form as it was filled in. `ends` is a number of days or one of `Ends`; `ends_on` counts with ON alone."""

    name: str
    environment: str
    note: str
    networks: str
    ends: str
    ends_on: str
    ticked: frozenset[str]

    def has(self, offer: Offer) -> bool:
        return f"api-{offer.service_id}" in self.ticked

    def may(self, offer: Offer, permission: str) -> bool:
        """Whether a permission is ticked; the only one of an API always is."""
        return len(offer.permissions) == 1 or f"may-{offer.service_id}-{permission}" in self.ticked

    def reaches(self, offer: Offer, place: Place) -> bool:
        return f"in-{offer.service_id}-{place.id}" in self.ticked

    def chosen(self, choices: Choices) -> tuple[Offer, ...]:
        return tuple(each for each in choices.offers if self.has(each))

    def grants(self, choices: Choices) -> tuple[ApiGrant, ...]:
        """In the order in which they are kept."""
        chosen = sorted(self.chosen(choices), key=lambda each: each.service_id)
        return tuple(self._grant(each, choices.places) for each in chosen)

    def _grant(self, offer: Offer, places: Sequence[Place]) -> ApiGrant:
        permissions = (each.name for each in offer.permissions if self.may(offer, each.name))
        picked = (each.id for each in places if each.level is offer.level and self.reaches(offer, each))
        return ApiGrant(offer.service_id, frozenset(permissions), frozenset(() if offer.fixed else picked))

    def ends_at(self, *, kept: datetime | None = None, now: datetime) -> datetime | None:
        """Turn the choice into a moment: a day is meant with all its hours."""
        if self.ends in _DAYS:
            return now + timedelta(days=_DAYS[self.ends])
        if self.ends == Ends.ON:
            return datetime.combine(_day(self.ends_on), time(23, 59, 59), UTC)
        return kept if self.ends == Ends.KEPT else None

    def network_texts(self) -> tuple[str, ...]:
        return tuple(filter(None, _SEPARATORS.split(self.networks)))


@dataclass(frozen=True, slots=True)
class Branch:
    """An account and those of its workspaces that a form offers. `place` is None when only they were picked before."""

    account_id: str
    name: str
    place: Place | None
    workspaces: tuple[Place, ...]


def empty() -> Draft:
    return Draft("", EnvironmentName.SANDBOX, "", "", _USUAL_DAYS, "", frozenset())


def read(visit: Visit) -> Draft:
    fields = visit.fields
    ticked = frozenset(name for name, value in fields.items() if value and name.startswith(("api-", "may-", "in-")))
    return Draft(
        name=fields.get("name", ""),
        environment=fields.get("environment", ""),
        note=fields.get("note", ""),
        networks=fields.get("networks", ""),
        ends=fields.get("ends", _USUAL_DAYS),
        ends_on=fields.get("ends_on", ""),
        ticked=ticked,
    )


def of(found: ApiCredential) -> Draft:
    """The form as a credential is."""
    end = found.ends_at
    return Draft(
        name=found.name,
        environment=found.environment,
        note=found.note,
        networks="\n".join(found.networks),
        ends=Ends.NEVER if end is None else Ends.KEPT,
        ends_on="" if end is None else f"{end:%Y-%m-%d}",
        ticked=frozenset().union(*map(_boxes, found.grants)),
    )


def new(draft: Draft, choices: Choices, *, now: datetime) -> NewApiCredential:
    return NewApiCredential(
        name=draft.name,
        environment=environment_of(draft),
        grants=draft.grants(choices),
        note=draft.note,
        networks=draft.network_texts(),
        ends_at=draft.ends_at(now=now),
    )


def edit(draft: Draft, choices: Choices, *, version: int, kept: datetime | None, now: datetime) -> ApiCredentialEdit:
    return ApiCredentialEdit(
        version=version,
        name=draft.name,
        grants=draft.grants(choices),
        note=draft.note,
        networks=draft.network_texts(),
        ends_at=draft.ends_at(kept=kept, now=now),
    )


def environment_of(draft: Draft) -> EnvironmentName:
    if draft.environment not in set(EnvironmentName):
        raise Refusal(Code.INVALID, "Choose an environment.", field="environment")
    return EnvironmentName(draft.environment)


def with_held(choices: Choices, view: ApiCredentialView) -> Choices:
    """Add what a credential holds and nobody is offered any more: it may keep that."""
    offered, live = {each.service_id for each in choices.offers}, {each.id for each in choices.places}
    environments = frozenset({view.credential.environment})
    gone = (
        Offer(each.service_id, each.api, each.level, each.fixed, each.permissions, environments)
        for each in view.review.clauses
        if each.service_id not in offered
    )
    archived = {each.id: each for clause in view.review.clauses for each in clause.places if each.id not in live}
    return Choices((*choices.offers, *gone), (*choices.places, *archived.values()))


def branches(choices: Choices) -> tuple[Branch, ...]:
    """Put places into their accounts, by name."""
    accounts = {each.account_id: each for each in choices.places if each.level is ScopeLevel.ACCOUNT}
    names = {each.account_id: each.account for each in choices.places}
    inside = _by_account(choices.places)
    return tuple(
        Branch(identity, name, accounts.get(identity), inside.get(identity, ()))
        for identity, name in sorted(names.items(), key=lambda each: (each[1].casefold(), each[0]))
    )


def widened_and_narrowed(before: Review, after: Review) -> tuple[tuple[Unit, ...], tuple[Unit, ...]]:
    """Say by names what an edit gives and what it takes."""
    old, new = _units(before), _units(after)
    return tuple(sorted(new - old)), tuple(sorted(old - new))


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """One permission of an API, or one place it is for."""

    api: str
    what: str


def _units(review: Review) -> frozenset[Unit]:
    permissions = {Unit(each.api, one.name) for each in review.clauses for one in each.permissions}
    return frozenset(permissions | {Unit(each.api, place.name) for each in review.clauses for place in each.places})


def _by_account(places: Sequence[Place]) -> Mapping[str, tuple[Place, ...]]:
    found: dict[str, tuple[Place, ...]] = {}
    for each in sorted(places, key=lambda place: (place.name.casefold(), place.id)):
        if each.level is ScopeLevel.WORKSPACE:
            found[each.account_id] = (*found.get(each.account_id, ()), each)
    return found


def _boxes(grant: ApiGrant) -> frozenset[str]:
    service: ServiceId = grant.service_id
    return frozenset(
        {f"api-{service}"}
        | {f"may-{service}-{each}" for each in grant.permissions}
        | {f"in-{service}-{each}" for each in grant.places}
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refusal(Code.INVALID, "Choose the day on which it ends.", field="endsAt") from error

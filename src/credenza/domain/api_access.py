"""What an API credential may ask for: its grants against the catalog and the organization's tree.

Order of use: `check` before grants are stored; `difference` for the audit log; `review` to say them in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from credenza.domain.api_credentials import ApiGrant
from credenza.domain.catalog import Permission, ScopeLevel
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import EnvironmentName, ServiceId

GRANTS_AT_MOST = 50
PLACES_AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class Offer:
    """An API that takes API credentials. `fixed` ones are granted for every place of their level, also future ones.
    `environments` is empty for an API that was retired."""

    service_id: ServiceId
    name: str
    level: ScopeLevel
    fixed: bool
    permissions: tuple[Permission, ...]
    environments: frozenset[EnvironmentName]

    def named(self, permission: str) -> Permission:
        found = (each for each in self.permissions if each.name == permission)
        return next(found, Permission(permission, ""))


@dataclass(frozen=True, slots=True)
class Place:
    """An account, or a workspace with its account, of the organization."""

    id: str
    level: ScopeLevel
    name: str
    account_id: str
    account: str
    archived: bool


@dataclass(frozen=True, slots=True)
class Clause:
    """What a credential may do with one API. `places` are those that were picked; `fixed` says that all are meant."""

    service_id: ServiceId
    api: str
    permissions: tuple[Permission, ...]
    level: ScopeLevel
    fixed: bool
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """A credential in one sentence, as data: whoever shows it has the words."""

    clauses: tuple[Clause, ...]
    ends_at: datetime | None
    networks: tuple[str, ...]

    def __str__(self) -> str:
        can = "; can ".join(map(_clause, self.clauses)) or "do nothing"
        within = f", from {_listed(self.networks)} alone" if self.networks else ""
        until = f" until {self.ends_at.day} {self.ends_at:%b %Y}" if self.ends_at else ""
        return f"Can {can}{until}{within}."


def check(
    asked: Sequence[ApiGrant],
    offers: Sequence[Offer],
    places: Sequence[Place],
    *,
    environment: EnvironmentName,
    held: Sequence[ApiGrant] = (),
) -> None:
    """Refuse grants that cannot be given. One that is `held` unchanged passes: it is not asked for anew."""
    if not asked:
        raise Refusal(Code.INVALID, "Choose at least one API.", field="grants")
    if len(asked) > GRANTS_AT_MOST or len({each.service_id for each in asked}) < len(asked):
        raise Refusal(
            Code.INVALID, f"Name each API once, and {GRANTS_AT_MOST} at most, with all its permissions.", field="grants"
        )
    known = {each.service_id: each for each in offers if environment in each.environments}
    for grant in asked:
        if grant in held:
            continue
        offer = known.get(grant.service_id)
        if offer is None:
            raise _not_offered(grant.service_id, known.values(), environment)
        _check_permissions(grant, offer)
        _check_places(grant, offer, places)


def _not_offered(service_id: ServiceId, known: Iterable[Offer], environment: EnvironmentName) -> Refusal:
    names = _listed([f"{each.name} ({each.service_id})" for each in known]) or "none"
    return Refusal(
        Code.SERVICE_NOT_FOUND,
        f"No API {service_id} takes API credentials in {environment}. Those that do: {names}.",
        field="grants",
    )


def _check_permissions(grant: ApiGrant, offer: Offer) -> None:
    offered = [each.name for each in offer.permissions]
    if not grant.permissions:
        raise Refusal(
            Code.INVALID, f"Choose at least one permission of {offer.name}: {_listed(offered)}.", field="grants"
        )
    unknown = sorted(grant.permissions.difference(offered))
    if unknown:
        raise Refusal(
            Code.INVALID,
            f"{offer.name} does not offer {_listed(unknown)}. It offers {_listed(offered)}.",
            field="grants",
        )


def _check_places(grant: ApiGrant, offer: Offer, places: Sequence[Place]) -> None:
    level = offer.level.lower()
    if offer.fixed and grant.places:
        raise Refusal(
            Code.INVALID,
            f"The scope of {offer.name} is fixed: {_all_of(offer.level)}. Name no places for it.",
            field="grants",
        )
    if offer.fixed:
        return
    if not grant.places:
        raise Refusal(Code.INVALID, f"Choose at least one {level} for {offer.name}.", field="grants")
    if len(grant.places) > PLACES_AT_MOST:
        raise Refusal(
            Code.INVALID,
            f"At most {PLACES_AT_MOST} {level}s for {offer.name}. Choose fewer, and make another credential for the "
            "others.",
            field="grants",
        )
    known = {each.id: each for each in places if each.level is offer.level}
    if grant.places - known.keys():
        # The same words for what is another organization's, and for what is nowhere: its existence is not told.
        raise Refusal(
            Code.NOT_FOUND, f"No such {level} in this organization, which {offer.name} asks for.", field="grants"
        )
    archived = sorted(known[each].name for each in grant.places if known[each].archived)
    if archived:
        raise Refusal(Code.INVALID, f"{_listed(archived)} of {offer.name} was archived. Choose others.", field="grants")


def difference(before: Sequence[ApiGrant], after: Sequence[ApiGrant]) -> str:
    """Say for the audit log what an edit widened and narrowed; places by their ids, which outlive names."""
    old, new = _units(before), _units(after)
    told = [f"{word} {', '.join(sorted(units))}" for word, units in (("widened", new - old), ("narrowed", old - new))
            if units]  # fmt: skip
    return "; ".join(told)


def _units(grants: Sequence[ApiGrant]) -> set[str]:
    permissions = {f"{each.service_id}:{name}" for each in grants for name in each.permissions}
    return permissions | {f"{each.service_id}@{place}" for each in grants for place in each.places}


def review(
    grants: Sequence[ApiGrant],
    offers: Sequence[Offer],
    places: Sequence[Place],
    *,
    ends_at: datetime | None,
    networks: tuple[str, ...],
) -> Review:
    """Name what grants stand for. An API that has left the catalog altogether is left out."""
    known, where = {each.service_id: each for each in offers}, {each.id: each for each in places}
    clauses = tuple(_say(each, known[each.service_id], where) for each in grants if each.service_id in known)
    return Review(clauses, ends_at, networks)


def _say(grant: ApiGrant, offer: Offer, where: dict[str, Place]) -> Clause:
    order = {each.name: number for number, each in enumerate(offer.permissions)}
    named = sorted(grant.permissions, key=lambda name: (order.get(name, len(order)), name))
    picked = sorted((where[each] for each in grant.places if each in where), key=lambda each: (each.name, each.id))
    permissions = tuple(map(offer.named, named))
    return Clause(grant.service_id, offer.name, permissions, offer.level, offer.fixed, tuple(picked))


def _clause(clause: Clause) -> str:
    can = _listed([_phrase(each, clause.api) for each in clause.permissions])
    names = _listed([each.name for each in clause.places])
    return f"{can} in {_all_of(clause.level) if clause.fixed else names or 'no place'}"


def _phrase(permission: Permission, api: str) -> str:
    words = permission.description.rstrip(".")
    return words[:1].lower() + words[1:] if words else f"{permission.name} ({api})"


def _all_of(level: ScopeLevel) -> str:
    return "the whole organization" if level is ScopeLevel.ORGANIZATION else f"all {level.lower()}s"


def _listed(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"

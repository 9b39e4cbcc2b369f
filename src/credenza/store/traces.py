"""What calls leave behind: who uses a credential, and why calls were refused. Written in batches, on SQLite in a file
of their own, so that a gate's look at the records is never disturbed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, select

from credenza.domain.model import CredentialId, OrganizationId, ProjectId
from credenza.store.schema import callers, refusals
from credenza.store.upsert import insert_into

CALLER_LIMIT = 100
"""Callers told apart per credential; whoever comes later is counted among the others (settled 21)."""

OTHERS = "others"
OAUTH1, OAUTH2, MTLS = "oauth1", "oauth2", "mtls"

LONGEST_USER_AGENT = 200
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who uses a credential, and how often. `service_id` is 0 where no service was called; `scheme` is what
    they call with: oauth1, oauth2 or mtls."""

    organization_id: OrganizationId
    credential_id: CredentialId
    service_id: int
    address: str
    user_agent: str
    first_seen_at: datetime
    last_seen_at: datetime
    admitted: int
    refused: int
    scheme: str = OAUTH1


@dataclass(frozen=True, slots=True)
class StoredRefusal:
    """`explanation` is JSON. `project_id` is None when the credential belongs to none, or to nobody."""

    id: str
    organization_id: OrganizationId
    project_id: ProjectId | None
    credential_id: CredentialId
    at: datetime
    expires_at: datetime
    code: str
    explanation: str


_CALLER = (
    callers.c.organization_id,
    callers.c.credential_id,
    callers.c.service_id,
    callers.c.address,
    callers.c.user_agent,
    callers.c.first_seen_at,
    callers.c.last_seen_at,
    callers.c.admitted,
    callers.c.refused,
    callers.c.scheme,
)
_REFUSAL = (
    refusals.c.id,
    refusals.c.organization_id,
    refusals.c.project_id,
    refusals.c.credential_id,
    refusals.c.at,
    refusals.c.expires_at,
    refusals.c.code,
    refusals.c.explanation,
)


_LATEST_FIRST = (
    callers.c.last_seen_at.desc(),
    callers.c.service_id,
    callers.c.address,
    callers.c.user_agent,
    callers.c.scheme,
)


def add_callers(connection: Connection, found: Iterable[Caller]) -> None:
    """Add what was counted to what is stored, at most CALLER_LIMIT callers a credential and then the others."""
    counted = list(found)
    known = _known(connection, sorted({each.credential_id for each in counted}))
    folded: dict[tuple[str, int, str, str, str], Caller] = {}
    for each in counted:
        caller = _recognized(each, known[each.credential_id])
        key = (caller.credential_id, *_place(caller))
        folded[key] = _sum(folded[key], caller) if key in folded else caller
    # In one order everywhere, so that two gates cannot wait for each other's rows.
    for _, caller in sorted(folded.items()):
        _add(connection, caller)


def list_callers(connection: Connection, credential_id: CredentialId) -> tuple[Caller, ...]:
    """List who uses a credential, the latest first."""
    query = select(*_CALLER).where(callers.c.credential_id == credential_id)
    return tuple(map(_caller, connection.execute(query.order_by(*_LATEST_FIRST))))


def list_callers_of_services(connection: Connection, credential_ids: Sequence[CredentialId]) -> tuple[Caller, ...]:
    """List who has called services with credentials, the latest first; who only fetched tokens has called none."""
    called = (callers.c.service_id != 0) | (callers.c.address == OTHERS)
    query = select(*_CALLER).where(callers.c.credential_id.in_(credential_ids), callers.c.admitted > 0, called)
    return tuple(map(_caller, connection.execute(query.order_by(*_LATEST_FIRST))))


def last_uses(connection: Connection, credential_ids: Sequence[CredentialId]) -> dict[CredentialId, datetime]:
    """When credentials were last used by anybody, admitted or not; those never seen are missing."""
    query = select(callers.c.credential_id, func.max(callers.c.last_seen_at).label("at"))
    query = query.where(callers.c.credential_id.in_(credential_ids)).group_by(callers.c.credential_id)
    return {CredentialId(row.credential_id): row.at for row in connection.execute(query)}


def in_use(connection: Connection, credential_ids: Sequence[CredentialId]) -> frozenset[CredentialId]:
    """Which of these credentials were ever admitted."""
    query = select(callers.c.credential_id).where(callers.c.credential_id.in_(credential_ids), callers.c.admitted > 0)
    return frozenset(map(CredentialId, connection.execute(query.distinct()).scalars()))


@dataclass(frozen=True, slots=True)
class Use:
    """How much a credential was used, by how many callers, and when last."""

    last_at: datetime
    callers: int
    admitted: int


def uses(connection: Connection, credential_ids: Sequence[CredentialId]) -> dict[CredentialId, Use]:
    """Sum up who has used credentials; those that nobody has tried are missing."""
    query = select(
        callers.c.credential_id,
        func.max(callers.c.last_seen_at).label("last_at"),
        func.count().label("callers"),
        func.sum(callers.c.admitted).label("admitted"),
    )
    query = query.where(callers.c.credential_id.in_(credential_ids), callers.c.admitted > 0)
    rows = connection.execute(query.group_by(callers.c.credential_id))
    return {CredentialId(row.credential_id): Use(row.last_at, row.callers, int(row.admitted)) for row in rows}


def insert_refusals(connection: Connection, found: Sequence[StoredRefusal]) -> None:
    """Store refusals; one that is there already stays as it is, so a batch may be repeated."""
    if found:
        statement = insert_into(connection, refusals).on_conflict_do_nothing()
        connection.execute(statement, [asdict(each) for each in found])


def find_refusal(connection: Connection, refusal_id: str, *, now: datetime) -> StoredRefusal | None:
    query = select(*_REFUSAL).where(refusals.c.id == refusal_id, refusals.c.expires_at > now)
    row = connection.execute(query).one_or_none()
    return None if row is None else _refusal(row)


def list_refusals(
    connection: Connection, project_id: ProjectId, *, limit: int, now: datetime
) -> tuple[StoredRefusal, ...]:
    """List a project's refusals, the latest first."""
    query = select(*_REFUSAL).where(refusals.c.project_id == project_id, refusals.c.expires_at > now)
    rows = connection.execute(query.order_by(refusals.c.at.desc(), refusals.c.id).limit(limit))
    return tuple(map(_refusal, rows))


def delete_expired(connection: Connection, *, now: datetime) -> int:
    return connection.execute(delete(refusals).where(refusals.c.expires_at <= now)).rowcount


def _known(connection: Connection, credential_ids: list[CredentialId]) -> dict[str, set[tuple[int, str, str, str]]]:
    known: dict[str, set[tuple[int, str, str, str]]] = defaultdict(set)
    for start in range(0, len(credential_ids), _BATCH):
        place = (callers.c.service_id, callers.c.address, callers.c.user_agent, callers.c.scheme)
        query = select(callers.c.credential_id, *place)
        query = query.where(callers.c.credential_id.in_(credential_ids[start : start + _BATCH]))
        for credential_id, service_id, address, user_agent, scheme in connection.execute(query):
            known[credential_id].add((service_id, address, user_agent, scheme))
    return known


def _recognized(caller: Caller, known: set[tuple[int, str, str, str]]) -> Caller:
    caller = replace(caller, user_agent=caller.user_agent[:LONGEST_USER_AGENT])
    if _place(caller) in known or len(known) < CALLER_LIMIT:
        known.add(_place(caller))
        return caller
    return replace(caller, service_id=0, address=OTHERS, user_agent="")


def _place(caller: Caller) -> tuple[int, str, str, str]:
    return caller.service_id, caller.address, caller.user_agent, caller.scheme


def _sum(one: Caller, other: Caller) -> Caller:
    return replace(
        one,
        first_seen_at=min(one.first_seen_at, other.first_seen_at),
        last_seen_at=max(one.last_seen_at, other.last_seen_at),
        admitted=one.admitted + other.admitted,
        refused=one.refused + other.refused,
    )


def _add(connection: Connection, caller: Caller) -> None:
    statement = insert_into(connection, callers).values(**asdict(caller))
    new = statement.excluded
    earlier = case((new.first_seen_at < callers.c.first_seen_at, new.first_seen_at), else_=callers.c.first_seen_at)
    later = case((new.last_seen_at > callers.c.last_seen_at, new.last_seen_at), else_=callers.c.last_seen_at)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["credential_id", "service_id", "address", "user_agent", "scheme"],
            set_={
                "first_seen_at": earlier,
                "last_seen_at": later,
                "admitted": callers.c.admitted + new.admitted,
                "refused": callers.c.refused + new.refused,
            },
        )
    )


def _caller(row: Row[*tuple[Any, ...]]) -> Caller:
    return Caller(**row._asdict())


def _refusal(row: Row[*tuple[Any, ...]]) -> StoredRefusal:
    return StoredRefusal(*row)

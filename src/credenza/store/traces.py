"""What calls leave behind: who uses a credential, and why calls were refused. Written in batches, on SQLite in a file
of their own, so that a gate's look at the records is never disturbed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select

from credenza.domain.model import CredentialId, ProjectId
from credenza.store import trace_writing
from credenza.store.engine_traces import EngineTransaction
from credenza.store.schema import callers, daily_calls, refusals
from credenza.store.trace_writing import CALLER_LIMIT, MTLS, OAUTH1, OAUTH2, OTHERS, Caller, StoredRefusal, day_of

__all__ = [
    "CALLER_LIMIT",
    "MTLS",
    "OAUTH1",
    "OAUTH2",
    "OTHERS",
    "Caller",
    "Place",
    "StoredRefusal",
    "Use",
    "add_callers",
    "calls_since",
    "day_of",
    "delete_expired",
    "find_refusal",
    "in_use",
    "insert_refusals",
    "last_uses",
    "list_callers",
    "list_callers_of_services",
    "list_refusals",
    "uses",
]


class Place(NamedTuple):
    """Whose calls are counted together."""

    credential_id: CredentialId
    service_id: int
    address: str
    user_agent: str
    scheme: str


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
    trace_writing.add_callers(EngineTransaction(connection), found)


def list_callers(connection: Connection, credential_id: CredentialId) -> tuple[Caller, ...]:
    """List who uses a credential, the latest first."""
    query = select(*_CALLER).where(callers.c.credential_id == credential_id)
    return tuple(map(_caller, connection.execute(query.order_by(*_LATEST_FIRST))))


def list_callers_of_services(connection: Connection, credential_ids: Sequence[CredentialId]) -> tuple[Caller, ...]:
    """List who has called services with credentials, the latest first; who only fetched tokens has called none."""
    called = (callers.c.service_id != 0) | (callers.c.address == OTHERS)
    query = select(*_CALLER).where(callers.c.credential_id.in_(credential_ids), callers.c.admitted > 0, called)
    return tuple(map(_caller, connection.execute(query.order_by(*_LATEST_FIRST))))


def calls_since(connection: Connection, credential_ids: Sequence[CredentialId], day: datetime) -> dict[Place, int]:
    """Sum up by caller how many calls of services were admitted since a day began."""
    place = (
        daily_calls.c.credential_id,
        daily_calls.c.service_id,
        daily_calls.c.address,
        daily_calls.c.user_agent,
        daily_calls.c.scheme,
    )
    query = select(*place, func.sum(daily_calls.c.admitted))
    query = query.where(daily_calls.c.credential_id.in_(credential_ids), daily_calls.c.day >= day)
    return {Place(*row[:-1]): int(row[-1]) for row in connection.execute(query.group_by(*place))}


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


def insert_refusals(connection: Connection, found: Iterable[StoredRefusal]) -> None:
    trace_writing.insert_refusals(EngineTransaction(connection), found)


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
    return trace_writing.delete_expired(EngineTransaction(connection), now=now)


def _caller(row: Row[*tuple[Any, ...]]) -> Caller:
    return Caller(**row._asdict())


def _refusal(row: Row[*tuple[Any, ...]]) -> StoredRefusal:
    return StoredRefusal(*row)

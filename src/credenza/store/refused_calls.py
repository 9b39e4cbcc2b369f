"""Refused calls, summed up: for which reasons, and of which keys. They are kept for an hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, func, select

from credenza.domain.model import OrganizationId, ProjectId
from credenza.store.schema import refusals


@dataclass(frozen=True, slots=True)
class RefusedGroup:
    """Refused calls that have something in common, a code or a key's id; `latest_id` is the newest of them."""

    what: str
    count: int
    latest_at: datetime
    latest_id: str


def by_reason(
    connection: Connection, organization_id: OrganizationId, project_ids: Sequence[ProjectId] | None, *, now: datetime
) -> tuple[RefusedGroup, ...]:
    """Sum up the refused calls of some projects, or with None of all, by code: the most frequent first."""
    groups = _groups(connection, refusals.c.code, organization_id, project_ids, now)
    return tuple(sorted(groups, key=lambda each: (-each.count, each.what)))


def by_key(
    connection: Connection, organization_id: OrganizationId, project_ids: Sequence[ProjectId] | None, *, now: datetime
) -> tuple[RefusedGroup, ...]:
    """The same by key, the latest first."""
    groups = _groups(connection, refusals.c.credential_id, organization_id, project_ids, now)
    return tuple(sorted(groups, key=lambda each: each.latest_at, reverse=True))


def _groups(
    connection: Connection,
    what: Column[str],
    organization_id: OrganizationId,
    project_ids: Sequence[ProjectId] | None,
    now: datetime,
) -> list[RefusedGroup]:
    seen = _seen(organization_id, project_ids, now)
    newest = func.row_number().over(partition_by=what, order_by=[refusals.c.at.desc(), refusals.c.id])
    number = func.count().over(partition_by=what)
    ranked = select(what.label("what"), refusals.c.at, refusals.c.id, newest.label("rank"), number.label("number"))
    rows: Any = ranked.where(*seen).subquery()
    query = select(rows.c.what, rows.c.number, rows.c.at, rows.c.id).where(rows.c.rank == 1)
    return [RefusedGroup(*row) for row in connection.execute(query)]


def _seen(
    organization_id: OrganizationId, project_ids: Sequence[ProjectId] | None, now: datetime
) -> tuple[ColumnElement[bool], ...]:
    live = (refusals.c.organization_id == organization_id, refusals.c.expires_at > now)
    return (
        *live,
        refusals.c.project_id.is_not(None) if project_ids is None else refusals.c.project_id.in_(project_ids),
    )

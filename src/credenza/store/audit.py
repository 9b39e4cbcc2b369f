"""The audit log as rows. One append locks the head of its chain, so sequence and hash cannot fork."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, update

from credenza.domain import audit
from credenza.domain.model import OrganizationId
from credenza.store.prepared import Prepared
from credenza.store.schema import audit_entries, audit_heads
from credenza.store.upsert import insert_if_absent

_FACTS = tuple(field.name for field in fields(audit.Record))
_COLUMNS = (
    audit_entries.c.organization_id,
    audit_entries.c.sequence,
    audit_entries.c.at,
    audit_entries.c.actor_kind,
    audit_entries.c.actor_id,
    audit_entries.c.user_id,
    audit_entries.c.address,
    audit_entries.c.action,
    audit_entries.c.outcome,
    audit_entries.c.code,
    audit_entries.c.project_id,
    audit_entries.c.subject,
    audit_entries.c.detail,
    audit_entries.c.previous_hash,
    audit_entries.c.hash,
)

_LOCKED_HEAD = Prepared(
    select(audit_heads.c.sequence, audit_heads.c.hash)
    .where(audit_heads.c.organization_id == bindparam("of"))
    .with_for_update()
)
_INSERT = Prepared(audit_entries.insert(), sets=audit_entries.c.keys())
_MOVE_HEAD = Prepared(
    update(audit_heads).where(audit_heads.c.organization_id == bindparam("of")), sets=("sequence", "hash")
)


def append(connection: Connection, organization_id: OrganizationId, record: audit.Record) -> audit.Entry:
    """Add one entry to the organization's chain, in the transaction of what it records."""
    head = _LOCKED_HEAD.first(connection, {"of": organization_id})
    if head is None:
        beginning = {"organization_id": organization_id, "sequence": 0, "hash": audit.GENESIS}
        insert_if_absent(connection, audit_heads, beginning)
        head = _LOCKED_HEAD.one(connection, {"of": organization_id})
    entry = audit.follow(organization_id, head.sequence, head.hash, record)
    row = {
        "organization_id": organization_id,
        "sequence": entry.sequence,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
        **{name: getattr(record, name) for name in _FACTS},
    }
    _INSERT.run(connection, row)
    _MOVE_HEAD.run(connection, {"of": organization_id, "sequence": entry.sequence, "hash": entry.hash})
    return entry


def head(connection: Connection, organization_id: OrganizationId) -> audit.Checkpoint | None:
    row = connection.execute(
        select(audit_heads.c.sequence, audit_heads.c.hash).where(audit_heads.c.organization_id == organization_id)
    ).one_or_none()
    return None if row is None else audit.Checkpoint(organization_id, row.sequence, row.hash)


def chains(connection: Connection) -> tuple[OrganizationId, ...]:
    """List the chains, those too that have lost their head."""
    of_entries = select(audit_entries.c.organization_id)
    query = select(audit_heads.c.organization_id).union(of_entries)
    return tuple(sorted(connection.execute(query).scalars()))


def last_sequence(connection: Connection, organization_id: OrganizationId) -> int:
    query = select(func.max(audit_entries.c.sequence)).where(audit_entries.c.organization_id == organization_id)
    return connection.execute(query).scalar_one() or 0


def entries(
    connection: Connection, organization_id: OrganizationId, *, after: int = 0, limit: int | None = None
) -> Iterator[audit.Entry]:
    """Read a chain in order, a batch at a time, from the entry after `after`."""
    query = (
        select(*_COLUMNS)
        .where(audit_entries.c.organization_id == organization_id, audit_entries.c.sequence > after)
        .order_by(audit_entries.c.sequence)
        .limit(limit)
        .execution_options(yield_per=1000)
    )
    with connection.execute(query) as rows:
        yield from (entry_of(row._asdict()) for row in rows)


def latest(
    connection: Connection, organization_id: OrganizationId, wanted: audit.Wanted, *, before: int | None, limit: int
) -> tuple[audit.Entry, ...]:
    """Read the newest entries that are wanted first, from the entry before `before`."""
    query = select(*_COLUMNS).where(audit_entries.c.organization_id == organization_id, *_narrowed(wanted))
    if before is not None:
        query = query.where(audit_entries.c.sequence < before)
    query = query.order_by(audit_entries.c.sequence.desc()).limit(limit)
    return tuple(entry_of(row._asdict()) for row in connection.execute(query))


def of_subject(
    connection: Connection, organization_id: OrganizationId, subject: str, *, limit: int
) -> tuple[audit.Entry, ...]:
    """Read the newest entries about one thing, newest first."""
    query = select(*_COLUMNS).where(
        audit_entries.c.organization_id == organization_id, audit_entries.c.subject == subject
    )
    query = query.order_by(audit_entries.c.sequence.desc()).limit(limit)
    return tuple(entry_of(row._asdict()) for row in connection.execute(query))


def entry_of(row: Mapping[str, Any]) -> audit.Entry:
    """Make an entry of a row of the table, wherever the row is kept."""
    facts = {name: row[name] for name in _FACTS}
    record = audit.Record(**facts | {"outcome": audit.Outcome(row["outcome"])})
    return audit.Entry(row["organization_id"], row["sequence"], record, row["previous_hash"], row["hash"])


def _narrowed(wanted: audit.Wanted) -> Iterator[ColumnElement[bool]]:
    for name in ("action", "outcome", "user_id", "project_id"):
        if value := getattr(wanted, name):
            yield audit_entries.c[name] == value
    if wanted.since is not None:
        yield audit_entries.c.at >= wanted.since
    if wanted.until is not None:
        yield audit_entries.c.at < wanted.until

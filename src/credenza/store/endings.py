"""Credentials by their end: which ones end when, and who is to hear of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
)

from credenza.domain.api_credentials import FOREVER
from credenza.domain.expiry import OVERLAP, Ending
from credenza.domain.lists import EndingOrder
from credenza.domain.model import (
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    OrganizationRole,
    ProjectId,
    ProjectRole,
    Status,
    User,
    UserId,
)
from credenza.store.prepared import Prepared
from credenza.store.schema import (
    certificates,
    credentials,
    memberships,
    notices,
    organizations,
    project_members,
    projects,
    users,
)

_ISSUED_AT = func.coalesce(
    select(func.max(certificates.c.created_at))
    .where(certificates.c.credential_id == credentials.c.id, certificates.c.state == "ISSUED")
    .scalar_subquery(),
    credentials.c.created_at,
)
_PLACES = credentials.join(organizations, organizations.c.organization_id == credentials.c.organization_id).outerjoin(
    projects, projects.c.id == credentials.c.project_id
)
_STANDS = credentials.c.status != Status.REVOKED
# Nobody has to act before a key ends that another has taken the place of already.
_MATTERS = _STANDS & credentials.c.inactive_since.is_(None)


def list_due(
    connection: Connection, days: int, *, since: datetime, after: Ending | None, limit: int, now: datetime
) -> tuple[Ending, ...]:
    """List what came to have `days` to go after `since`, and has had no notice as near to its end or nearer. One that
    was said tomorrow, by a clock that was wrong, does not count. A key in whose place another is active is left out."""
    to_go = timedelta(days=days)
    # What is after nothing is after where the days begin, with any id.
    end, credential_id = _place(after) or (since + to_go, "")
    values = {
        "days": days,
        "said_by": now + OVERLAP,
        "ends_after": since + to_go,
        "ends_by": now + to_go,
        "place_end": end,
        "place_id": credential_id,
        "most": limit,
    }
    return tuple(map(_ending, _DUE.all(connection, values)))


def list_ending(
    connection: Connection,
    organization_id: OrganizationId,
    *,
    seen_by: UserId | None,
    hidden: Collection[CredentialKind],
    begin: datetime,
    end: datetime | None,
    environment: EnvironmentName | None,
    project_id: ProjectId | None,
    after: tuple[datetime, str] | None,
    order: EndingOrder = EndingOrder.NEAREST,
    limit: int,
) -> tuple[Ending, ...]:
    """List what ends from `begin` on and before `end`: all of it, or what one user sees; nothing of `hidden` kinds."""
    query = _endings().where(
        _visible(organization_id, seen_by, hidden, environment, project_id), credentials.c.not_after >= begin
    )
    if end is not None:
        query = query.where(credentials.c.not_after < end)
    if order is EndingOrder.LATEST:
        return _page_back(connection, query, before_place=after, limit=limit)
    return _page(connection, query, after_place=after, limit=limit)


def count_between(
    connection: Connection,
    organization_id: OrganizationId,
    boundaries: Sequence[datetime],
    *,
    seen_by: UserId | None,
    hidden: Collection[CredentialKind],
    environment: EnvironmentName | None,
    project_id: ProjectId | None,
) -> tuple[int, ...]:
    """Count what ends between each two neighbouring boundaries, in one pass."""
    condition = _visible(organization_id, seen_by, hidden, environment, project_id)
    return _counts(connection, condition, boundaries)


def count_all_between(connection: Connection, boundaries: Sequence[datetime]) -> tuple[int, ...]:
    """The same for the whole platform."""
    return _counts(connection, _MATTERS, boundaries)


def successors(
    connection: Connection, credential_ids: Sequence[CredentialId], *, now: datetime
) -> dict[CredentialId, list[CredentialId]]:
    """Find the usable credentials that were linked as successors, by the one each follows."""
    query = select(credentials.c.predecessor_id, credentials.c.id).where(
        credentials.c.predecessor_id.in_(credential_ids), _STANDS, credentials.c.not_after > now
    )
    found: dict[CredentialId, list[CredentialId]] = {}
    for predecessor, successor in connection.execute(query):
        found.setdefault(CredentialId(predecessor), []).append(CredentialId(successor))
    return found


def stands(connection: Connection, credential_id: str, not_after: datetime) -> bool:
    """Say whether a credential still ends when it was said to: neither revoked, nor replaced, nor renewed."""
    query = select(credentials.c.id).where(
        credentials.c.id == credential_id, _MATTERS, credentials.c.not_after == not_after
    )
    return connection.execute(query).first() is not None


def audience(connection: Connection, ending: Ending) -> tuple[User, ...]:
    """List who is to hear of an end: the credential's owner and the project's admins, or, when none of them is left,
    the organization's admins. An API credential is nobody's own: its admins and compliance admins hear of it."""
    if ending.kind is CredentialKind.CLIENT_SECRET:
        overseers = (OrganizationRole.ADMIN, OrganizationRole.COMPLIANCE_ADMIN)
        return _members(connection, ending.organization_id, memberships.c.role.in_(overseers))
    concerned = users.c.id == ending.owner_id
    if ending.project_id is not None:
        owner = select(projects.c.owner_id).where(projects.c.id == ending.project_id)
        admins = select(project_members.c.user_id).where(
            project_members.c.project_id == ending.project_id, project_members.c.role == ProjectRole.ADMIN
        )
        concerned = or_(concerned, users.c.id.in_(owner), users.c.id.in_(admins))
    return _members(connection, ending.organization_id, concerned) or _members(
        connection, ending.organization_id, memberships.c.role == OrganizationRole.ADMIN
    )


def _members(
    connection: Connection, organization_id: OrganizationId, condition: ColumnElement[bool]
) -> tuple[User, ...]:
    query = (
        select(users.c.id, users.c.email, users.c.name, users.c.created_at, users.c.disabled_at)
        .join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.organization_id == organization_id, users.c.disabled_at.is_(None), condition)
        .order_by(users.c.id)
    )
    return tuple(User(UserId(row.id), *row[1:]) for row in connection.execute(query))


def _endings() -> Select[*tuple[Any, ...]]:
    return select(
        credentials.c.id,
        credentials.c.organization_id,
        organizations.c.name.label("organization"),
        credentials.c.kind,
        credentials.c.alias,
        credentials.c.project_id,
        projects.c.name.label("project"),
        credentials.c.environment,
        credentials.c.owner_id,
        credentials.c.status,
        credentials.c.not_after,
        _ISSUED_AT.label("issued_at"),
    ).select_from(_PLACES)


_NEARER = exists().where(
    notices.c.credential_id == credentials.c.id,
    notices.c.not_after == credentials.c.not_after,
    notices.c.days <= bindparam("days"),
    notices.c.created_at <= bindparam("said_by"),
)
_DUE = Prepared(
    _endings()
    .where(
        _MATTERS,
        credentials.c.not_after > bindparam("ends_after"),
        credentials.c.not_after <= bindparam("ends_by"),
        ~_NEARER,
        or_(
            credentials.c.not_after > bindparam("place_end"),
            and_(credentials.c.not_after == bindparam("place_end"), credentials.c.id > bindparam("place_id")),
        ),
    )
    .order_by(credentials.c.not_after, credentials.c.id)
    .limit(bindparam("most", type_=Integer))
)


def _place(ending: Ending | None) -> tuple[datetime, str] | None:
    return None if ending is None else (ending.not_after, ending.credential_id)


def _page(
    connection: Connection, query: Select[*tuple[Any, ...]], *, after_place: tuple[datetime, str] | None, limit: int
) -> tuple[Ending, ...]:
    if after_place is not None:
        not_after, credential_id = after_place
        later = credentials.c.not_after > not_after
        query = query.where(or_(later, and_(credentials.c.not_after == not_after, credentials.c.id > credential_id)))
    query = query.order_by(credentials.c.not_after, credentials.c.id).limit(limit)
    return tuple(map(_ending, connection.execute(query)))


def _page_back(
    connection: Connection, query: Select[*tuple[Any, ...]], *, before_place: tuple[datetime, str] | None, limit: int
) -> tuple[Ending, ...]:
    if before_place is not None:
        not_after, credential_id = before_place
        earlier = credentials.c.not_after < not_after
        query = query.where(or_(earlier, and_(credentials.c.not_after == not_after, credentials.c.id < credential_id)))
    query = query.order_by(credentials.c.not_after.desc(), credentials.c.id.desc()).limit(limit)
    return tuple(map(_ending, connection.execute(query)))


def _visible(
    organization_id: OrganizationId,
    seen_by: UserId | None,
    hidden: Collection[CredentialKind],
    environment: EnvironmentName | None,
    project_id: ProjectId | None,
) -> ColumnElement[bool]:
    ends = credentials.c.not_after < FOREVER
    conditions = [credentials.c.organization_id == organization_id, _MATTERS, ends]
    if hidden:
        conditions.append(credentials.c.kind.not_in(hidden))
    if seen_by is not None:
        owned = select(projects.c.id).where(
            projects.c.organization_id == organization_id, projects.c.owner_id == seen_by
        )
        on_it = select(project_members.c.project_id).where(
            project_members.c.organization_id == organization_id, project_members.c.user_id == seen_by
        )
        own_key = and_(credentials.c.kind == CredentialKind.ACCOUNT_KEY, credentials.c.owner_id == seen_by)
        # Nobody's own: whoever may see them at all sees every one.
        of_all = credentials.c.kind == CredentialKind.CLIENT_SECRET
        on_mine = credentials.c.project_id.in_(owned) | credentials.c.project_id.in_(on_it)
        conditions.append(or_(on_mine, own_key, of_all))
    if environment is not None:
        conditions.append(credentials.c.environment == environment)
    if project_id is not None:
        conditions.append(credentials.c.project_id == project_id)
    return and_(*conditions)


def _counts(connection: Connection, condition: ColumnElement[bool], boundaries: Sequence[datetime]) -> tuple[int, ...]:
    not_after = credentials.c.not_after
    sums = [
        func.sum(case((and_(not_after >= begin, not_after < end), 1), else_=0), type_=BigInteger)
        for begin, end in pairwise(boundaries)
    ]
    query = select(*sums).where(condition, not_after >= boundaries[0], not_after < boundaries[-1])
    return tuple(int(each or 0) for each in connection.execute(query).one())


def _ending(row: Row[*tuple[Any, ...]]) -> Ending:
    return Ending(
        credential_id=CredentialId(row.id),
        organization_id=OrganizationId(row.organization_id),
        organization=row.organization,
        kind=CredentialKind(row.kind),
        alias=row.alias,
        project_id=None if row.project_id is None else ProjectId(row.project_id),
        project=row.project or "",
        environment=None if row.environment is None else EnvironmentName(row.environment),
        owner_id=None if row.owner_id is None else UserId(row.owner_id),
        status=Status(row.status),
        not_after=row.not_after,
        issued_at=row.issued_at,
    )

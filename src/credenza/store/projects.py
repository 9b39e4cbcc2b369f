"""Projects, their environments and services, and the people on them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from credenza.domain.access import PROJECT_ADMIN_LIMIT, PROJECT_READ_ONLY_LIMIT
from credenza.domain.errors import Code, Refusal
from credenza.domain.lists import ProjectOrder, ProjectQuery
from credenza.domain.model import (
    Address,
    Approval,
    Company,
    Environment,
    EnvironmentName,
    OrganizationId,
    Project,
    ProjectId,
    ProjectMember,
    ProjectRole,
    ProjectService,
    ProjectType,
    ServiceId,
    User,
    UserId,
)
from credenza.store.prepared import Prepared
from credenza.store.schema import environments, project_members, project_services, projects, services, users
from credenza.store.upsert import insert_if_absent, violates

_PROJECT = (
    projects.c.id,
    projects.c.organization_id,
    projects.c.name,
    projects.c.type,
    projects.c.region,
    projects.c.company,
    projects.c.commercial_countries,
    projects.c.owner_id,
    projects.c.dual,
    projects.c.ambiguous_readings,
    projects.c.created_at,
)
_FIND = select(*_PROJECT).where(projects.c.id == bindparam("of_id"), projects.c.deleted_at.is_(None))
_LIVE, _LOCKED = Prepared(_FIND), Prepared(_FIND.with_for_update())
# Each environment as often as it has services, and once when it has none.
_PLACES_OF = Prepared(
    select(
        environments.c.project_id,
        environments.c.name,
        environments.c.client_id,
        project_services.c.service_id,
        project_services.c.status,
        services.c.name.label("service_name"),
    )
    .outerjoin(
        project_services,
        (project_services.c.project_id == environments.c.project_id)
        & (project_services.c.environment == environments.c.name),
    )
    .outerjoin(services, services.c.id == project_services.c.service_id)
    .where(environments.c.project_id.in_(bindparam("of_projects", expanding=True)))
    .order_by(environments.c.project_id, environments.c.name.desc(), project_services.c.service_id),
    lists=("of_projects",),
)
_ROLE = Prepared(
    select(project_members.c.role).where(
        project_members.c.project_id == bindparam("of_project"), project_members.c.user_id == bindparam("of_user")
    )
)
_NAME = ("uq_projects_name", projects.c.organization_id, projects.c.name)
_PLACES = {ProjectRole.ADMIN: PROJECT_ADMIN_LIMIT, ProjectRole.READ_ONLY: PROJECT_READ_ONLY_LIMIT}


def insert_project(connection: Connection, project: Project, *, limit: int) -> None:
    """Insert a project in the organization's first free place. Refuses a taken name, and one more than `limit`.

    The caller holds the organization's row.
    """
    taken = set(_taken_places(connection, project.organization_id))
    place = next((each for each in range(1, limit + 1) if each not in taken), None)
    if place is None:
        raise Refusal(
            Code.PROJECT_LIMIT,
            f"The organization has reached its {limit} projects. Delete one, or ask the platform to raise the limit.",
        )
    try:
        connection.execute(insert(projects).values(**_project_row(project), slot=place))
    except IntegrityError as error:
        if violates(error, *_NAME):
            raise name_taken(project.name) from error
        raise


def _taken_places(connection: Connection, organization_id: OrganizationId) -> Iterable[int]:
    query = select(projects.c.slot).where(projects.c.organization_id == organization_id, projects.c.slot.is_not(None))
    return connection.execute(query).scalars()


def name_taken(name: str) -> Refusal:
    return Refusal(Code.DUPLICATE_PROJECT_NAME, f"The organization already has a project named {name!r}.", field="name")


def update_project(connection: Connection, project: Project) -> None:
    """Store a project's changed facts. Refuses a taken name."""
    try:
        connection.execute(update(projects).where(projects.c.id == project.id).values(**_project_row(project)))
    except IntegrityError as error:
        if violates(error, *_NAME):
            raise name_taken(project.name) from error
        raise


def mark_deleted(connection: Connection, project_id: ProjectId, *, now: datetime) -> None:
    connection.execute(update(projects).where(projects.c.id == project_id).values(deleted_at=now, slot=None))


def find(connection: Connection, project_id: ProjectId, *, lock: bool = False) -> Project | None:
    """Read a live project; with `lock` it is held to the commit, so that its limits are counted one actor at a time."""
    row = (_LOCKED if lock else _LIVE).first(connection, {"of_id": project_id})
    return None if row is None else _with_places(connection, [row])[0]


def name_exists(connection: Connection, organization_id: OrganizationId, name: str) -> bool:
    query = select(projects.c.id).where(
        projects.c.organization_id == organization_id, projects.c.name == name, projects.c.deleted_at.is_(None)
    )
    return connection.execute(query).first() is not None


def list_visible(
    connection: Connection,
    organization_id: OrganizationId,
    *,
    to_user: UserId | None,
    after: str | None,
    limit: int | None,
) -> tuple[Project, ...]:
    """List live projects by id, all of them or those a user owns or is on, from the one after `after`."""
    query = _visible(select(*_PROJECT), organization_id, to_user)
    if after is not None:
        query = query.where(projects.c.id > after)
    return _projects(connection, query.order_by(projects.c.id).limit(limit))


def ids_visible(connection: Connection, organization_id: OrganizationId, *, to_user: UserId) -> tuple[ProjectId, ...]:
    query = _visible(select(projects.c.id), organization_id, to_user)
    return tuple(ProjectId(each) for each in connection.execute(query).scalars())


_SORTED_BY = {
    ProjectOrder.NAME: func.lower(projects.c.name),
    ProjectOrder.NAME_LAST: func.lower(projects.c.name),
    ProjectOrder.OLDEST: projects.c.created_at,
    ProjectOrder.NEWEST: projects.c.created_at,
}
_LAST_FIRST = frozenset({ProjectOrder.NAME_LAST, ProjectOrder.NEWEST})


def search_page(
    connection: Connection, organization_id: OrganizationId, wanted: ProjectQuery, *, to_user: UserId | None
) -> tuple[Project, ...]:
    """List live projects as `wanted` asks, at most its limit: all of them, or those a user owns or is on."""
    column, last_first = _SORTED_BY[wanted.order], wanted.order in _LAST_FIRST
    place = tuple_(column, projects.c.id)
    query = _visible(select(*_PROJECT), organization_id, to_user)
    if wanted.text:
        query = query.where(projects.c.name.icontains(wanted.text, autoescape=True))
    if wanted.type is not None:
        query = query.where(projects.c.type == wanted.type)
    if wanted.environment is not None:
        there = (environments.c.project_id == projects.c.id) & (environments.c.name == wanted.environment)
        query = query.where(exists().where(there))
    if wanted.after:
        # A project that was deleted meanwhile still has its row.
        shown = select(column).where(projects.c.id == wanted.after).scalar_subquery()
        last = tuple_(shown, literal(wanted.after))
        query = query.where(place < last if last_first else place > last)
    order = (column.desc(), projects.c.id.desc()) if last_first else (column, projects.c.id)
    return _projects(connection, query.order_by(*order).limit(wanted.limit))


def _visible(
    query: Select[*tuple[Any, ...]], organization_id: OrganizationId, to_user: UserId | None
) -> Select[*tuple[Any, ...]]:
    query = query.where(projects.c.organization_id == organization_id, projects.c.deleted_at.is_(None))
    if to_user is None:
        return query
    on_it = exists().where(project_members.c.project_id == projects.c.id, project_members.c.user_id == to_user)
    return query.where(or_(projects.c.owner_id == to_user, on_it))


def insert_environment(connection: Connection, project: Project, environment: Environment, *, now: datetime) -> None:
    """Insert an environment with its services. Refuses one that is already there."""
    row = {
        "organization_id": project.organization_id,
        "project_id": project.id,
        "name": environment.name,
        "client_id": environment.client_id,
        "created_at": now,
    }
    if not insert_if_absent(connection, environments, row):
        raise Refusal(
            Code.DUPLICATE_ENVIRONMENT, f"The project already has its {environment.name} environment.", field="name"
        )
    for each in environment.services:
        insert_project_service(connection, project, environment.name, each, now=now)


def insert_project_service(
    connection: Connection, project: Project, environment: EnvironmentName, service: ProjectService, *, now: datetime
) -> None:
    """Let the project use a service in one environment. Refuses one that is already there."""
    row = {
        "organization_id": project.organization_id,
        "project_id": project.id,
        "environment": environment,
        "service_id": service.service_id,
        "status": service.status,
        "created_at": now,
    }
    if not insert_if_absent(connection, project_services, row):
        raise service_known(service.service_id, environment)


def service_known(service_id: ServiceId, environment: EnvironmentName) -> Refusal:
    return Refusal(
        Code.DUPLICATE_PROJECT_SERVICE,
        f"The project already uses service {service_id} in {environment}.",
        field="serviceId",
    )


def find_role(connection: Connection, project: Project, user_id: UserId) -> ProjectRole | None:
    if project.owner_id == user_id:
        return ProjectRole.OWNER
    row = _ROLE.first(connection, {"of_project": project.id, "of_user": user_id})
    return None if row is None else ProjectRole(row.role)


def list_members(connection: Connection, project: Project) -> tuple[ProjectMember, ...]:
    """List the owner first, then admins and read-only members by address."""
    user = (users.c.id, users.c.email, users.c.name, users.c.created_at, users.c.disabled_at)
    query = (
        select(*user, project_members.c.role)
        .join(project_members, project_members.c.user_id == users.c.id)
        .where(project_members.c.project_id == project.id)
        .order_by(project_members.c.role, users.c.email)
    )
    others = [ProjectMember(_user(row), ProjectRole(row.role)) for row in connection.execute(query)]
    if project.owner_id is None:
        return tuple(others)
    owner = connection.execute(select(*user).where(users.c.id == project.owner_id)).one()
    return (ProjectMember(_user(owner), ProjectRole.OWNER), *others)


def set_member(connection: Connection, project: Project, user_id: UserId, role: ProjectRole, *, now: datetime) -> None:
    """Give a user a role, in its first free place. Refuses an eleventh admin (the owner is one) and a twenty-first
    read-only member. The caller holds the project's row."""
    delete_member(connection, project.id, user_id)
    query = select(project_members.c.slot).where(
        project_members.c.project_id == project.id, project_members.c.role == role
    )
    taken = set(connection.execute(query).scalars())
    first = 2 if role is ProjectRole.ADMIN and project.owner_id is not None else 1
    place = next((each for each in range(first, _PLACES[role] + 1) if each not in taken), None)
    if place is None:
        raise Refusal(
            Code.MEMBER_LIMIT,
            f"The project already has {_PLACES[role]} {role} members. Remove one, or choose another role.",
            field="role",
        )
    connection.execute(
        insert(project_members).values(
            organization_id=project.organization_id,
            project_id=project.id,
            user_id=user_id,
            role=role,
            slot=place,
            created_at=now,
        )
    )


def delete_member(connection: Connection, project_id: ProjectId, user_id: UserId) -> bool:
    statement = delete(project_members).where(
        project_members.c.project_id == project_id, project_members.c.user_id == user_id
    )
    return connection.execute(statement).rowcount == 1


def delete_member_everywhere(connection: Connection, organization_id: OrganizationId, user_id: UserId) -> None:
    """Take a user off every project of an organization; what the user owns stays owned."""
    connection.execute(
        delete(project_members).where(
            project_members.c.organization_id == organization_id, project_members.c.user_id == user_id
        )
    )


def _projects(connection: Connection, query: Select[*tuple[Any, ...]]) -> tuple[Project, ...]:
    return _with_places(connection, connection.execute(query).all())


def _with_places(connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]]) -> tuple[Project, ...]:
    places = _environments(connection, [row.id for row in rows])
    return tuple(_project(row, tuple(places.get(row.id, ()))) for row in rows)


def _environments(connection: Connection, project_ids: Sequence[str]) -> dict[str, list[Environment]]:
    found: dict[str, list[Environment]] = {}
    rows = _PLACES_OF.all(connection, {"of_projects": project_ids})
    for (project_id, name, client_id), used in groupby(rows, lambda row: row[:3]):
        services_here = tuple(_service(row) for row in used if row.service_id is not None)
        found.setdefault(project_id, []).append(Environment(EnvironmentName(name), client_id, services_here))
    return found


def _service(row: Row[*tuple[Any, ...]]) -> ProjectService:
    return ProjectService(ServiceId(row.service_id), row.service_name, Approval(row.status))


def _project_row(project: Project) -> dict[str, Any]:
    return {
        "organization_id": project.organization_id,
        "id": project.id,
        "name": project.name,
        "type": project.type,
        "region": project.region,
        "company": json.dumps(asdict(project.company) if project.company else None),
        "commercial_countries": json.dumps(project.commercial_countries),
        "owner_id": project.owner_id,
        "dual": project.dual,
        "ambiguous_readings": project.ambiguous_readings,
        "created_at": project.created_at,
    }


def _project(row: Row[*tuple[Any, ...]], places: tuple[Environment, ...]) -> Project:
    return Project(
        id=ProjectId(row.id),
        organization_id=OrganizationId(row.organization_id),
        name=row.name,
        type=ProjectType(row.type),
        region=row.region,
        company=_company(json.loads(row.company)),
        commercial_countries=tuple(json.loads(row.commercial_countries)),
        owner_id=None if row.owner_id is None else UserId(row.owner_id),
        dual=row.dual,
        ambiguous_readings=row.ambiguous_readings,
        created_at=row.created_at,
        environments=places,
    )


def _company(fields: dict[str, Any] | None) -> Company | None:
    if fields is None:
        return None
    address = fields["address"]
    return Company(fields["name"], fields["is_government_entity"], Address(**address) if address else None)


def _user(row: Row[*tuple[Any, ...]]) -> User:
    return User(UserId(row.id), row.email, row.name, row.created_at, row.disabled_at)

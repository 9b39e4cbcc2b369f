"""Projects as people see them: lists, searches, and what may be done to one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from credenza.actions.context import Act, Attempt, Platform, viewing
from credenza.actions.project_view import ProjectView
from credenza.domain import access
from credenza.domain.access import Action
from credenza.domain.lists import ProjectQuery
from credenza.domain.model import Actor, EnvironmentName, OrganizationId, Project, ProjectId, ProjectType, UserId
from credenza.store import credentials, projects
from credenza.store.credentials import Holding

_NEAR = frozenset({access.On.PROJECT, access.On.ORGANIZATION})


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project in a list: its usable keys, by environment."""

    project: Project
    holdings: dict[EnvironmentName, Holding]


@dataclass(frozen=True, slots=True)
class ProjectPage:
    rows: tuple[ProjectRow, ...]
    may_create: bool


@dataclass(frozen=True, slots=True)
class ProjectInSight:
    """A project, and what the actor may do to it and in its organization. `key_limit` is for its OAuth 2.0 keys, of
    which there are `counted_keys`; None where none counts."""

    project: Project
    allowed: frozenset[Action]
    key_limit: int | None
    counted_keys: int


def list_all(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    after: str | None = None,
    limit: int | None = None,
    now: datetime,
) -> tuple[ProjectView, ...]:
    """List the projects the actor may see, by id; members are left out."""
    with viewing(platform, Attempt(actor, Action.PROJECT_LIST, now, organization_id=organization_id)) as act:
        seen_by = narrowed_to(act)
        found = projects.list_visible(act.connection, organization_id, to_user=seen_by, after=after, limit=limit)
        keys = credentials.list_of_projects(act.connection, [each.id for each in found])
        return tuple(ProjectView(each, keys.get(each.id, ()), ()) for each in found)


def search_page(
    platform: Platform, actor: Actor, organization_id: OrganizationId, wanted: ProjectQuery, *, now: datetime
) -> ProjectPage:
    """List the projects the actor may see, as `wanted` asks."""
    with viewing(platform, Attempt(actor, Action.PROJECT_LIST, now, organization_id=organization_id)) as act:
        found = projects.search_page(act.connection, organization_id, wanted, to_user=narrowed_to(act))
        held = credentials.holdings(act.connection, [each.id for each in found], now=now)
        rows = tuple(
            ProjectRow(each, {name: held[each.id, name] for name in EnvironmentName if (each.id, name) in held})
            for each in found
        )
        return ProjectPage(rows, access.allowed(actor, Action.PROJECT_CREATE, act.standing))


def in_sight(platform: Platform, actor: Actor, project_id: ProjectId, *, now: datetime) -> ProjectInSight:
    with viewing(platform, Attempt(actor, Action.PROJECT_VIEW, now, project_id=project_id)) as act:
        project = act.the_project
        allowed = frozenset(
            each
            for each, permission in access.PERMISSIONS.items()
            if permission.on in _NEAR and access.allowed(actor, each, act.standing)
        )
        counts = project.dual or project.type is ProjectType.OAUTH2_FAPI
        taken = credentials.slots(act.connection, project_id, now=now).taken if counts else frozenset()
        return ProjectInSight(project, allowed, platform.policy.oauth2_key_limit if counts else None, len(taken))


def narrowed_to(act: Act) -> UserId | None:
    """Whose projects alone an actor sees: None when all of the organization's."""
    return None if act.actor.user_id is None or act.standing.sees_project else act.actor.user_id

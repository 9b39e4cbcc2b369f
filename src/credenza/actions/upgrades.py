"""The upgrade of a project to OAuth 2.0: from then on every key, present and future, works both ways (product row
B12). No new key is needed, and there is no way back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from credenza.actions.context import Act, Attempt, Once, Platform, acting, viewing
from credenza.actions.once import claim, settle
from credenza.actions.project_view import ProjectView, view_of
from credenza.domain import lifecycle
from credenza.domain.access import Action
from credenza.domain.model import Actor, Credential, Project, ProjectId, Service
from credenza.store import changes, credentials, projects, services


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an upgrade depends on: the project's services, those of them that take OAuth 1.0a alone, and its keys that
    are neither revoked nor expired; `has_more` of them than were looked for."""

    services: tuple[Service, ...]
    single: tuple[Service, ...]
    keys: tuple[Credential, ...]
    has_more: bool
    key_limit: int

    @property
    def fits(self) -> bool:
        return not self.single and len(self.keys) <= self.key_limit


def look_ahead(
    platform: Platform, actor: Actor, project_id: ProjectId, *, most_keys: int | None = None, now: datetime
) -> Outlook:
    """`most_keys` are looked for, or one more than may stay: enough for a page that is shown often."""
    key_limit = platform.policy.oauth2_key_limit
    most = None if most_keys is None else max(most_keys, key_limit + 1)
    with viewing(platform, Attempt(actor, Action.PROJECT_VIEW, now, project_id=project_id)) as act:
        used = _services(act, act.the_project)
        wanted = None if most is None else most + 1
        keys = credentials.signing_keys_left(act.connection, project_id, limit=wanted, now=now)
        has_more = most is not None and len(keys) > most
        return Outlook(used, lifecycle.of_oauth1_alone(used), keys[:most], has_more, key_limit)


def upgrade_to_oauth2(
    platform: Platform, actor: Actor, project_id: ProjectId, *, now: datetime, once: Once | None = None
) -> ProjectView:
    """Upgrade a project; gates know it with their next look. A second upgrade changes nothing."""
    with acting(platform, Attempt(actor, Action.PROJECT_UPGRADE, now, project_id=project_id, once=once)) as act:
        claimed = claim(act, ProjectView)
        if claimed.answer is not None:
            return claimed.answer
        act.note(project_id, "upgraded before" if act.the_project.dual else act.the_project.name)
        if not act.the_project.dual:
            _upgrade(act, act.the_project)
        return settle(act, view_of(act, project_id))


def _upgrade(act: Act, project: Project) -> None:
    places = lifecycle.upgrade(
        project,
        _services(act, project),
        credentials.signing_keys_left(act.connection, project.id, limit=None, now=act.now),
        key_limit=act.platform.policy.oauth2_key_limit,
    )
    projects.update_project(act.connection, replace(project, dual=True))
    for key_id, place in places.items():
        credentials.take_slot(act.connection, key_id, place)
    changes.record(act.connection, act.organization_id, changes.ChangeKind.PROJECT, project.id)


def _services(act: Act, project: Project) -> tuple[Service, ...]:
    used = {each.service_id for place in project.environments for each in place.services}
    return services.load(act.connection, used)

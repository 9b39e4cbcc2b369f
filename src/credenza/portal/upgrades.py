"""The upgrade of a project to OAuth 2.0: what it needs and changes, and afterwards who still calls with OAuth 1.0a."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from credenza.actions import projects, traces, upgrades
from credenza.actions.projects_in_sight import ProjectInSight
from credenza.actions.traces import OAuth1Caller, OAuth1Use
from credenza.actions.upgrades import Outlook
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import ProjectType
from credenza.portal import key_views, project_frame, repeats
from credenza.portal.project_frame import project_id
from credenza.portal.visit import Visit

QUIET = timedelta(hours=72)
"""Who has not called with OAuth 1.0a for so long has most likely moved."""
# Beside a list of keys, of which there can be a hundred thousand.
_NAMED_KEYS = 10


@dataclass(frozen=True, slots=True)
class Meter:
    """How far a project has come."""

    use: OAuth1Use
    now: datetime

    @property
    def days(self) -> int:
        """Over how many days is counted, today included."""
        return (self.now - self.use.since).days + 1

    @property
    def share(self) -> float:
        return self.use.oauth1 / self.use.admitted if self.use.admitted else 0.0

    @property
    def still(self) -> int:
        return sum(not self.is_quiet(each) for each in self.use.callers)

    def is_quiet(self, caller: OAuth1Caller) -> bool:
        return self.now - caller.last_seen_at > QUIET


def ask(visit: Visit) -> Response:
    sight = project_frame.enter(visit)
    if sight.project.dual:
        return visit.go(f"/projects/{sight.project.id}/oauth2")
    return _form(visit, None)


def upgrade(visit: Visit) -> Response:
    try:
        upgrades.upgrade_to_oauth2(
            visit.portal.platform, visit.actor, project_id(visit), now=visit.now, once=repeats.once(visit)
        )
    except Refusal as refusal:
        return _form(visit, refusal)
    return visit.go(f"/projects/{project_id(visit)}/oauth2?upgraded=1")


def show_use(visit: Visit) -> Response:
    """Show which share of the last days' calls is still OAuth 1.0a, by caller."""
    sight = project_frame.enter(visit)
    if not sight.project.dual:
        raise Refusal(Code.NOT_FOUND, "Only a project that was upgraded to OAuth 2.0 has this page.")
    platform, actor, now = visit.portal.platform, visit.actor, visit.now
    view = projects.get(platform, actor, sight.project.id, now=now)
    use = traces.oauth1_use(platform, actor, sight.project.id, now=now)
    return project_frame.show(
        visit,
        sight,
        "project_oauth2.html",
        tab="oauth2",
        upgraded=bool(visit.query("upgraded")),
        use=use,
        meter=Meter(use, now),
        keys={each.id: each for each in view.credentials},
        service_names=project_frame.service_names(sight),
        quiet_hours=QUIET // timedelta(hours=1),
    )


def outlook(visit: Visit, sight: ProjectInSight) -> Outlook | None:
    """What an upgrade of the project depends on, for those who are to be told of it."""
    project = sight.project
    if project.type is not ProjectType.OAUTH10A or project.dual or Action.PROJECT_UPGRADE not in sight.allowed:
        return None
    return upgrades.look_ahead(visit.portal.platform, visit.actor, project.id, most_keys=_NAMED_KEYS, now=visit.now)


def _form(visit: Visit, refusal: Refusal | None) -> Response:
    sight = project_frame.enter(visit)
    found = upgrades.look_ahead(visit.portal.platform, visit.actor, sight.project.id, now=visit.now)
    return project_frame.show(
        visit,
        sight,
        "project_upgrade.html",
        tab="settings",
        refusal=refusal,
        outlook=found,
        views=key_views.least_used_first(key_views.views(visit, sight.project.id, found.keys)),
        once=repeats.key(visit),
    )

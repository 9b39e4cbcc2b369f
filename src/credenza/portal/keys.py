"""A project's keys: the list of an environment, and one key with all that is known of it."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from credenza.actions import audit_log, oauth_keys, traces
from credenza.actions.projects_in_sight import ProjectInSight
from credenza.domain import audit
from credenza.domain.access import Action
from credenza.domain.lists import KeyState
from credenza.domain.model import Credential, EnvironmentName
from credenza.portal import credential_lists, key_files, key_views, project_frame, upgrades
from credenza.portal.key_views import KeyView
from credenza.portal.project_frame import environment_of, project_id
from credenza.portal.rendering import render
from credenza.portal.visit import Visit
from credenza.protocol.certificate import describe, parse

_AUDIT_ENTRIES = 20


def show_environment(visit: Visit, **beside: Any) -> Response:
    """Show the keys of one environment, with what stands `beside` them, or what it takes to have it."""
    sight, name = project_frame.enter(visit), environment_of(visit)
    if sight.project.environment(name) is None:
        return project_frame.show(visit, sight, "project_no_environment.html", environment=name)
    return project_frame.show(
        visit,
        sight,
        "project_keys.html",
        environment=name,
        states=tuple(KeyState),
        outlook=upgrades.outlook(visit, sight),
        **_list(visit, sight, name),
        **beside,
    )


def environment_part(visit: Visit) -> Response:
    """The table alone, for its stream."""
    sight, name = project_frame.enter(visit), environment_of(visit)
    return project_frame.show(visit, sight, "parts/keys_table.html", environment=name, **_list(visit, sight, name))


def show(visit: Visit) -> Response:
    sight = project_frame.enter(visit)
    found = oauth_keys.get_in_context(
        visit.portal.platform, visit.actor, project_id(visit), key_views.key_id(visit), now=visit.now
    )
    key = found.credential
    return project_frame.show(
        visit,
        sight,
        "key.html",
        environment=key.environment,
        found=found,
        view=_view(visit, key),
        certificate=describe(parse(key.certificate_der)),
        certificate_fingerprint=key_views.fingerprint(key.certificate_der),
        public_key_fingerprint=key_views.fingerprint(key.public_key_der),
        files=tuple(key_files.NAMES),
        callers=traces.callers(visit.portal.platform, visit.actor, sight.project.id, key.id, now=visit.now),
        service_names=project_frame.service_names(sight),
        entries=entries(visit, sight, key),
    )


def part(visit: Visit) -> Response:
    """Status and use of one key, for its stream."""
    key = key_views.find(visit)
    return render(visit, "parts/key_state.html", key=key, view=_view(visit, key))


def _view(visit: Visit, key: Credential) -> KeyView:
    return key_views.views(visit, project_id(visit), (key,))[0]


def _list(visit: Visit, sight: ProjectInSight, name: EnvironmentName) -> dict[str, Any]:
    _, context = credential_lists.look(visit, sight, name, oauth_keys.search_page)
    return context


def entries(visit: Visit, sight: ProjectInSight, key: Credential) -> tuple[audit.Entry, ...]:
    """Read what the audit log says of the key, for those who may read the log."""
    if Action.AUDIT_VIEW not in sight.allowed:
        return ()
    return audit_log.of_subject(
        visit.portal.platform,
        visit.actor,
        sight.project.organization_id,
        key.id,
        limit=_AUDIT_ENTRIES,
        now=visit.now,
    )

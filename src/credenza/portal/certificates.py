"""A project's certificates: the list of an environment, and one certificate with all that is known of it."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from credenza.actions import certificates, traces
from credenza.actions.projects_in_sight import ProjectInSight
from credenza.domain.lists import KeyQuery, KeyState
from credenza.domain.model import Credential, EnvironmentName
from credenza.portal import certificate_files, certificate_views, credential_lists, key_views, keys, project_frame
from credenza.portal.key_views import KeyView
from credenza.portal.project_frame import environment_of, project_id
from credenza.portal.rendering import render
from credenza.portal.visit import Visit
from credenza.protocol.certificate import describe, parse

_BESIDE_KEYS = 10
"""So many are shown on the page of the keys; the rest has a page of its own."""


def show_environment(visit: Visit) -> Response:
    """Show the certificates of one environment, or what it takes to have it."""
    sight, name = project_frame.enter(visit), environment_of(visit)
    if sight.project.environment(name) is None:
        return project_frame.show(visit, sight, "project_no_environment.html", environment=name)
    context = _list(visit, sight, name)
    return project_frame.show(
        visit, sight, "project_certificates.html", environment=name, states=tuple(KeyState), **context
    )


def environment_part(visit: Visit) -> Response:
    """The table alone, for its stream."""
    sight, name = project_frame.enter(visit), environment_of(visit)
    context = _list(visit, sight, name)
    return project_frame.show(visit, sight, "parts/certificates_table.html", environment=name, **context)


def beside_keys(visit: Visit, sight: ProjectInSight, name: EnvironmentName) -> dict[str, Any]:
    """The first usable certificates, for the page of a project that has keys as well."""
    wanted = KeyQuery(environment=name, limit=_BESIDE_KEYS + 1)
    found = certificates.search_page(visit.portal.platform, visit.actor, sight.project.id, wanted, now=visit.now)
    return {
        "certificates": key_views.views(visit, sight.project.id, found[:_BESIDE_KEYS]),
        "subjects": certificate_views.subjects(found),
        "more_certificates": len(found) > _BESIDE_KEYS,
    }


def show(visit: Visit) -> Response:
    sight = project_frame.enter(visit)
    place = (visit.actor, project_id(visit), certificate_views.certificate_id(visit))
    found = certificates.get_in_context(visit.portal.platform, *place, now=visit.now)
    held = found.credential
    return project_frame.show(
        visit,
        sight,
        "certificate.html",
        environment=held.environment,
        found=found,
        view=_view(visit, held),
        certificate=describe(parse(held.certificate_der)),
        chain=tuple(describe(parse(each)) for each in found.chain),
        certificate_fingerprint=key_views.fingerprint(held.certificate_der),
        public_key_fingerprint=key_views.fingerprint(held.public_key_der),
        files=certificate_files.NAMES,
        callers=traces.callers(visit.portal.platform, visit.actor, sight.project.id, held.id, now=visit.now),
        service_names=project_frame.service_names(sight),
        entries=keys.entries(visit, sight, held),
    )


def part(visit: Visit) -> Response:
    """Status and use of one certificate, for its stream."""
    held = certificate_views.find(visit)
    return render(visit, "parts/key_state.html", key=held, view=_view(visit, held))


def _view(visit: Visit, held: Credential) -> KeyView:
    return key_views.views(visit, project_id(visit), (held,))[0]


def _list(visit: Visit, sight: ProjectInSight, name: EnvironmentName) -> dict[str, Any]:
    found, context = credential_lists.look(visit, sight, name, certificates.search_page, below="/certificates")
    return {**context, "subjects": certificate_views.subjects(found)}

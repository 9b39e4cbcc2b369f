"""The page behind a new certificate: how programs use it, and whether its first call has arrived."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.responses import Response

from credenza.actions import certificates
from credenza.portal import certificate_files, certificate_views, key_start, project_frame
from credenza.portal.rendering import render
from credenza.portal.visit import Visit
from credenza.protocol.certificate import describe, parse

_HTTPS_PORT = 443


def show(visit: Visit) -> Response:
    sight = project_frame.enter(visit)
    place = (visit.actor, sight.project.id, certificate_views.certificate_id(visit))
    found = certificates.get_in_context(visit.portal.platform, *place, now=visit.now)
    held, url = found.credential, key_start.url_of(visit, sight, found.credential)
    where = urlsplit(url)
    return project_frame.show(
        visit,
        sight,
        "certificate_start.html",
        environment=held.environment,
        held=held,
        certificate=describe(parse(held.certificate_der)),
        chain=certificate_files.chain_pem(found),
        url=url,
        address=f"{where.hostname}:{where.port or _HTTPS_PORT}",
        **key_start.seen(visit, held),
    )


def part(visit: Visit) -> Response:
    """Whether the certificate was seen, for its stream."""
    held = certificate_views.find(visit)
    return render(visit, "parts/key_seen.html", key=held, **key_start.seen(visit, held))

"""The name in certificates that a project's TLS clients get tokens by (RFC 8705 2.1.2): shown, registered, removed."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import tls_client_names
from credenza.domain.errors import Code, Refusal
from credenza.portal import project_frame
from credenza.portal.project_frame import environment_of, project_id
from credenza.portal.visit import Visit
from credenza.protocol.tls_client_name import LONGEST_VALUE, NameKind, TlsClientName


def show(visit: Visit) -> Response:
    return _page(visit, None)


def register(visit: Visit) -> Response:
    place = (visit.actor, project_id(visit), environment_of(visit))
    try:
        tls_client_names.register(
            visit.portal.platform, *place, _kind(visit), visit.fields.get("value", ""), now=visit.now
        )
    except Refusal as refusal:
        return _page(visit, refusal)
    return _back(visit)


def remove(visit: Visit) -> Response:
    place = (visit.actor, project_id(visit), environment_of(visit))
    tls_client_names.remove(visit.portal.platform, *place, now=visit.now)
    return _back(visit)


def _page(visit: Visit, refusal: Refusal | None) -> Response:
    sight, name = project_frame.enter(visit), environment_of(visit)
    if sight.project.environment(name) is None:
        return project_frame.show(visit, sight, "project_no_environment.html", environment=name)
    registered = _registered(visit)
    return project_frame.show(
        visit,
        sight,
        "tls_client_name.html",
        environment=name,
        refusal=refusal,
        registered=registered,
        kinds=tuple(NameKind),
        kind=visit.fields.get("kind") or (registered.kind if registered else NameKind.SUBJECT_DN),
        value=visit.fields.get("value", registered.value if registered else ""),
        longest=LONGEST_VALUE,
    )


def _registered(visit: Visit) -> TlsClientName | None:
    place = (visit.actor, project_id(visit), environment_of(visit))
    try:
        return tls_client_names.get(visit.portal.platform, *place, now=visit.now)
    except Refusal as refusal:
        if refusal.code is not Code.NOT_FOUND:
            raise
        return None


def _kind(visit: Visit) -> NameKind:
    try:
        return NameKind(visit.fields.get("kind", ""))
    except ValueError:
        raise Refusal(Code.INVALID, "Say where in the certificate the name stands.", field="kind") from None


def _back(visit: Visit) -> Response:
    return visit.go(f"/projects/{project_id(visit)}/{environment_of(visit).lower()}/tls-name")

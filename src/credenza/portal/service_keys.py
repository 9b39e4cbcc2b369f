"""Keys that protect the payloads between a project and a service: all of one environment, one with its files, and a
payload tried out on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from credenza.actions import payload_trials, service_keys, services
from credenza.actions.projects_in_sight import ProjectInSight
from credenza.domain.errors import Code, Refusal
from credenza.domain.lists import ServiceKeyQuery
from credenza.domain.model import (
    SERVICE_KINDS,
    Credential,
    CredentialId,
    CredentialKind,
    Service,
    ServiceId,
    Status,
)
from credenza.domain.service_keys import TYPES
from credenza.portal import key_views, project_frame, public_files
from credenza.portal.key_views import KeyView
from credenza.portal.project_frame import environment_of, project_id
from credenza.portal.visit import Visit

ORDER = (CredentialKind.RESPONSE_ENCRYPTION, CredentialKind.REQUEST_ENCRYPTION, CredentialKind.REQUEST_SIGNATURE)
"""Encryption of answers, of requests, and signatures: as the documents name them (contracts 1.6)."""

assert frozenset(ORDER) == SERVICE_KINDS

_MOST = 200


@dataclass(frozen=True, slots=True)
class Group:
    """The keys of one kind. What was revoked or has expired is kept apart: it is there to be looked up."""

    kind: CredentialKind
    current: tuple[KeyView, ...]
    past: tuple[KeyView, ...]


def show(visit: Visit) -> Response:
    return page(visit)


def try_out(visit: Visit) -> Response:
    """Put a payload through the keys that are active."""
    place = (visit.actor, project_id(visit), service_id(visit), environment_of(visit))
    body = visit.fields.get("payload", "").encode()
    try:
        trial = payload_trials.try_out(visit.portal.platform, *place, body, now=visit.now)
    except Refusal as refusal:
        return page(visit, refusal)
    return page(visit, trial=trial)


def show_key(visit: Visit) -> Response:
    sight, service, key = project_frame.enter(visit), service_of(visit), find(visit)
    return project_frame.show(
        visit,
        sight,
        "service_key.html",
        environment=key.environment,
        tab="services",
        service=service,
        key=key,
        view=key_views.view(key, None, now=visit.now),
        certificate_fingerprint=key_views.fingerprint(key.certificate_der),
        public_key_fingerprint=key_views.fingerprint(key.public_key_der),
        files=tuple(_FILES),
        chain=public_files.certificate_pem(key.certificate_der).decode(),
        type=TYPES[key.kind],
    )


def send_file(visit: Visit) -> Response:
    key, name = find(visit), visit.path("name")
    write = _FILES.get(name)
    if write is None:
        raise Refusal(Code.NOT_FOUND, "There is no such file.")
    return public_files.sent(write(key), key.id, name)


def page(visit: Visit, refusal: Refusal | None = None, **context: Any) -> Response:
    sight, service, name = project_frame.enter(visit), service_of(visit), environment_of(visit)
    if sight.project.environment(name) is None:
        return project_frame.show(visit, sight, "project_no_environment.html", environment=name)
    where = service.in_environment(name)
    return project_frame.show(
        visit,
        sight,
        "service_keys.html",
        environment=name,
        tab="services",
        refusal=refusal,
        service=service,
        groups=_groups(visit, sight),
        types=TYPES,
        rules=_written(where.payload_rules) if where and where.payload_rules else "",
        **{"trial": None, "written": _written, **context},
    )


def find(visit: Visit) -> Credential:
    """Find the key that the address names, of the project, service and environment that it names."""
    place = (visit.actor, project_id(visit), service_id(visit), CredentialId(visit.path("key_id")))
    key = service_keys.get(visit.portal.platform, *place, now=visit.now)
    if key.environment is not environment_of(visit):
        raise Refusal(Code.CREDENTIAL_NOT_FOUND, "No such key here.")
    return key


def service_of(visit: Visit) -> Service:
    known = services.list_live(visit.portal.platform, visit.actor, now=visit.now)
    found = next((each for each in known if each.id == service_id(visit)), None)
    if found is None:
        raise Refusal(Code.SERVICE_NOT_FOUND, "There is no such service.")
    return found


def service_id(visit: Visit) -> ServiceId:
    text = visit.path("service_id")
    if not text.isdecimal() or len(text) > 9:
        raise Refusal(Code.SERVICE_NOT_FOUND, "There is no such service.")
    return ServiceId(int(text))


def path(visit: Visit) -> str:
    """Where the page of these keys is."""
    return f"/projects/{project_id(visit)}/services/{service_id(visit)}/{environment_of(visit).lower()}"


def _groups(visit: Visit, sight: ProjectInSight) -> tuple[Group, ...]:
    service_keys.place_of(sight.project, service_id(visit), environment_of(visit))
    wanted = ServiceKeyQuery(service_id(visit), environment_of(visit), limit=_MOST)
    found = service_keys.list_page(visit.portal.platform, visit.actor, sight.project.id, wanted, now=visit.now)
    views = sorted(
        (key_views.view(each, None, now=visit.now) for each in found),
        key=lambda each: (not each.usable, -each.key.created_at.timestamp()),
    )
    return tuple(
        Group(
            kind,
            tuple(each for each in views if each.key.kind is kind and each.status not in _PAST),
            tuple(each for each in views if each.key.kind is kind and each.status in _PAST),
        )
        for kind in ORDER
    )


_PAST = frozenset({Status.REVOKED, Status.EXPIRED})


def _written(document: bytes | str) -> str:
    """JSON, to be read."""
    octets = document.encode() if isinstance(document, str) else document
    return msgspec.json.format(octets, indent=2).decode()


_FILES: Mapping[str, Callable[[Credential], bytes]] = {
    "certificate.pem": lambda key: public_files.certificate_pem(key.certificate_der),
    "certificate.cer": lambda key: key.certificate_der,
    "public-key.pem": lambda key: public_files.public_key_pem(key.public_key_der),
    "public-key.der": lambda key: key.public_key_der,
}

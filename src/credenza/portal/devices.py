"""Devices that get their certificates by themselves (EST): the secrets they enrol with. Each is on one page, once."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import enrolment_secrets
from credenza.actions.enrolment_secrets import LONGEST_HOURS, USUAL_HOURS
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import EnvironmentName
from credenza.portal import new_certificate, project_frame, repeats
from credenza.portal.project_frame import environment_of, project_id
from credenza.portal.visit import Visit


def show(visit: Visit) -> Response:
    return _page(visit, environment_of(visit))


def create(visit: Visit) -> Response:
    name = environment_of(visit)
    try:
        made = enrolment_secrets.create(
            visit.portal.platform,
            visit.actor,
            project_id(visit),
            alias=new_certificate.read_alias(visit),
            environment=name,
            hours=_hours(visit),
            now=visit.now,
            once=repeats.once(visit),
        )
    except Refusal as refusal:
        return _page(visit, name, refusal)
    origin = visit.portal.gates.get(name, "https://api.example.com")
    sight = project_frame.enter(visit)
    return project_frame.show(
        visit,
        sight,
        "device_secret.html",
        environment=name,
        enrolment=made.enrolment,
        secret=made.secret if repeats.may_show(visit, made.enrolment.created_at) else "",
        est=f"{origin}/.well-known/est",
    )


def revoke(visit: Visit) -> Response:
    name = environment_of(visit)
    place = (visit.actor, project_id(visit), visit.path("secret_id"))
    enrolment_secrets.revoke(visit.portal.platform, *place, now=visit.now)
    return visit.go(f"/projects/{project_id(visit)}/{name.lower()}/devices")


def _page(visit: Visit, name: EnvironmentName, refusal: Refusal | None = None) -> Response:
    sight = project_frame.enter(visit)
    if sight.project.environment(name) is None:
        return project_frame.show(visit, sight, "project_no_environment.html", environment=name)
    found = enrolment_secrets.list_latest(visit.portal.platform, visit.actor, sight.project.id, now=visit.now)
    return project_frame.show(
        visit,
        sight,
        "devices.html",
        environment=name,
        refusal=refusal,
        once=repeats.key(visit),
        secrets=tuple(each for each in found if each.environment is name),
        usual_hours=USUAL_HOURS,
        longest_hours=LONGEST_HOURS,
    )


def _hours(visit: Visit) -> int:
    text = visit.fields.get("hours", "")
    if not text.isdecimal() or len(text) > 4:
        raise Refusal(Code.INVALID, f"Say for how many hours, 1 to {LONGEST_HOURS}.", field="hours")
    return int(text)

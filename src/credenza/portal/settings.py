"""Settings of an organization and its platform: services, authorities, policies; and who is told of what ends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from starlette.responses import Response

from credenza.actions import authorities, deliveries, permissions, services, webhooks
from credenza.actions.authorities import Role
from credenza.domain.access import PROJECT_ADMIN_LIMIT, PROJECT_READ_ONLY_LIMIT, Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import EXPIRING, NOTICE_DAYS, VALIDITY_MONTHS
from credenza.domain.model import EnvironmentName, OrganizationId
from credenza.portal import repeats
from credenza.portal.payload_protection import protections
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_DELIVERIES = 20


@dataclass(frozen=True, slots=True)
class AuthorityFacts:
    """An authority's certificate, as people compare it."""

    environment: EnvironmentName
    role: Role
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    serial: str
    sha256: str


def show_services(visit: Visit) -> Response:
    found = services.list_live(visit.portal.platform, visit.actor, now=visit.now)
    return _render(
        visit,
        "settings_services.html",
        services=found,
        environments=tuple(EnvironmentName),
        protections=protections(found),
    )


def show_authorities(visit: Visit) -> Response:
    facts = [_facts(visit, environment, role) for environment in EnvironmentName for role in Role]
    return _render(visit, "settings_authorities.html", authorities=facts)


def show_policies(visit: Visit) -> Response:
    return _render(
        visit,
        "settings_policies.html",
        policy=visit.portal.platform.policy,
        services=services.list_live(visit.portal.platform, visit.actor, now=visit.now),
        environments=tuple(EnvironmentName),
        validity_months=VALIDITY_MONTHS,
        expiring_days=EXPIRING.days,
        admins=PROJECT_ADMIN_LIMIT,
        readers=PROJECT_READ_ONLY_LIMIT,
    )


def show_notices(visit: Visit) -> Response:
    return _notices(visit)


def add_webhook(visit: Visit) -> Response:
    """Show the new webhook's secret, this once."""
    try:
        added = webhooks.add(
            visit.portal.platform,
            visit.actor,
            _organization(visit),
            url=visit.fields.get("url", "").strip(),
            description=visit.fields.get("description", "").strip()[:120],
            now=visit.now,
            once=repeats.once(visit),
        )
    except Refusal as refusal:
        return _notices(visit, refusal)
    secret = added.secret if repeats.may_show(visit, added.webhook.created_at) else ""
    return _render(visit, "webhook_added.html", webhook=added.webhook, secret=secret)


def ask_remove_webhook(visit: Visit) -> Response:
    found = webhooks.list_all(visit.portal.platform, visit.actor, _organization(visit), now=visit.now)
    webhook = next((each for each in found if each.id == visit.path("webhook_id")), None)
    if webhook is None:
        raise Refusal(Code.NOT_FOUND, "No such webhook.")
    return _render(visit, "webhook_remove.html", webhook=webhook)


def remove_webhook(visit: Visit) -> Response:
    organization_id = _organization(visit)
    webhooks.remove(visit.portal.platform, visit.actor, organization_id, visit.path("webhook_id"), now=visit.now)
    return visit.go(f"/organizations/{organization_id}/settings/notices")


def test_webhook(visit: Visit) -> Response:
    """Have a test sent, and go to where its outcome is shown."""
    organization_id = _organization(visit)
    sent = webhooks.send_test(
        visit.portal.platform, visit.actor, organization_id, visit.path("webhook_id"), now=visit.now
    )
    return visit.go(f"/organizations/{organization_id}/settings/notices/{sent.id}")


def show_delivery(visit: Visit) -> Response:
    """What came of something that was sent."""
    delivery = deliveries.get(
        visit.portal.platform, visit.actor, _organization(visit), visit.path("delivery_id"), now=visit.now
    )
    return _render(visit, "delivery.html", delivery=delivery)


def _notices(visit: Visit, refusal: Refusal | None = None) -> Response:
    """What overseers alone may see is left out for others, instead of refusing them the page."""
    platform, actor, organization_id, now = visit.portal.platform, visit.actor, _organization(visit), visit.now
    may = permissions.in_organization(platform, actor, organization_id, now=now)
    sees = Action.WEBHOOK_LIST in may
    return _render(
        visit,
        "settings_notices.html",
        refusal=refusal,
        days=NOTICE_DAYS,
        sees_webhooks=sees,
        may_change=Action.WEBHOOK_ADD in may,
        webhooks=webhooks.list_all(platform, actor, organization_id, now=now) if sees else (),
        deliveries=deliveries.list_page(platform, actor, organization_id, limit=_DELIVERIES, now=now) if sees else (),
        most=webhooks.MOST,
        once=repeats.key(visit),
    )


def _render(visit: Visit, template: str, *, refusal: Refusal | None = None, **context: Any) -> Response:
    return render(visit, template, section="settings", organization_id=_organization(visit), refusal=refusal, **context)


def _organization(visit: Visit) -> OrganizationId:
    return OrganizationId(visit.path("organization_id"))


def _facts(visit: Visit, environment: EnvironmentName, role: Role) -> AuthorityFacts:
    der = authorities.certificate_of(visit.portal.platform, environment, role)
    certificate = x509.load_der_x509_certificate(der)
    digest = hashlib.sha256(der).hexdigest().upper()
    return AuthorityFacts(
        environment,
        role,
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        f"{certificate.serial_number:x}",
        ":".join(digest[at : at + 2] for at in range(0, len(digest), 2)),
    )

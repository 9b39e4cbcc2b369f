"""The secrets of an API credential: shown once, another one beside the old, deleted."""

from __future__ import annotations

from typing import Any, TypeAlias

from starlette.responses import Response

from credenza.actions import api_credentials
from credenza.actions.api_credentials import ApiCredentialView, IssuedApiCredential
from credenza.actions.context import Platform
from credenza.domain.api_credentials import OldSecret
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, CredentialId, OrganizationId
from credenza.portal import repeats
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

Place: TypeAlias = tuple[Platform, Actor, OrganizationId]
_USUAL_OVERLAP = OldSecret.DAY


def show_issued(visit: Visit, issued: IssuedApiCredential) -> Response:
    made_now = any(repeats.may_show(visit, each.created_at) for each in issued.view.credential.secrets)
    return _render(
        visit,
        "api_credential_issued.html",
        found=issued.view.credential,
        review=issued.view.review,
        secret=issued.secret if made_now else "",
        origin=visit.portal.gates.get(issued.view.credential.environment, "https://api.example.com"),
    )


def ask_issue(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _issue_form(visit, None)


def issue(visit: Visit) -> Response:
    chosen = visit.fields.get("keep_old", "")
    keep_old = OldSecret(chosen) if chosen in set(OldSecret) else _USUAL_OVERLAP
    place = (*_place(visit), _credential_id(visit))
    try:
        made = api_credentials.issue_secret(*place, keep_old=keep_old, now=visit.now, once=repeats.once(visit))
    except Refusal as refusal:
        return _issue_form(visit, refusal)
    return show_issued(visit, made.issued)


def ask_delete(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _delete_form(visit, None)


def delete(visit: Visit) -> Response:
    place = (*_place(visit), _credential_id(visit), visit.path("secret_id"))
    try:
        api_credentials.delete_secret(*place, keep_last="last" not in visit.fields, now=visit.now)
    except Refusal as refusal:
        return _delete_form(visit, refusal)
    return visit.go(f"/organizations/{_organization(visit)}/api-credentials/{_credential_id(visit)}")


def _issue_form(visit: Visit, refusal: Refusal | None) -> Response:
    found = _find(visit).credential
    return _render(
        visit,
        "client_secret_new.html",
        refusal,
        found=found,
        usable=found.usable_secrets(visit.now),
        overlaps=tuple(OldSecret),
        overlap=visit.fields.get("keep_old", _USUAL_OVERLAP),
        once=repeats.key(visit),
    )


def _delete_form(visit: Visit, refusal: Refusal | None) -> Response:
    found = _find(visit).credential
    secret = next((each for each in found.secrets if each.id == visit.path("secret_id")), None)
    if secret is None:
        raise Refusal(Code.NOT_FOUND, "The credential has no such secret.")
    is_last = found.usable_secrets(visit.now) == (secret,)
    return _render(visit, "client_secret_delete.html", refusal, found=found, client_secret=secret, is_last=is_last)


def _find(visit: Visit) -> ApiCredentialView:
    return api_credentials.get(*_place(visit), _credential_id(visit), now=visit.now)


def _render(visit: Visit, template: str, refusal: Refusal | None = None, **context: Any) -> Response:
    return render(
        visit,
        template,
        section="api-credentials",
        organization_id=_organization(visit),
        refusal=refusal,
        **context,
    )


def _place(visit: Visit) -> Place:
    return visit.portal.platform, visit.actor, _organization(visit)


def _credential_id(visit: Visit) -> CredentialId:
    return CredentialId(visit.path("credential_id"))


def _organization(visit: Visit) -> OrganizationId:
    return OrganizationId(visit.path("organization_id"))

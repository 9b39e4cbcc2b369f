"""API credentials: the list, one of them with all that can be edited, switched off and on, deleted for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from credenza.actions import api_credentials, permissions, traces
from credenza.actions.api_credentials import ApiCredentialEdit, ApiCredentialView, Choices
from credenza.domain import api_credentials as rules
from credenza.domain.access import Action
from credenza.domain.api_access import Review
from credenza.domain.api_credentials import (
    ApiCredential,
    ApiCredentialOrder,
    ApiCredentialQuery,
    ApiCredentialState,
)
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CredentialId, EnvironmentName, OrganizationId, ServiceId
from credenza.portal import api_credential_form as forms
from credenza.portal import client_secrets, key_views
from credenza.portal.api_credential_form import Draft
from credenza.portal.key_views import KeyView
from credenza.portal.lists import PAGE, Address, chosen
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_NAME_WRONG = Refusal(
    Code.INVALID, "Nothing was deleted: type the name of the credential exactly as it is shown.", field="typed"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One of the list. `key` says status, end and use as for keys."""

    found: ApiCredential
    review: Review
    key: KeyView


def show_list(visit: Visit) -> Response:
    wanted = _query(visit)
    found = api_credentials.list_page(*_place(visit), wanted, now=visit.now)
    filters = {
        "q": wanted.text,
        "state": "" if wanted.state is ApiCredentialState.ALL else wanted.state,
        "environment": wanted.environment or "",
        "api": str(wanted.service_id or ""),
    }
    return _render(
        visit,
        "api_credentials.html",
        rows=_rows(visit, found[:PAGE]),
        more=len(found) > PAGE,
        wanted=wanted,
        filtered=any(filters.values()),
        states=tuple(ApiCredentialState),
        environments=tuple(EnvironmentName),
        choices=api_credentials.list_choices(*_place(visit), now=visit.now),
        address=Address(_list(visit), filters, wanted.order),
    )


def show(visit: Visit) -> Response:
    view = _find(visit)
    return _page(visit, view, forms.of(view.credential), _choices(visit, view))


def review_edit(visit: Visit) -> Response:
    """Say what an edit would change; it is saved from there."""
    view, draft = _find(visit), forms.read(visit)
    choices = _choices(visit, view)
    try:
        rules.check_version(view.credential, _version(visit))
        edit = _edit(visit, view, draft, choices)
        review = api_credentials.preview_edit(*_place(visit), view.credential.id, edit, now=visit.now)
    except Refusal as refusal:
        return _page(visit, view, draft, choices, refusal)
    widened, narrowed = forms.widened_and_narrowed(view.review, review)
    return _render(
        visit,
        "api_credential_review.html",
        found=view.credential,
        before=view.review,
        review=review,
        widened=widened,
        narrowed=narrowed,
        carried=_carried(visit),
    )


def edit(visit: Visit) -> Response:
    view, draft = _find(visit), forms.read(visit)
    choices = _choices(visit, view)
    try:
        wanted = _edit(visit, view, draft, choices)
        api_credentials.edit(*_place(visit), view.credential.id, wanted, now=visit.now)
    except Refusal as refusal:
        return _page(visit, _find(visit), draft, choices, refusal)
    return visit.go(f"{_list(visit)}/{view.credential.id}?saved=1")


def edit_again(visit: Visit) -> Response:
    """Go back from the review to the form, with what was entered."""
    view = _find(visit)
    return _page(visit, view, forms.read(visit), _choices(visit, view))


def activate(visit: Visit) -> Response:
    api_credentials.activate(*_place(visit), _credential_id(visit), now=visit.now)
    return visit.go(_own(visit))


def deactivate(visit: Visit) -> Response:
    api_credentials.deactivate(*_place(visit), _credential_id(visit), now=visit.now)
    return visit.go(_own(visit))


def ask_delete(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _delete_form(visit, None)


def delete(visit: Visit) -> Response:
    found = _find(visit).credential
    if visit.fields.get("typed", "").strip() != found.name:
        return _delete_form(visit, _NAME_WRONG)
    api_credentials.delete(*_place(visit), found.id, now=visit.now)
    return visit.go(_list(visit))


def _page(
    visit: Visit, view: ApiCredentialView, draft: Draft, choices: Choices, refusal: Refusal | None = None
) -> Response:
    """Show a credential, as a form to those who may edit it. Whoever was told that somebody was faster has seen what it
    is now, and may save what is entered over that."""
    was_faster = refusal is not None and refusal.code is Code.EDITED_MEANWHILE
    return _render(
        visit,
        "api_credential.html",
        refusal,
        row=_rows(visit, (view,))[0],
        draft=draft,
        version=_version(visit) if visit.fields and not was_faster else view.credential.version,
        was_faster=was_faster,
        choices=choices,
        branches=forms.branches(choices),
        saved=visit.query("saved") == "1",
    )


def _delete_form(visit: Visit, refusal: Refusal | None) -> Response:
    (row,) = _rows(visit, (_find(visit),))
    return _render(visit, "api_credential_delete.html", refusal, row=row)


def _rows(visit: Visit, found: tuple[ApiCredentialView, ...]) -> tuple[Row, ...]:
    ids = [each.credential.id for each in found]
    uses = traces.uses_of_api_credentials(*_place(visit), ids, now=visit.now) if ids else {}
    return tuple(
        Row(each.credential, each.review, key_views.view(each.credential.credential, uses.get(id_), now=visit.now))
        for id_, each in zip(ids, found, strict=True)
    )


def _query(visit: Visit) -> ApiCredentialQuery:
    environment, api = visit.query("environment"), visit.query("api")
    return ApiCredentialQuery(
        state=chosen(visit, "state", ApiCredentialState.ALL),
        environment=EnvironmentName(environment) if environment in set(EnvironmentName) else None,
        service_id=ServiceId(int(api)) if api.isascii() and api.isdecimal() and len(api) < 10 else None,
        text=visit.query("q").strip(),
        order=chosen(visit, "order", ApiCredentialOrder.NAME),
        after=visit.query("after"),
        limit=PAGE + 1,
    )


def _edit(visit: Visit, view: ApiCredentialView, draft: Draft, choices: Choices) -> ApiCredentialEdit:
    return forms.edit(draft, choices, version=_version(visit), kept=view.credential.ends_at, now=visit.now)


def _version(visit: Visit) -> int:
    text = visit.fields.get("version", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _carried(visit: Visit) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in visit.fields.items() if name != "csrf")


def _choices(visit: Visit, view: ApiCredentialView) -> Choices:
    """What can be ticked in the credential's environment, and what it has already."""
    offered = api_credentials.list_choices(*_place(visit), now=visit.now)
    here = tuple(each for each in offered.offers if view.credential.environment in each.environments)
    return forms.with_held(Choices(here, offered.places), view)


def _find(visit: Visit) -> ApiCredentialView:
    return api_credentials.get(*_place(visit), _credential_id(visit), now=visit.now)


def _render(visit: Visit, template: str, refusal: Refusal | None = None, **context: Any) -> Response:
    return render(
        visit,
        template,
        section="api-credentials",
        organization_id=_organization(visit),
        refusal=refusal,
        may=permissions.in_organization(*_place(visit), now=visit.now),
        actions=Action,
        **context,
    )


def _place(visit: Visit) -> client_secrets.Place:
    return visit.portal.platform, visit.actor, _organization(visit)


def _credential_id(visit: Visit) -> CredentialId:
    return CredentialId(visit.path("credential_id"))


def _organization(visit: Visit) -> OrganizationId:
    return OrganizationId(visit.path("organization_id"))


def _list(visit: Visit) -> str:
    return f"/organizations/{_organization(visit)}/api-credentials"


def _own(visit: Visit) -> str:
    return f"{_list(visit)}/{_credential_id(visit)}"

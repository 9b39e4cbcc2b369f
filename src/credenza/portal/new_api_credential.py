"""The wizard of a new API credential: APIs, permissions, scope, review, and what is issued at its end, once.

What was chosen travels from step to step in the form itself: nothing is kept here, and going back loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from starlette.responses import Response

from credenza.actions import api_credentials
from credenza.actions.api_credentials import Choices
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import OrganizationId
from credenza.domain.names import usual_name
from credenza.portal import api_credential_form as forms
from credenza.portal import client_secrets, repeats
from credenza.portal.api_credential_form import Draft
from credenza.portal.rendering import render
from credenza.portal.visit import Visit


class Step(StrEnum):
    APIS = "apis"
    PERMISSIONS = "permissions"
    SCOPE = "scope"
    REVIEW = "review"


_STEPS = tuple(Step)
_SHOWN_IN = {
    Step.APIS: ("name", "environment", "api-"),
    Step.PERMISSIONS: ("may-",),
    Step.SCOPE: ("in-", "ends", "ends_on", "networks", "note"),
    Step.REVIEW: (),
}
"""What the fields of each step begin with."""

_STEP_OF_FIELD = {"name": Step.APIS, "environment": Step.APIS}


def ask(visit: Visit) -> Response:
    """Show the first step, to those who may go through to the end."""
    _check_may(visit)
    return _show(visit, forms.empty(), _choices(visit), Step.APIS)


def go_on(visit: Visit) -> Response:
    """Show the step that was asked for, or the one before it that is not complete."""
    draft, choices, wanted = forms.read(visit), _choices(visit), _wanted(visit)
    for step in _STEPS[: _STEPS.index(wanted)]:
        try:
            _check(step, draft, choices)
        except Refusal as refusal:
            return _show(visit, draft, choices, step, refusal)
    return _show_review(visit, draft, choices) if wanted is Step.REVIEW else _show(visit, draft, choices, wanted)


def create(visit: Visit) -> Response:
    draft, choices = forms.read(visit), _choices(visit)
    try:
        issued = api_credentials.create(
            *_place(visit), forms.new(draft, choices, now=visit.now), now=visit.now, once=repeats.once(visit)
        )
    except Refusal as refusal:
        return _show(visit, draft, choices, _step_of(refusal), refusal)
    return client_secrets.show_issued(visit, issued)


def _show_review(visit: Visit, draft: Draft, choices: Choices) -> Response:
    try:
        asked = forms.new(draft, choices, now=visit.now)
        review = api_credentials.preview(*_place(visit), asked, now=visit.now)
    except Refusal as refusal:
        return _show(visit, draft, choices, _step_of(refusal), refusal)
    return _show(visit, draft, choices, Step.REVIEW, review=review)


def _show(
    visit: Visit, draft: Draft, choices: Choices, step: Step, refusal: Refusal | None = None, **more: Any
) -> Response:
    return render(
        visit,
        "api_credential_new.html",
        section="api-credentials",
        organization_id=_organization(visit),
        refusal=refusal,
        step=step,
        steps=_STEPS,
        draft=draft,
        choices=choices,
        chosen=draft.chosen(choices),
        branches=forms.branches(choices),
        carried=tuple(_carried(visit, step)),
        once=repeats.key(visit),
        **more,
    )


def _carried(visit: Visit, step: Step) -> Iterator[tuple[str, str]]:
    """What other steps have asked for, to be sent along."""
    others = tuple(prefix for each in _STEPS if each is not step for prefix in _SHOWN_IN[each])
    return ((name, value) for name, value in visit.fields.items() if name.startswith(others))


def _check(step: Step, draft: Draft, choices: Choices) -> None:
    """Refuse to go on behind a step that is not complete. The whole is checked once more when it is reviewed."""
    if step is Step.APIS:
        _check_apis(draft, choices)
    elif step is Step.PERMISSIONS:
        _check_permissions(draft, choices)


def _check_apis(draft: Draft, choices: Choices) -> None:
    usual_name(draft.name)
    environment = forms.environment_of(draft)
    if not draft.chosen(choices):
        raise Refusal(Code.INVALID, "Choose at least one API.", field="grants")
    for each in draft.chosen(choices):
        if environment not in each.environments:
            raise Refusal(Code.INVALID, f"{each.name} is not offered in this environment.", field="grants")


def _check_permissions(draft: Draft, choices: Choices) -> None:
    for each in draft.chosen(choices):
        if not any(draft.may(each, one.name) for one in each.permissions):
            raise Refusal(Code.INVALID, f"Choose what it may do with {each.name}.", field="grants")


def _check_may(visit: Visit) -> None:
    """Refuse at the first step who would be refused at the last."""
    try:
        api_credentials.preview(*_place(visit), forms.new(forms.empty(), Choices((), ()), now=visit.now), now=visit.now)
    except Refusal as refusal:
        if refusal.code is not Code.INVALID:
            raise


def _step_of(refusal: Refusal) -> Step:
    """Where what was refused can be mended: APIs that went away meanwhile where APIs are, all else behind them."""
    gone = refusal.code is Code.SERVICE_NOT_FOUND
    return Step.APIS if gone else _STEP_OF_FIELD.get(refusal.field, Step.SCOPE)


def _wanted(visit: Visit) -> Step:
    asked = visit.fields.get("step", "")
    return Step(asked) if asked in set(Step) else Step.APIS


def _choices(visit: Visit) -> Choices:
    return api_credentials.list_choices(*_place(visit), now=visit.now)


def _place(visit: Visit) -> client_secrets.Place:
    return visit.portal.platform, visit.actor, _organization(visit)


def _organization(visit: Visit) -> OrganizationId:
    return OrganizationId(visit.path("organization_id"))

"""Leave for the provider and come back signed in."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from credenza.actions import single_sign_on
from credenza.actions.single_sign_on import Departed, Provider
from credenza.domain.errors import Code, Refusal
from credenza.portal import cookies
from credenza.portal.sign_in import show_form, show_proof_form
from credenza.portal.visit import Visit, local_path


def leave(visit: Visit) -> Response:
    """Send the browser to the provider. A link, not a form: `form-action 'self'` holds for redirects of forms too."""
    try:
        departed = single_sign_on.begin(visit.portal.platform, _provider(visit), _next(visit), now=visit.now)
    except Refusal as refusal:
        return show_form(visit, refusal)
    return _send(visit, departed)


def leave_to_confirm(visit: Visit) -> Response:
    try:
        departed = single_sign_on.begin_confirming(
            visit.portal.platform, _provider(visit), visit.session, _next(visit), now=visit.now
        )
    except Refusal as refusal:
        return show_proof_form(visit, refusal)
    return _send(visit, departed)


def arrive(visit: Visit) -> Response:
    try:
        response = _finish(visit)
    except Refusal as refusal:
        response = show_proof_form(visit, refusal) if visit.signed_in else show_form(visit, refusal)
    cookies.drop_departure(visit.portal, response)
    return response


def _send(visit: Visit, departed: Departed) -> Response:
    response = RedirectResponse(departed.url, 303, {"Cache-Control": "no-store"})
    cookies.keep_departure(visit.portal, response, departed.sealed)
    return response


def _finish(visit: Visit) -> Response:
    arrived = single_sign_on.finish(
        visit.portal.platform,
        _provider(visit),
        cookies.read_departure(visit.portal, visit.request),
        single_sign_on.parse_answer(visit.request.query_params),
        visit.visitor,
        session=visit.signed_in,
        now=visit.now,
    )
    response = visit.go(local_path(arrived.next))
    cookies.keep_token(visit.portal, response, arrived.begun.token)
    return response


def _next(visit: Visit) -> str:
    return local_path(visit.query("next"))


def _provider(visit: Visit) -> Provider:
    if visit.portal.provider is None:
        raise Refusal(Code.NOT_FOUND, "Single sign-on is not set up here. Sign in another way.")
    return visit.portal.provider

"""Passkeys: sign in by one, confirm by one, register and remove one's own. The script is `static/passkeys.js`.

The script asks for options, has the browser make or use a passkey, and sends the answer as the hidden field of an
ordinary form: what comes back is a page, as from every other form.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from credenza.actions import passkeys
from credenza.domain.errors import Code, Refusal
from credenza.portal import account
from credenza.portal.rendering import said, status_of
from credenza.portal.sign_in import enter, show_form, show_proof_form
from credenza.portal.visit import CONFIRM, Visit

_ACCOUNT = "/account"
_HEADERS = {"Cache-Control": "no-store"}


def ask_anybody(visit: Visit) -> Response:
    return _options(visit, lambda: passkeys.sign_in_options(visit.portal.platform, now=visit.now))


def sign_in(visit: Visit) -> Response:
    try:
        begun = passkeys.sign_in(visit.portal.platform, _answer(visit), visit.visitor, now=visit.now)
    except Refusal as refusal:
        return show_form(visit, refusal)
    return enter(visit, begun)


def ask_own(visit: Visit) -> Response:
    return _options(visit, lambda: passkeys.confirm_options(visit.portal.platform, visit.session, now=visit.now))


def confirm(visit: Visit) -> Response:
    try:
        begun = passkeys.confirm(visit.portal.platform, visit.session, _answer(visit), visit.visitor, now=visit.now)
    except Refusal as refusal:
        return show_proof_form(visit, refusal)
    return enter(visit, begun)


def ask_new(visit: Visit) -> Response:
    return _options(visit, lambda: passkeys.registration_options(visit.portal.platform, visit.actor, now=visit.now))


def register(visit: Visit) -> Response:
    try:
        passkeys.register(
            visit.portal.platform, visit.actor, visit.fields.get("name", ""), _answer(visit), now=visit.now
        )
    except Refusal as refusal:
        return account.show_form(visit, refusal)
    return visit.go(_ACCOUNT)


def rename(visit: Visit) -> Response:
    try:
        passkeys.rename(
            visit.portal.platform, visit.actor, visit.path("passkey_id"), visit.fields.get("name", ""), now=visit.now
        )
    except Refusal as refusal:
        return account.show_form(visit, refusal)
    return visit.go(_ACCOUNT)


def remove(visit: Visit) -> Response:
    try:
        passkeys.remove(visit.portal.platform, visit.actor, visit.path("passkey_id"), now=visit.now)
    except Refusal as refusal:
        return account.show_form(visit, refusal)
    return visit.go(_ACCOUNT)


def _answer(visit: Visit) -> str:
    return visit.fields.get("response", "")


def _options(visit: Visit, ask: Callable[[], str]) -> Response:
    """Answer the script: the options, the page to go to first, or what is wrong."""
    try:
        return Response(ask(), headers=_HEADERS, media_type="application/json")
    except Refusal as refusal:
        if refusal.code is Code.PROOF_NEEDED:
            return JSONResponse({"go": f"{CONFIRM}?next={quote(_ACCOUNT, safe='')}"}, 403, _HEADERS)
        return JSONResponse({"problem": said(visit, refusal)}, status_of(refusal), _HEADERS)

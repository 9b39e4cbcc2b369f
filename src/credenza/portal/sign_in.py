"""Sign in and out: by password with a code where one is set up, by a one-time link; and say once more who it is."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import authenticators, passwords, sessions, sign_in_links
from credenza.actions.passwords import SecondFactor
from credenza.actions.sessions import Begun
from credenza.domain.errors import Refusal
from credenza.portal import cookies
from credenza.portal.rendering import render
from credenza.portal.visit import SIGN_IN, Visit, local_path


def show(visit: Visit) -> Response:
    if visit.signed_in is not None:
        return visit.go(_next(visit))
    return show_form(visit)


def sign_in(visit: Visit) -> Response:
    email, password = visit.fields.get("email", ""), visit.fields.get("password", "")
    try:
        found = passwords.sign_in(visit.portal.platform, email, password, visit.visitor, now=visit.now)
    except Refusal as refusal:
        return show_form(visit, refusal)
    if isinstance(found, SecondFactor):
        return _code_form(visit, found.token)
    return enter(visit, found)


def check_code(visit: Visit) -> Response:
    """Take the code that the password alone was not enough without."""
    token, code = visit.fields.get("token", ""), visit.fields.get("code", "")
    try:
        begun = passwords.finish(visit.portal.platform, token, code, visit.visitor, now=visit.now)
    except Refusal as refusal:
        return _code_form(visit, token, refusal) if refusal.field == "code" else show_form(visit, refusal)
    return enter(visit, begun)


def show_link(visit: Visit) -> Response:
    """Ask before the link is used up: programs that look at mail open links too."""
    token = visit.query("token")
    user = sign_in_links.look(visit.portal.platform, token, now=visit.now)
    return render(visit, "sign_in_link.html", token=token, user=user)


def accept_link(visit: Visit) -> Response:
    token = visit.fields.get("token", "")
    return enter(visit, sign_in_links.accept(visit.portal.platform, token, visit.visitor, now=visit.now))


def ask_proof(visit: Visit) -> Response:
    return show_proof_form(visit)


def take_proof(visit: Visit) -> Response:
    """Take a password, or a code, from somebody who signed in too long ago for what they want to do."""
    platform, code = visit.portal.platform, visit.fields.get("code", "")
    try:
        if code:
            begun = passwords.confirm_by_code(platform, visit.session, code, visit.visitor, now=visit.now)
        else:
            password = visit.fields.get("password", "")
            begun = passwords.confirm(platform, visit.session, password, visit.visitor, now=visit.now)
    except Refusal as refusal:
        return show_proof_form(visit, refusal)
    return enter(visit, begun)


def sign_out(visit: Visit) -> Response:
    sessions.end(visit.portal.platform, visit.actor, visit.session.id, now=visit.now)
    response = visit.go(SIGN_IN)
    cookies.drop_token(visit.portal, response)
    return response


def enter(visit: Visit, begun: Begun) -> Response:
    """Give the browser its new token and open the page it wanted."""
    response = visit.go(_next(visit))
    cookies.keep_token(visit.portal, response, begun.token)
    return response


def show_form(visit: Visit, refusal: Refusal | None = None) -> Response:
    """Show the ways to sign in, once more with what was wrong."""
    return render(
        visit,
        "sign_in.html",
        refusal=refusal,
        next=_next(visit),
        email=visit.fields.get("email", ""),
    )


def _code_form(visit: Visit, token: str, refusal: Refusal | None = None) -> Response:
    return render(
        visit,
        "sign_in_code.html",
        refusal=refusal,
        next=_next(visit),
        token=token,
    )


def show_proof_form(visit: Visit, refusal: Refusal | None = None) -> Response:
    return render(
        visit,
        "confirm.html",
        refusal=refusal,
        next=_next(visit),
        proofs=authenticators.look(visit.portal.platform, visit.actor, now=visit.now),
    )


def _next(visit: Visit) -> str:
    return local_path(visit.fields.get("next") or visit.query("next"))

"""How the user signs in: password, codes from an authenticator, recovery codes, passkeys."""

from __future__ import annotations

from importlib import import_module

from markupsafe import Markup
from starlette.responses import Response

from credenza.actions import authenticators, identities, passkeys, passwords
from credenza.domain.errors import Refusal
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_PAGE = "/account"


def show(visit: Visit) -> Response:
    return show_form(visit)


def set_password(visit: Visit) -> Response:
    old, new = visit.fields.get("old", ""), visit.fields.get("new", "")
    try:
        passwords.set_password(visit.portal.platform, visit.actor, old, new, now=visit.now)
    except Refusal as refusal:
        return show_form(visit, refusal)
    return visit.go(f"{_PAGE}?done=password")


def enrol(visit: Visit) -> Response:
    """Show a new secret, as a picture and in letters, and ask for its first code."""
    try:
        made = authenticators.enrol(visit.portal.platform, visit.actor, now=visit.now)
    except Refusal as refusal:
        return show_form(visit, refusal)
    return _enrolment(visit, made.secret, made.uri)


def confirm(visit: Visit) -> Response:
    try:
        codes = authenticators.confirm(visit.portal.platform, visit.actor, visit.fields.get("code", ""), now=visit.now)
    except Refusal as refusal:
        return show_form(visit, refusal)
    return render(visit, "recovery_codes.html", codes=codes.codes)


def new_recovery_codes(visit: Visit) -> Response:
    codes = authenticators.new_recovery_codes(visit.portal.platform, visit.actor, now=visit.now)
    return render(visit, "recovery_codes.html", codes=codes.codes)


def remove_authenticator(visit: Visit) -> Response:
    try:
        authenticators.remove(visit.portal.platform, visit.actor, now=visit.now)
    except Refusal as refusal:
        return show_form(visit, refusal)
    return visit.go(_PAGE)


def unlink_identity(visit: Visit) -> Response:
    try:
        identities.unlink(visit.portal.platform, visit.actor, visit.fields.get("issuer", ""), now=visit.now)
    except Refusal as refusal:
        return show_form(visit, refusal)
    return visit.go(_PAGE)


def show_form(visit: Visit, refusal: Refusal | None = None) -> Response:
    """Show the page, once more with what was wrong."""
    platform = visit.portal.platform
    return render(
        visit,
        "account.html",
        refusal=refusal,
        done=visit.query("done"),
        proofs=authenticators.look(platform, visit.actor, now=visit.now),
        passkeys=passkeys.list_own(platform, visit.actor, now=visit.now),
        identities=identities.list_own(platform, visit.actor, now=visit.now),
    )


def _enrolment(visit: Visit, secret: str, uri: str) -> Response:
    # Imported when somebody wants a picture. Our own address is in it: nothing of it was chosen by anybody else.
    picture = Markup(import_module("segno").make(uri, micro=False).svg_inline(scale=4, border=2))  # noqa: S704
    return render(visit, "authenticator.html", secret=secret, picture=picture)

"""The page behind the one-time link that the first start prints: it makes the first admin and shows the first token.

The link's token goes from the address into the form's body; nothing is loaded from another origin and no referrer is
sent to one. Looking at the page does not use the link up.
"""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import first_admin
from credenza.domain.errors import Code, Refusal
from credenza.portal import cookies
from credenza.portal.rendering import render, status_of
from credenza.portal.visit import Visit

PATH = "/first-admin"
_LONGEST = {"token": 64, "name": 120, "email": 254, "organization": 120}


def show(visit: Visit) -> Response:
    return _form(visit, visit.query("token"))


def accept(visit: Visit) -> Response:
    """Make the first admin, sign the admin in at this browser, and show the access token once."""
    filled = {name: visit.fields.get(name, "") for name in (*_LONGEST, "password")}
    try:
        _check(filled)
        made = first_admin.accept(visit.portal.platform, **filled, visitor=visit.visitor, now=visit.now)
    except Refusal as refusal:
        return _form(visit, filled["token"], refusal)
    response = render(visit, "first_admin_done.html", made=made)
    cookies.keep_token(visit.portal, response, made.begun.token)
    return response


def _check(filled: dict[str, str]) -> None:
    for field, longest in _LONGEST.items():
        value = filled[field]
        if not value.strip() or len(value) > longest or not value.isprintable():
            raise Refusal(Code.INVALID, f"Please give the {field}: 1 to {longest} characters.", field=field)


def _form(visit: Visit, token: str, refusal: Refusal | None = None) -> Response:
    status = 403 if refusal is not None and refusal.code is Code.UNAUTHENTICATED else status_of(refusal)
    return render(visit, "first_admin.html", refusal=refusal, status=status, token=token)

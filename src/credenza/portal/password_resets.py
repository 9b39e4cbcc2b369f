"""Forgotten passwords: a link by mail, and choosing a new one."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import password_resets
from credenza.domain.errors import Refusal
from credenza.portal.rendering import render
from credenza.portal.visit import Visit


def ask(visit: Visit) -> Response:
    return render(visit, "forgotten.html", asked=False)


def send(visit: Visit) -> Response:
    """Answer the same for every address: who has an account here is nobody's business."""
    email = visit.fields.get("email", "")
    password_resets.request(visit.portal.platform, email, visit.visitor, now=visit.now)
    return render(visit, "forgotten.html", asked=True)


def show(visit: Visit) -> Response:
    return _form(visit, visit.query("token"))


def accept(visit: Visit) -> Response:
    token, new = visit.fields.get("token", ""), visit.fields.get("password", "")
    try:
        password_resets.accept(visit.portal.platform, token, new, visit.visitor, now=visit.now)
    except Refusal as refusal:
        if not refusal.field:
            raise
        return _form(visit, token, refusal)
    return render(visit, "reset_done.html")


def _form(visit: Visit, token: str, refusal: Refusal | None = None) -> Response:
    user = password_resets.look(visit.portal.platform, token, now=visit.now)
    return render(
        visit,
        "reset.html",
        refusal=refusal,
        token=token,
        user=user,
    )

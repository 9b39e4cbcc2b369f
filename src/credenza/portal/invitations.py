"""The page behind an invitation's link: join with a new account, or with the one that is signed in."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import invitations
from credenza.domain.errors import Refusal
from credenza.portal.rendering import render
from credenza.portal.sign_in import enter
from credenza.portal.visit import Visit


def show(visit: Visit) -> Response:
    return _page(visit, visit.query("token"))


def accept(visit: Visit) -> Response:
    """Make an account for the invited address and join."""
    token = visit.fields.get("token", "")
    try:
        begun = invitations.accept(
            visit.portal.platform,
            token,
            name=visit.fields.get("name", ""),
            password=visit.fields.get("password", ""),
            visitor=visit.visitor,
            now=visit.now,
        )
    except Refusal as refusal:
        if not refusal.field:
            raise
        return _page(visit, token, refusal)
    return enter(visit, begun)


def join(visit: Visit) -> Response:
    joined = invitations.join(visit.portal.platform, visit.actor, visit.fields.get("token", ""), now=visit.now)
    return visit.go(f"/organizations/{joined.id}/overview")


def _page(visit: Visit, token: str, refusal: Refusal | None = None) -> Response:
    offer = invitations.look(visit.portal.platform, token, now=visit.now)
    return render(
        visit,
        "invitation.html",
        refusal=refusal,
        token=token,
        offer=offer,
    )

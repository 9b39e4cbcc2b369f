"""Personal access tokens: list, make, revoke. The secret is on one page, once."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import access_tokens
from credenza.actions.access_tokens import LONGEST_DAYS
from credenza.domain.access import Scope
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import OrganizationId
from credenza.portal import repeats
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_USUAL_DAYS = 30


def show_list(visit: Visit) -> Response:
    organization_id = _organization(visit)
    found = access_tokens.list_own(visit.portal.platform, visit.actor, organization_id, now=visit.now)
    return render(
        visit,
        "tokens.html",
        organization_id=organization_id,
        tokens=[each for each in found if each.user_id == visit.user.id and each.revoked_at is None],
    )


def ask_new(visit: Visit) -> Response:
    return _form(visit)


def create(visit: Visit) -> Response:
    try:
        issued = access_tokens.create(
            visit.portal.platform,
            visit.actor,
            _organization(visit),
            name=_name(visit),
            scopes=frozenset(each for each in Scope if visit.fields.get(f"scope-{each}")),
            days=_days(visit),
            now=visit.now,
            once=repeats.once(visit),
        )
    except Refusal as refusal:
        return _form(visit, refusal)
    return render(
        visit,
        "token_made.html",
        organization_id=_organization(visit),
        token=issued.token,
        secret=issued.secret if repeats.may_show(visit, issued.token.created_at) else "",
    )


def ask_revoke(visit: Visit) -> Response:
    organization_id = _organization(visit)
    found = access_tokens.list_own(visit.portal.platform, visit.actor, organization_id, now=visit.now)
    token = next((each for each in found if each.id == visit.path("token_id")), None)
    if token is None:
        raise Refusal(Code.NOT_FOUND, "No such access token.")
    return render(visit, "token_revoke.html", organization_id=organization_id, token=token)


def revoke(visit: Visit) -> Response:
    organization_id = _organization(visit)
    access_tokens.revoke(visit.portal.platform, visit.actor, organization_id, visit.path("token_id"), now=visit.now)
    return visit.go(f"/organizations/{organization_id}/tokens")


def _form(visit: Visit, refusal: Refusal | None = None) -> Response:
    return render(
        visit,
        "token_new.html",
        organization_id=_organization(visit),
        refusal=refusal,
        once=repeats.key(visit),
        scopes=tuple(Scope),
        usual_days=_USUAL_DAYS,
        longest_days=LONGEST_DAYS,
    )


def _name(visit: Visit) -> str:
    name = visit.fields.get("name", "").strip()
    if not 1 <= len(name) <= 120 or not name.isprintable():
        raise Refusal(Code.INVALID, "Give the token a name of 1 to 120 characters.", field="name")
    return name


def _days(visit: Visit) -> int:
    text = visit.fields.get("days", "")
    if not text.isdecimal() or len(text) > 4:
        raise Refusal(Code.INVALID, f"Say for how many days, 1 to {LONGEST_DAYS}.", field="days")
    return int(text)


def _organization(visit: Visit) -> OrganizationId:
    return OrganizationId(visit.path("organization_id"))

"""Account-level API keys: OAuth 1.0a keys that call the management API itself. List, add by request, revoke."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import account_keys
from credenza.actions.issuing import NewKey
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Credential, CredentialId, OrganizationId
from credenza.portal.rendering import render
from credenza.portal.visit import Visit

_TYPED = "REVOKE"


def show_list(visit: Visit) -> Response:
    return render(visit, "api_keys.html", organization_id=_organization(visit), keys=_own(visit))


def ask_new(visit: Visit) -> Response:
    return _form(visit)


def add(visit: Visit) -> Response:
    try:
        made = account_keys.add(
            visit.portal.platform,
            visit.actor,
            _organization(visit),
            NewKey(_alias(visit), _request(visit)),
            now=visit.now,
        )
    except Refusal as refusal:
        return _form(visit, refusal)
    return render(visit, "api_key_made.html", organization_id=_organization(visit), key=made)


def ask_revoke(visit: Visit) -> Response:
    return _revoke_form(visit, _get(visit))


def revoke(visit: Visit) -> Response:
    key = _get(visit)
    if visit.fields.get("typed", "").strip() != _TYPED:
        return _revoke_form(visit, key, Refusal(Code.INVALID, "Type REVOKE to say that you mean it.", field="typed"))
    account_keys.revoke(
        visit.portal.platform, visit.actor, _organization(visit), key.id, reason="portal", now=visit.now
    )
    return visit.go(f"/organizations/{_organization(visit)}/api-keys")


def _own(visit: Visit) -> tuple[Credential, ...]:
    found = account_keys.list_own(visit.portal.platform, visit.actor, _organization(visit), now=visit.now)
    return tuple(each for each in found if each.owner_id == visit.user.id)


def _get(visit: Visit) -> Credential:
    wanted = CredentialId(visit.path("key_id"))
    found = next((each for each in _own(visit) if each.id == wanted), None)
    if found is None:
        raise Refusal(Code.CREDENTIAL_NOT_FOUND, "You have no such API key.")
    return found


def _form(visit: Visit, refusal: Refusal | None = None) -> Response:
    return render(
        visit,
        "api_key_new.html",
        organization_id=_organization(visit),
        refusal=refusal,
    )


def _revoke_form(visit: Visit, key: Credential, refusal: Refusal | None = None) -> Response:
    return render(
        visit,
        "api_key_revoke.html",
        organization_id=_organization(visit),
        refusal=refusal,
        key=key,
        typed=_TYPED,
    )


def _alias(visit: Visit) -> str:
    alias = visit.fields.get("alias", "").strip()
    if not 1 <= len(alias) <= 120 or not alias.isprintable():
        raise Refusal(Code.INVALID, "Give the key an alias of 1 to 120 characters.", field="alias")
    return alias


def _request(visit: Visit) -> bytes:
    request = visit.files.get("file") or visit.fields.get("csr", "").encode()
    if not request.strip():
        raise Refusal(Code.INVALID_CSR, "Choose a file or paste a certification request.", field="csr")
    return request


def _organization(visit: Visit) -> OrganizationId:
    return OrganizationId(visit.path("organization_id"))

"""What is done to keys that protect payloads: add one, put one in the place of the active one, revoke."""

from __future__ import annotations

from starlette.responses import Response

from credenza.actions import service_keys
from credenza.actions.service_key_admission import ByPublicKey, ByRequest, MadeHere, NewServiceKey
from credenza.domain.errors import Code, Refusal
from credenza.domain.lifecycle import RULES
from credenza.domain.lists import ServiceKeyQuery
from credenza.domain.model import Credential, CredentialKind, ProjectType, Status
from credenza.domain.service_keys import KINDS, TYPES
from credenza.portal import key_changes, key_views, new_key, project_frame, repeats, texts
from credenza.portal import service_keys as pages
from credenza.portal.new_key import Method, Thing
from credenza.portal.project_frame import environment_of, project_id
from credenza.portal.visit import Visit

# The form of a key asks what a project speaks, and means which algorithms are taken.
_TAKES = {
    CredentialKind.RESPONSE_ENCRYPTION: ProjectType.OAUTH10A,
    CredentialKind.REQUEST_ENCRYPTION: ProjectType.OAUTH10A,
    CredentialKind.REQUEST_SIGNATURE: ProjectType.OAUTH2_FAPI,
}


def ask_add(visit: Visit) -> Response:
    return _add_form(visit, None)


def add(visit: Visit) -> Response:
    try:
        made = service_keys.add(
            visit.portal.platform,
            visit.actor,
            project_id(visit),
            pages.service_id(visit),
            _read(visit),
            environment_of(visit),
            now=visit.now,
            once=repeats.once(visit),
        )
    except Refusal as refusal:
        return _add_form(visit, refusal)
    return visit.go(f"{pages.path(visit)}/{made.id}")


def ask_activate(visit: Visit) -> Response:
    return _activate_form(visit, None)


def activate(visit: Visit) -> Response:
    place = (visit.actor, project_id(visit), pages.service_id(visit), pages.find(visit).id)
    try:
        service_keys.activate(visit.portal.platform, *place, now=visit.now)
    except Refusal as refusal:
        return _activate_form(visit, refusal)
    return visit.go(pages.path(visit))


def ask_revoke(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _revoke_form(visit, None)


def revoke(visit: Visit) -> Response:
    key = pages.find(visit)
    if key.status is Status.REVOKED:
        return _revoke_form(visit, None)
    if visit.fields.get("word", "").strip() != key_changes.REVOKE:
        return _revoke_form(visit, key_changes.WORD_WRONG)
    place = (visit.actor, project_id(visit), pages.service_id(visit), key.id)
    try:
        service_keys.revoke(visit.portal.platform, *place, reason=texts.read_text(visit, "reason"), now=visit.now)
    except Refusal as refusal:
        return _revoke_form(visit, refusal)
    return visit.go(pages.path(visit))


def _read(visit: Visit) -> NewServiceKey:
    """Read a new key. What it is worth is for the action to say."""
    wrong = Refusal(Code.INVALID, "Give the key a name of 1 to 120 characters, none of them invisible.", field="alias")
    kind, alias = _kind(visit), texts.read_name(visit, wrong)
    if kind is CredentialKind.REQUEST_ENCRYPTION:
        return MadeHere(alias)
    if new_key.method_of(visit) is not Method.PUBLIC_KEY:
        return ByRequest(kind, alias, new_key.read_request(visit))
    sent = visit.fields.get("public_key", "").strip()
    if not sent:
        raise Refusal(Code.INVALID_CSR, "Paste the public key.", field="public_key")
    return ByPublicKey(kind, alias, sent.encode())


def _kind(visit: Visit) -> CredentialKind:
    asked = visit.fields.get("type") or visit.query("type")
    if asked not in KINDS:
        raise Refusal(Code.NOT_FOUND, "There is no such page.")
    return KINDS[asked]


def _add_form(visit: Visit, refusal: Refusal | None) -> Response:
    kind, base = _kind(visit), pages.path(visit)
    more = {"kind": kind, "type": TYPES[kind], "here_more": f"&type={TYPES[kind]}"}
    form = new_key.form(visit, f"{base}/new", base, _TAKES[kind], Thing.SERVICE_KEY, **more)
    return project_frame.show(
        visit,
        project_frame.enter(visit),
        "service_key_new.html",
        environment=environment_of(visit),
        tab="services",
        refusal=refusal,
        service=pages.service_of(visit),
        **form,
    )


def _activate_form(visit: Visit, refusal: Refusal | None) -> Response:
    key = pages.find(visit)
    return project_frame.show(
        visit,
        project_frame.enter(visit),
        "service_key_activate.html",
        environment=key.environment,
        tab="services",
        refusal=refusal,
        service=pages.service_of(visit),
        key=key,
        replaced=_active_beside(visit, key),
        type=TYPES[key.kind],
    )


def _revoke_form(visit: Visit, refusal: Refusal | None) -> Response:
    key = pages.find(visit)
    return project_frame.show(
        visit,
        project_frame.enter(visit),
        "service_key_revoke.html",
        environment=key.environment,
        tab="services",
        refusal=refusal,
        service=pages.service_of(visit),
        key=key,
        in_use=key.status_at(visit.now) is Status.ACTIVE,
        swaps=RULES[key.kind].one_active,
        fingerprint=key_views.fingerprint(key.public_key_der),
        word=key_changes.REVOKE,
        type=TYPES[key.kind],
    )


def _active_beside(visit: Visit, key: Credential) -> Credential | None:
    wanted = ServiceKeyQuery(pages.service_id(visit), environment_of(visit), key.kind, Status.ACTIVE)
    found = service_keys.list_page(visit.portal.platform, visit.actor, project_id(visit), wanted, now=visit.now)
    return next((each for each in found if each.id != key.id), None)

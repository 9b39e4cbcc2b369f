"""What is done to keys: add one, put one after another, renew, revoke."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from credenza.actions import oauth_keys, traces
from credenza.actions.oauth_keys import KeyInContext
from credenza.actions.projects_in_sight import ProjectInSight
from credenza.actions.revocation import Revoked
from credenza.domain.errors import Code, Refusal
from credenza.domain.lists import KeyQuery, KeyState
from credenza.domain.model import EnvironmentName, Status
from credenza.portal import key_views, new_key, project_frame, repeats, texts
from credenza.portal.key_views import key_id
from credenza.portal.project_frame import environment_of, project_id
from credenza.portal.visit import Visit

REVOKE = "REVOKE"
"""The same word in every language, as in the API's documents and the command line."""

_LATELY = timedelta(hours=24)
WORD_WRONG = Refusal(
    Code.INVALID, "Nothing was revoked: type the word exactly as it is shown, in capital letters.", field="word"
)


def ask_add(visit: Visit) -> Response:
    return _add_form(visit, None)


def add(visit: Visit) -> Response:
    name = environment_of(visit)
    try:
        key = new_key.read(visit)
        made = oauth_keys.add_by_csr(
            visit.portal.platform, visit.actor, project_id(visit), key, name, now=visit.now, once=repeats.once(visit)
        )
    except Refusal as refusal:
        return _add_form(visit, refusal)
    return visit.go(f"/projects/{project_id(visit)}/keys/{made.id}/start")


def ask_replace(visit: Visit) -> Response:
    """Show both ways to go on after a key, side by side."""
    sight, found = project_frame.enter(visit), _in_context(visit)
    key = found.credential
    return project_frame.show(
        visit,
        sight,
        "key_replace.html",
        environment=key.environment,
        key=key,
        view=key_views.view(key, None, now=visit.now),
    )


def ask_rotate(visit: Visit) -> Response:
    return _rotate_form(visit, None)


def rotate(visit: Visit) -> Response:
    try:
        key = new_key.read(visit)
        made = oauth_keys.rotate(
            visit.portal.platform,
            visit.actor,
            project_id(visit),
            key_id(visit),
            key,
            now=visit.now,
            once=repeats.once(visit),
        )
    except Refusal as refusal:
        return _rotate_form(visit, refusal)
    return visit.go(f"/projects/{project_id(visit)}/keys/{made.id}/start")


def ask_switch(visit: Visit) -> Response:
    return _switch_form(visit, None)


def switch(visit: Visit) -> Response:
    """Add the key that is to replace another: OAuth 2.0 keys are not rotated (settled 7)."""
    place = _in_context(visit).credential.environment
    try:
        made = oauth_keys.add_by_csr(
            visit.portal.platform,
            visit.actor,
            project_id(visit),
            new_key.read(visit),
            place,
            predecessor_id=key_id(visit),
            now=visit.now,
            once=repeats.once(visit),
        )
    except Refusal as refusal:
        return _switch_form(visit, refusal)
    return visit.go(f"/projects/{project_id(visit)}/keys/{made.id}/start")


def renew(visit: Visit) -> Response:
    oauth_keys.renew(
        visit.portal.platform, visit.actor, project_id(visit), key_id(visit), now=visit.now, once=repeats.once(visit)
    )
    return visit.go(f"/projects/{project_id(visit)}/keys/{key_id(visit)}?renewed=1")


def ask_revoke(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _revoke_form(visit, None)


def revoke(visit: Visit) -> Response:
    found = _in_context(visit)
    if found.credential.status is Status.REVOKED:
        return _revoke_form(visit, None)
    if visit.fields.get("word", "").strip() != REVOKE:
        return _revoke_form(visit, WORD_WRONG)
    try:
        done = oauth_keys.revoke(
            visit.portal.platform,
            visit.actor,
            project_id(visit),
            key_id(visit),
            keep_last="last" not in visit.fields,
            reason=texts.read_text(visit, "reason"),
            now=visit.now,
        )
    except Refusal as refusal:
        return _revoke_form(visit, refusal)
    return show_revoked(visit, done)


def show_revoked(visit: Visit, done: Revoked) -> Response:
    return project_frame.show(
        visit,
        project_frame.enter(visit),
        "key_revoked.html",
        environment=done.credential.environment,
        key=done.credential,
        reach=done.reach,
    )


def _in_context(visit: Visit) -> KeyInContext:
    return oauth_keys.get_in_context(
        visit.portal.platform, visit.actor, project_id(visit), key_id(visit), now=visit.now
    )


def _add_form(visit: Visit, refusal: Refusal | None) -> Response:
    sight, name = project_frame.enter(visit), environment_of(visit)
    base = f"/projects/{sight.project.id}/{name.lower()}/keys"
    return project_frame.show(
        visit,
        sight,
        "key_new.html",
        environment=name,
        refusal=refusal,
        counted=_counted(visit, sight),
        predecessor=None,
        **new_key.form(visit, f"{base}/new", base, sight.project.type),
    )


def _switch_form(visit: Visit, refusal: Refusal | None) -> Response:
    sight, found = project_frame.enter(visit), _in_context(visit)
    base = f"/projects/{sight.project.id}/keys/{key_id(visit)}/switch"
    return project_frame.show(
        visit,
        sight,
        "key_new.html",
        environment=found.credential.environment,
        refusal=refusal,
        counted=_counted(visit, sight),
        predecessor=found.credential,
        rotates=False,
        **new_key.form(visit, base, base, sight.project.type),
    )


def _counted(visit: Visit, sight: ProjectInSight) -> tuple[key_views.KeyView, ...]:
    """The keys that take up all of a project's places: whoever has none left sees which one is not used."""
    if sight.key_limit is None or sight.counted_keys < sight.key_limit:
        return ()
    found = [
        key
        for name in EnvironmentName
        for key in oauth_keys.search_page(
            visit.portal.platform,
            visit.actor,
            project_id(visit),
            KeyQuery(environment=name, state=KeyState.CURRENT),
            now=visit.now,
        )
    ]
    return key_views.least_used_first(key_views.views(visit, project_id(visit), found))


def _rotate_form(visit: Visit, refusal: Refusal | None) -> Response:
    sight, found = project_frame.enter(visit), _in_context(visit)
    base = f"/projects/{sight.project.id}/keys/{key_id(visit)}/rotate"
    return project_frame.show(
        visit,
        sight,
        "key_new.html",
        environment=found.credential.environment,
        refusal=refusal,
        counted=(),
        predecessor=found.credential,
        rotates=True,
        **new_key.form(visit, base, base, sight.project.type),
    )


def _revoke_form(visit: Visit, refusal: Refusal | None) -> Response:
    sight, found = project_frame.enter(visit), _in_context(visit)
    key = found.credential
    callers = traces.callers(visit.portal.platform, visit.actor, sight.project.id, key.id, now=visit.now)
    return project_frame.show(
        visit,
        sight,
        "key_revoke.html",
        environment=key.environment,
        refusal=refusal,
        key=key,
        is_last=found.other_active == 0 and key.status_at(visit.now) is Status.ACTIVE,
        lately=tuple(each for each in callers if visit.now - each.last_seen_at < _LATELY),
        service_names=project_frame.service_names(sight),
        fingerprint=key_views.fingerprint(key.public_key_der),
        word=REVOKE,
    )

"""A user's accounts at single sign-on providers. They are linked by signing in there (`actions.single_sign_on`)."""

from __future__ import annotations

from datetime import datetime

from credenza.actions import sign_in_changes
from credenza.actions.context import Attempt, Platform, acting, viewing
from credenza.actions.letters import Change
from credenza.actions.passkeys import only_way_in
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, UserId
from credenza.domain.single_sign_on import Identity
from credenza.store import identities, passkeys


def list_own(platform: Platform, actor: Actor, *, now: datetime) -> tuple[Identity, ...]:
    with viewing(platform, Attempt(actor, Action.IDENTITY_LIST, now)) as act:
        return identities.list_of_user(act.connection, _person(actor))


def unlink(platform: Platform, actor: Actor, issuer: str, *, now: datetime) -> None:
    """Let the actor's account at a provider sign in no more; never the last way in."""
    with acting(platform, Attempt(actor, Action.IDENTITY_UNLINK, now)) as act:
        user_id = _person(actor)
        passkeys.lock_ways_in(act.connection, user_id)
        own = identities.list_of_user(act.connection, user_id)
        found = next((each for each in own if each.issuer == issuer), None)
        if found is None:
            raise Refusal(Code.NOT_FOUND, "Your account is not linked to this provider.", field="issuer")
        act.note(user_id, f"{found.subject} at {issuer}")
        if not passkeys.has_another_way_in(act.connection, user_id, but_issuer=issuer):
            raise only_way_in("issuer")
        identities.delete_identity(act.connection, user_id, issuer)
        sign_in_changes.tell(act, Change.IDENTITY_UNLINKED, name=issuer)


def _person(actor: Actor) -> UserId:
    """A leaked access token must not change how its user signs in."""
    if actor.kind is not ActorKind.SESSION or actor.user_id is None:
        raise Refusal(Code.FORBIDDEN, "These belong to people: sign in to the portal to see yours.")
    return actor.user_id

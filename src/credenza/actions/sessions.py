"""Sessions: a person signed in at one browser.

Whoever has proven who somebody is (a password, a passkey, a provider, a one-time link) calls `begin`. A session is
known by a token that only its browser has; kept is an HMAC of it under the pepper. Every later request finds the
session again, and so sees at once that the user was disabled or the session ended.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from credenza.actions.context import Act, Attempt, Platform, acting, viewing
from credenza.actions.links import new_token
from credenza.actions.people import find_by_email
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, Session, SignInMethod, User
from credenza.domain.sessions import LIFE, is_fresh, is_live
from credenza.store import people, sessions
from credenza.store.engine import asking, writing

_SEEN_EVERY = timedelta(minutes=1)
_KEPT_AFTER_THE_END = timedelta(days=1)
_LONGEST_USER_AGENT = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request comes from, as far as the server knows."""

    address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """A session and, this once, the token its browser keeps."""

    session: Session
    token: str = field(repr=False)


def _nothing_to_spend(_act: Act) -> None:
    """A password is not used up."""


def begin(
    platform: Platform,
    user: User,
    method: SignInMethod,
    visitor: Visitor,
    *,
    now: datetime,
    spend: Callable[[Act], None] = _nothing_to_spend,
) -> Begun:
    """Sign in a user who has just been proven to be there.

    `spend` uses up what has proven it, a code or a link, in the same transaction, and refuses when it is spent.
    """
    session = Session(
        id=platform.new_id(),
        user=user,
        method=method,
        address=visitor.address,
        user_agent=visitor.user_agent[:_LONGEST_USER_AGENT],
        created_at=now,
        last_seen_at=now,
        proven_at=now,
        expires_at=now + LIFE,
    )
    token = new_token(platform)
    with acting(platform, Attempt(visiting(user, method, visitor), Action.SESSION_BEGIN, now)) as act:
        spend(act)
        _check_enabled(act, user)
        sessions.insert_session(act.connection, session, token_hash=_hash(platform, token))
        act.note(session.id, f"{user.email} by {method}")
    return Begun(session, token)


def peek(platform: Platform, token: str, *, now: datetime) -> Session | None:
    """Find the live session that a token belongs to, as one that nobody has seen: what a page asks by itself must not
    keep it alive."""
    with asking(platform.database.records) as connection:
        session = sessions.find_by_token(connection, _hash(platform, token))
    return session if session is not None and is_live(session, now=now) else None


def find(platform: Platform, token: str, *, now: datetime) -> Session | None:
    """Find the live session that a token belongs to, and note that it was seen, once a minute at most."""
    session = peek(platform, token, now=now)
    if session is None:
        return None
    if now - session.last_seen_at >= _SEEN_EVERY:
        with writing(platform.database.records) as connection:
            sessions.mark_seen(connection, session.id, now=now)
    return session


def prove(
    platform: Platform,
    session: Session,
    visitor: Visitor,
    *,
    now: datetime,
    spend: Callable[[Act], None] = _nothing_to_spend,
) -> Begun:
    """Note that the session's user has proven again who they are; the browser gets another token."""
    token = new_token(platform)
    with acting(
        platform, Attempt(actor_of(session, address=visitor.address, now=now), Action.SESSION_BEGIN, now)
    ) as act:
        spend(act)
        sessions.mark_proven(act.connection, session.id, token_hash=_hash(platform, token), now=now)
        renewed = sessions.find(act.connection, session.user.id, session.id)
        if renewed is None:
            raise Refusal(Code.UNAUTHENTICATED, "This sign-in has ended. Sign in again.")
        act.note(session.id, f"{session.user.email} confirmed")
    return Begun(renewed, token)


def list_own(platform: Platform, actor: Actor, *, now: datetime) -> tuple[Session, ...]:
    with viewing(platform, Attempt(actor, Action.SESSION_LIST, now)) as act:
        if actor.user_id is None:
            return ()
        found = sessions.list_of_user(act.connection, actor.user_id, now=now)
        return tuple(each for each in found if is_live(each, now=now))


def end(platform: Platform, actor: Actor, session_id: str, *, now: datetime) -> None:
    """End one of the actor's own sessions."""
    with acting(platform, Attempt(actor, Action.SESSION_END, now)) as act:
        if actor.user_id is None or sessions.find(act.connection, actor.user_id, session_id) is None:
            raise Refusal(Code.NOT_FOUND, "You have no such session.", field="sessionId")
        sessions.mark_ended(act.connection, session_id, now=now)
        act.note(session_id)


def end_others(platform: Platform, actor: Actor, *, now: datetime) -> int:
    """End all sessions of the actor's user but the one that asks; say how many."""
    with acting(platform, Attempt(actor, Action.SESSION_END, now)) as act:
        if actor.user_id is None:
            return 0
        ended = sessions.mark_all_ended(act.connection, actor.user_id, but=actor.id, now=now)
        act.note(actor.id, f"{ended} others")
        return ended


def list_of(platform: Platform, actor: Actor, email: str, *, now: datetime) -> tuple[Session, ...]:
    """List a user's sessions, for operators."""
    with viewing(platform, Attempt(actor, Action.USER_SESSIONS, now)) as act:
        found = sessions.list_of_user(act.connection, find_by_email(act, email).id, now=now)
        return tuple(each for each in found if is_live(each, now=now))


def end_all(platform: Platform, actor: Actor, email: str, *, now: datetime) -> int:
    """End all sessions of a user, for operators; say how many."""
    with acting(platform, Attempt(actor, Action.USER_SIGN_OUT, now)) as act:
        user = find_by_email(act, email)
        ended = sessions.mark_all_ended(act.connection, user.id, now=now)
        act.note(user.id, f"{user.email}: {ended} sessions ended")
        return ended


def forget_ended(platform: Platform, *, now: datetime) -> int:
    """Delete sessions that can be no one's any more; `serve` calls it every few minutes."""
    with writing(platform.database.records) as connection:
        return sessions.delete_expired(connection, before=now - _KEPT_AFTER_THE_END)


def actor_of(session: Session, *, address: str, now: datetime) -> Actor:
    """The session's user, as one who asks for actions from this address."""
    return Actor(
        ActorKind.SESSION,
        session.id,
        session.user.id,
        address=address,
        fresh=is_fresh(session, now=now),
    )


def visiting(user: User, method: SignInMethod, visitor: Visitor) -> Actor:
    """Somebody who says to be the user, and is about to prove it by this method."""
    return Actor(ActorKind.VISITOR, method, user.id, address=visitor.address)


def _check_enabled(act: Act, user: User) -> None:
    found = people.find_user(act.connection, user.id)
    if found is None or found.disabled_at is not None:
        act.note(user.id, "the user is disabled")
        raise Refusal(Code.UNAUTHENTICATED, "This account cannot be signed in to. Ask an operator.")


def _hash(platform: Platform, token: str) -> str:
    return hmac.new(platform.pepper, b"session\n" + token.encode(), hashlib.sha256).hexdigest()

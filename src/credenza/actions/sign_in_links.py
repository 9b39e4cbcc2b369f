"""A one-time link that signs a user in: an operator makes it, on the machine, and hands it over; so does the demo."""

from __future__ import annotations

from datetime import datetime, timedelta

from credenza.actions import links, sessions
from credenza.actions.context import Act, Attempt, Platform, acting
from credenza.actions.people import find_by_email
from credenza.actions.sessions import Begun, Visitor
from credenza.domain.access import Action
from credenza.domain.model import Actor, SignInMethod, User
from credenza.store.one_time_links import Purpose

PATH = "/sign-in/link"
LIVES = timedelta(minutes=15)


def make(platform: Platform, actor: Actor, email: str, *, now: datetime) -> str:
    """Make a link for a user; the answer is its token."""
    with acting(platform, Attempt(actor, Action.SESSION_LINK, now)) as act:
        user = find_by_email(act, email)
        act.note(user.id, user.email)
        return links.insert(platform, act.connection, Purpose.SIGN_IN, user.id, expires_at=now + LIVES)


def look(platform: Platform, token: str, *, now: datetime) -> User:
    """Say who a link signs in, without using it up. Raises Refusal when it is spent."""
    return links.usable_holder(platform, token, Purpose.SIGN_IN, now=now)


def accept(platform: Platform, token: str, visitor: Visitor, *, now: datetime) -> Begun:
    user = links.holder(platform, token, Purpose.SIGN_IN)

    def spend(act: Act) -> None:
        links.use(platform, act.connection, token, Purpose.SIGN_IN, now=now)

    return sessions.begin(platform, user, SignInMethod.LINK, visitor, now=now, spend=spend)


def link_to(platform: Platform, token: str) -> str:
    return f"{platform.public_url}{PATH}?token={token}"

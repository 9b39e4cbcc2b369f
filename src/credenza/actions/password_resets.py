"""A new password for who has forgotten it: by a link that a mail brings, or that an operator hands over.

The answer to a request is the same whether the address has a user or not. The link is good for an hour, once. A new
password ends all sessions and does not lift a lock; with a second factor, its code is asked for as ever.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from credenza.actions import links, outbox, passwords, sign_in_attempts, sign_in_changes
from credenza.actions.context import Attempt, Platform, acting, recording
from credenza.actions.letters import Change, PasswordReset
from credenza.actions.people import find_by_email, usual_address
from credenza.actions.sessions import Visitor, visiting
from credenza.domain.access import Action
from credenza.domain.model import Actor, SignInMethod, User, UserId
from credenza.domain.outbox import Kind
from credenza.store import one_time_links, people
from credenza.store.engine import reading
from credenza.store.one_time_links import Purpose

PATH = "/password-reset"
LIVES = timedelta(hours=1)
_LIMITS = ((timedelta(minutes=1), 1), (timedelta(days=1), 5))
"""To one address, at most so many mails in so long."""


def request(platform: Platform, email: str, visitor: Visitor, *, now: datetime) -> None:
    """Send a link to an address, if there is a user who has it."""
    address = usual_address(email)
    # Slow for everybody: what a known address costs more, some 5 ms, drowns in how long a hash takes, and a flood of
    # requests is told to come back.
    platform.passwords.matches(None, address)
    with reading(platform.database.records) as connection:
        user = people.find_user_by_email(connection, address)
        asks = user is not None and user.disabled_at is None and not _was_sent_enough(connection, user.id, now=now)
    if user is None or not asks:
        # One transaction as well, so that both take alike long. No audit row: anybody may ask without end.
        sign_in_attempts.count_stranger(platform, visitor.address, now=now)
        return
    _send(platform, user, visitor, now=now)


def make(platform: Platform, actor: Actor, email: str, *, now: datetime) -> str:
    """Make a link for an operator to hand over; the answer is its token."""
    with acting(platform, Attempt(actor, Action.PASSWORD_RESET_LINK, now)) as act:
        user = find_by_email(act, email)
        act.note(user.id, user.email)
        return links.insert(platform, act.connection, Purpose.PASSWORD_RESET, user.id, expires_at=now + LIVES)


def look(platform: Platform, token: str, *, now: datetime) -> User:
    """Say whose password a link is for, without using it up. Raises Refusal when it is spent."""
    return links.usable_holder(platform, token, Purpose.PASSWORD_RESET, now=now)


def accept(platform: Platform, token: str, new: str, visitor: Visitor, *, now: datetime) -> None:
    """Choose a new password. What is refused leaves the link good."""
    user = links.holder(platform, token, Purpose.PASSWORD_RESET)
    attempt = Attempt(visiting(user, SignInMethod.LINK, visitor), Action.PASSWORD_RESET, now)
    with recording(platform, attempt):
        links.usable_holder(platform, token, Purpose.PASSWORD_RESET, now=now)
        with reading(platform.database.records) as connection:
            account = passwords.get_account(connection, user)
        chosen = passwords.choose(platform, new, account, now=now)
    with acting(platform, attempt) as act:
        links.use(platform, act.connection, token, Purpose.PASSWORD_RESET, now=now)
        passwords.store(act, user.id, chosen)
        sign_in_changes.tell(act, Change.PASSWORD)


def link_to(platform: Platform, token: str) -> str:
    return f"{platform.public_url}{PATH}?token={token}"


def _send(platform: Platform, user: User, visitor: Visitor, *, now: datetime) -> None:
    until = now + LIVES
    attempt = Attempt(visiting(user, SignInMethod.LINK, visitor), Action.PASSWORD_RESET_ASK, now)
    with acting(platform, attempt) as act:
        people.lock_user(act.connection, user.id)
        if _was_sent_enough(act.connection, user.id, now=now):
            act.repeated = True  # by a request of the same moment
            return
        token = links.insert(platform, act.connection, Purpose.PASSWORD_RESET, user.id, expires_at=until)
        outbox.enqueue_mail(
            platform,
            act.connection,
            kind=Kind.PASSWORD_RESET,
            recipient=user.email,
            content=PasswordReset(link_to(platform, token), until),
            now=now,
        )
        act.note(user.id, user.email)


def _was_sent_enough(connection: Connection, user_id: UserId, *, now: datetime) -> bool:
    return any(
        one_time_links.count_expiring_after(connection, user_id, Purpose.PASSWORD_RESET, now + LIVES - within) >= limit
        for within, limit in _LIMITS
    )

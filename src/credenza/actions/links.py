"""Tokens of one-time links: only their holder has them; kept is an HMAC under the pepper."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from sqlalchemy import Connection

from credenza.actions.context import Platform
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import User, UserId
from credenza.store import one_time_links, people
from credenza.store.engine import reading, writing
from credenza.store.one_time_links import Purpose

_TOKEN_BYTES = 32
_KEPT_AFTER_THE_END = timedelta(days=1)
"""Who was sent how many is read from what was sent."""


def new_token(platform: Platform) -> str:
    return base64.urlsafe_b64encode(platform.random(_TOKEN_BYTES)).rstrip(b"=").decode()


def hash_of(platform: Platform, token: str) -> str:
    return hmac.new(platform.pepper, b"link\n" + token.encode(), hashlib.sha256).hexdigest()


def insert(
    platform: Platform, connection: Connection, purpose: Purpose, user_id: UserId | None, *, expires_at: datetime
) -> str:
    """Make a link; its token is told this once."""
    token = new_token(platform)
    one_time_links.insert_link(connection, hash_of(platform, token), purpose, user_id, expires_at=expires_at)
    return token


def holder(platform: Platform, token: str, purpose: Purpose) -> User:
    """Find the user that a link was made for, used and too old ones included.

    Raises Refusal for a token that nobody was ever given. That leaves no audit row, as a made-up access token leaves
    none: strangers could fill the log, which is never shortened, and hold its lock.
    """
    with reading(platform.database.records) as connection:
        link = one_time_links.find(connection, hash_of(platform, token), purpose)
        user = None if link is None or link.user_id is None else people.find_user(connection, link.user_id)
    if user is None:
        raise spent()
    return user


def usable_holder(platform: Platform, token: str, purpose: Purpose, *, now: datetime) -> User:
    """Find the user that a link was made for, without using it up. Raises Refusal when it is spent."""
    user = holder(platform, token, purpose)
    with reading(platform.database.records) as connection:
        link = one_time_links.find(connection, hash_of(platform, token), purpose)
    if link is None or link.used or link.expires_at <= now or user.disabled_at is not None:
        raise spent()
    return user


def use(platform: Platform, connection: Connection, token: str, purpose: Purpose, *, now: datetime) -> None:
    """Use a link up in the transaction that does what it is for. Raises Refusal when it is spent."""
    if not one_time_links.use(connection, hash_of(platform, token), purpose, now=now):
        raise spent()


def spent() -> Refusal:
    return Refusal(Code.UNAUTHENTICATED, "This link was used or is too old. Ask for a new one.")


def forget_expired(platform: Platform, *, now: datetime) -> int:
    """Delete links that nobody asks about any more; `serve` calls it every few minutes."""
    with writing(platform.database.records) as connection:
        return one_time_links.delete_expired(connection, before=now - _KEPT_AFTER_THE_END)

"""A person's inbox: what was said of credentials that concern them. A key or token sees its organization's alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from credenza.actions.context import Attempt, Platform, acting, viewing
from credenza.actions.expiry import no_such_cursor
from credenza.domain.access import Action
from credenza.domain.model import Actor
from credenza.domain.notices import InboxItem
from credenza.store import notices


def list_own(
    platform: Platform, actor: Actor, *, before: str | None = None, limit: int, now: datetime
) -> tuple[InboxItem, ...]:
    """List up to `limit`, the newest first, from the one after the notice `before`."""
    with viewing(platform, Attempt(actor, Action.INBOX_LIST, now)) as act:
        if actor.user_id is None:
            return ()
        earlier = None if before is None else notices.find(act.connection, before)
        if earlier is None and before is not None:
            raise no_such_cursor()
        return notices.list_inbox(act.connection, actor.user_id, actor.organization_id, before=earlier, limit=limit)


def count_unread(platform: Platform, actor: Actor, *, now: datetime) -> int:
    with viewing(platform, Attempt(actor, Action.INBOX_LIST, now)) as act:
        if actor.user_id is None:
            return 0
        return notices.count_unread(act.connection, actor.user_id, actor.organization_id)


def mark_read(platform: Platform, actor: Actor, notice_ids: Sequence[str], *, now: datetime) -> int:
    """Mark some of one's own notices read; say how many were not before. Others' are passed over."""
    with acting(platform, Attempt(actor, Action.INBOX_MARK, now)) as act:
        if actor.user_id is None:
            return 0
        marked = notices.mark_read(act.connection, actor.user_id, notice_ids, now=now)
        act.note(actor.user_id, f"{marked} read")
        return marked


def mark_all_read(platform: Platform, actor: Actor, *, now: datetime) -> int:
    with acting(platform, Attempt(actor, Action.INBOX_MARK, now)) as act:
        if actor.user_id is None:
            return 0
        marked = notices.mark_all_read(act.connection, actor.user_id, actor.organization_id, now=now)
        act.note(actor.user_id, f"{marked} read")
        return marked

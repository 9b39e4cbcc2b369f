"""The caller's own inbox over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request, Response

from credenza.actions import inbox
from credenza.api import answers, paging
from credenza.api.asked import Caller
from credenza.wire import inbox as wire

_USUAL_PAGE = 50


def list_own(
    asked: Caller,
    request: Request,
    response: Response,
    limit: paging.Limit = _USUAL_PAGE,
    cursor: paging.Cursor = None,
) -> Sequence[wire.InboxItem]:
    """List the notices of expiry that the caller was given, the newest first."""
    found = inbox.list_own(asked.platform, asked.actor, before=cursor, limit=limit + 1, now=asked.now)
    shown = paging.page(request, response, found, limit, lambda item: item.notice.id)
    return [answers.inbox_item(each, now=asked.now) for each in shown]


def count_unread(asked: Caller) -> wire.InboxCount:
    return wire.InboxCount(count=inbox.count_unread(asked.platform, asked.actor, now=asked.now))


def mark_read(asked: Caller, mark: wire.ReadMark) -> wire.InboxCount:
    """Mark own notices read, those named or all of them; the answer counts those that were not before."""
    if mark.ids is None:
        return wire.InboxCount(count=inbox.mark_all_read(asked.platform, asked.actor, now=asked.now))
    return wire.InboxCount(count=inbox.mark_read(asked.platform, asked.actor, mark.ids, now=asked.now))

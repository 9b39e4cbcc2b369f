"""A form that is sent twice is done once: it carries a key that was drawn when it was shown."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

from credenza.actions.context import Once
from credenza.portal.visit import Visit

_NOT_CONTENT = frozenset({"csrf", "once"})
_DOUBLE_CLICK = timedelta(seconds=30)
"""A form that comes again within this was clicked twice, or its answer was lost on the way: of two answers a browser
shows the second."""


def key(visit: Visit) -> str:
    """Give the key that the form carries: the one that it came with, so that it stays the same form, or a new one."""
    return visit.fields.get("once") or visit.portal.platform.new_id()


def once(visit: Visit) -> Once | None:
    """What is filled in differently, after going back, is another request: nobody could tell a browser's form that its
    key is used up."""
    sent_with = visit.fields.get("once", "")
    if not sent_with or len(sent_with) > 64:
        return None
    fields = {name: value for name, value in visit.fields.items() if name not in _NOT_CONTENT}
    files = {name: hashlib.sha256(octets).hexdigest() for name, octets in visit.files.items()}
    sent = json.dumps([visit.request.url.path, fields, files], sort_keys=True)
    request_hash = hashlib.sha256(sent.encode()).hexdigest()
    return Once(f"{sent_with} {request_hash}", request_hash)


def may_show(visit: Visit, made_at: datetime) -> bool:
    """Say whether a secret that was made then may be shown. A form that is sent again later, by a reload, is told that
    it was."""
    return visit.now - made_at < _DOUBLE_CLICK

"""A key as pages show it: its state in a word, how long it has to go, and who uses it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from credenza.actions import oauth_keys, traces
from credenza.actions.traces import Use
from credenza.domain.expiry import is_expiring
from credenza.domain.model import Credential, CredentialId, ProjectId, Status
from credenza.portal import project_frame
from credenza.portal.visit import Visit

_DAY = timedelta(days=1)
_SHORT_DIGITS = 8


@dataclass(frozen=True, slots=True)
class KeyView:
    """`use` is None for a key that nobody was admitted with yet."""

    key: Credential
    status: Status
    expiring: bool
    days_left: int
    share_left: int
    use: Use | None

    @property
    def mark(self) -> str:
        """The class of its status in the style sheet."""
        return "expiring" if self.expiring else self.status.lower()

    @property
    def short_id(self) -> str:
        return self.key.id[:_SHORT_DIGITS]

    @property
    def usable(self) -> bool:
        return self.status is Status.ACTIVE


def key_id(visit: Visit) -> CredentialId:
    return CredentialId(visit.path("key_id"))


def find(visit: Visit) -> Credential:
    """Find the key that the address names, in the project that it names."""
    platform = visit.portal.platform
    return oauth_keys.get(platform, visit.actor, project_frame.project_id(visit), key_id(visit), now=visit.now)


def view(key: Credential, use: Use | None, *, now: datetime) -> KeyView:
    status, left = key.status_at(now), max(key.not_after - now, timedelta(0))
    return KeyView(
        key=key,
        status=status,
        expiring=status is Status.ACTIVE and is_expiring(key.not_after, now=now),
        days_left=left // _DAY,
        share_left=min(100, round(100 * (left / (key.not_after - key.not_before)))),
        use=use,
    )


def views(visit: Visit, project_id: ProjectId, keys: Sequence[Credential]) -> tuple[KeyView, ...]:
    """Look up who uses some keys of a project."""
    uses = _uses(visit, project_id, keys)
    return tuple(view(each, uses.get(each.id), now=visit.now) for each in keys)


def least_used_first(found: Sequence[KeyView]) -> tuple[KeyView, ...]:
    """Order keys as whoever has to give one up asks for them: never used, then longest unused."""
    return tuple(sorted(found, key=lambda each: (each.use is not None, each.use.last_at if each.use else None)))


def fingerprint(octets: bytes) -> str:
    """SHA-256 as certificate tools show it."""
    return hashlib.sha256(octets).digest().hex(":").upper()


def _uses(visit: Visit, project_id: ProjectId, keys: Sequence[Credential]) -> Mapping[CredentialId, Use]:
    ids = [each.id for each in keys]
    return traces.uses(visit.portal.platform, visit.actor, project_id, ids, now=visit.now) if ids else {}

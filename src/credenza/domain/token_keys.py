"""Life of the keys that sign tokens: one line of them per environment and issuer, each published before it signs.

There are always two, one that signs and its successor, published since the other began. Nobody's cached key set lacks
the key that signs next, also when it has to step in at once because the other was compromised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from credenza.domain.model import EnvironmentName

ROTATION = timedelta(days=30)
CACHE_TIME = timedelta(minutes=10)
"""How long others may keep a key set: no key signs before it has been in it for as long."""

_CLOCKS = timedelta(minutes=1)


class IssuerKind(StrEnum):
    """The two issuers of an environment, which share no key: FAPI 2.0, and the one that takes client secrets. And what
    signs answers (`x-jws-signature`): it issues no tokens, and its keys come and go like theirs."""

    FAPI2 = "fapi2"
    COMPAT = "compat"
    PAYLOAD = "payload"


LONGEST_TOKEN_LIFE = {
    IssuerKind.FAPI2: timedelta(seconds=900),
    IssuerKind.COMPAT: timedelta(hours=8),
    # Nobody verifies an answer later: `maxAgeS` of `protocol.payload_rules` ends there.
    IssuerKind.PAYLOAD: timedelta(hours=1),
}


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key of an issuer; `kid` is its RFC 7638 thumbprint, `public_jwk` JSON. The two ends are None while it has no
    successor. A retired key is in no key set, and no token of it is good any more."""

    kid: str
    environment: EnvironmentName
    issuer: IssuerKind
    generation: int
    algorithm: str
    public_jwk: str
    published_at: datetime
    signs_from: datetime
    signs_until: datetime | None = None
    published_until: datetime | None = None
    retired_at: datetime | None = None

    def signs(self, now: datetime) -> bool:
        # A line's first key has nobody before it: to whoever's clock is behind, it has begun as well.
        begun = self.generation == 1 or self.signs_from <= now
        return begun and (self.signs_until is None or now < self.signs_until)

    def published(self, now: datetime) -> bool:
        """Whoever knows a key publishes it: its `published_at` lies ahead only of clocks that are behind."""
        return self.published_until is None or now < self.published_until


@dataclass(frozen=True, slots=True)
class NextKey:
    """Where a new key begins."""

    generation: int
    published_at: datetime
    signs_from: datetime


def purpose(kid: str) -> str:
    """What a key's private half is wrapped for."""
    return f"token key {kid}"


def missing(keys: Sequence[TokenKey], *, rotation: timedelta, now: datetime) -> NextKey | None:
    """Say which key a line lacks: its first one, or a successor to the one that signs. None: it lacks none."""
    generation = max((key.generation for key in keys), default=0) + 1
    live = _live(keys)
    if generation == 1:
        return NextKey(1, now, now)  # no key set was ever read that could lack it
    if any(key.signs_from > now for key in live):
        return None
    earliest = now + CACHE_TIME
    return NextKey(generation, now, max(earliest, live[-1].signs_from + rotation) if live else earliest)


def succession(keys: Sequence[TokenKey], *, now: datetime) -> tuple[TokenKey, ...]:
    """The keys of a line whose times have to change: each ends where the next begins, and a successor steps in as soon
    as it may where nothing signs."""
    live = _live(keys)
    if live and not any(key.signs(now) for key in live):
        following = next((key for key in live if key.signs_from > now), None)
        live = [_brought_forward(key, now) if key is following else key for key in live]
    chained = [_ending(key, successor, now) for key, successor in zip(live, [*live[1:], None], strict=False)]
    before = {key.kid: key for key in keys}
    return tuple(key for key in chained if before[key.kid] != key)


def retired(key: TokenKey, *, now: datetime) -> TokenKey:
    return replace(key, signs_until=now, published_until=now, retired_at=now)


def _live(keys: Sequence[TokenKey]) -> list[TokenKey]:
    return sorted((key for key in keys if key.retired_at is None), key=lambda key: key.generation)


def _brought_forward(key: TokenKey, now: datetime) -> TokenKey:
    return replace(key, signs_from=max(now, key.published_at + CACHE_TIME))


def _ending(key: TokenKey, successor: TokenKey | None, now: datetime) -> TokenKey:
    if key.signs_until is not None and key.signs_until <= now:
        return key  # what has ended never signs again: caches may have dropped it
    if successor is None:
        return replace(key, signs_until=None, published_until=None)
    # The end of the last token, by whoever's clock is behind.
    gone = successor.signs_from + LONGEST_TOKEN_LIFE[key.issuer] + _CLOCKS
    return replace(key, signs_until=successor.signs_from, published_until=gone)

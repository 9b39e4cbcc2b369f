"""An issuer's keys, fetched when they are needed and kept for a while.

A key set is asked for again after FRESH, or for a `kid` that it lacks; never more often than once in AGAIN, so that
tokens with made-up ids cost the issuer nothing. One that is older than USABLE is not used, whatever the reason: that is
how long a key that the issuer has taken back may still be taken here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import anyio

from credenza.client.errors import IssuerUnavailable
from credenza.protocol.public_key import PublicKey

FRESH_S: Final = 300.0
USABLE_S: Final = 600.0
AGAIN_S: Final = 5.0


class IssuerKeys:
    """`ticks` are seconds on a clock that nobody sets."""

    def __init__(self, fetch: Callable[[], Awaitable[Mapping[str, PublicKey]]], *, ticks: Callable[[], float]) -> None:
        self._fetch = fetch
        self._ticks = ticks
        self._keys: Mapping[str, PublicKey] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._turn = anyio.Lock()

    async def find(self, kid: str) -> PublicKey | None:
        """Find a published key; None: the issuer has none of that id. Raises IssuerUnavailable."""
        if self._is_wanting(kid) and not (self._turn.locked() and self._is_usable(kid)):
            async with self._turn:
                if self._is_wanting(kid) and self._ticks() - self._asked_at >= AGAIN_S:
                    await self._renew()
        if self._ticks() - self._fetched_at >= USABLE_S:
            raise IssuerUnavailable("The issuer's keys could not be fetched.")
        return self._keys.get(kid)

    def _is_wanting(self, kid: str) -> bool:
        return kid not in self._keys or self._ticks() - self._fetched_at >= FRESH_S

    def _is_usable(self, kid: str) -> bool:
        """Whether a call need not wait for the keys that somebody else is fetching."""
        return kid in self._keys and self._ticks() - self._fetched_at < USABLE_S

    async def _renew(self) -> None:
        self._asked_at = asked_at = self._ticks()
        try:
            self._keys = await self._fetch()
        except IssuerUnavailable:
            return  # the keys at hand are good until they are too old
        self._fetched_at = asked_at

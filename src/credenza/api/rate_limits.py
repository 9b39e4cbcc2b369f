"""How often callers may ask the manage origin: by whom they have proven to be, and by address while they have not.

Each process counts for itself, in memory: with several workers or machines a caller may get as many times as much. What
is limited is the work that one caller makes for the others, not what it may have.

An address that fails too often is refused unheard, before its body is read and whatever it would prove: looking at the
proof is the work that is to be saved. Neighbours behind the same address are held up with it, for seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil

from credenza.api.errors import RateLimited
from credenza.domain.model import Actor
from credenza.domain.token_buckets import TokenBuckets

_MOST_CALLERS = 20_000
_NETWORKS = 4_096  # whose names are kept: to spell one takes longer than to count
_IPV6_PREFIX = 64  # RFC 4291 2.5.4: what one host has to itself


@dataclass(frozen=True, slots=True)
class Rates:
    """`requests` of a caller, and of an address for pages; `attempts` of an address to prove who it is. All of a minute
    may come at once."""

    requests_per_minute: int = 6_000
    attempts_per_minute: int = 600


class RateLimits:
    """`clock` tells seconds and never goes back."""

    def __init__(self, rates: Rates, *, clock: Callable[[], float]) -> None:
        self._rates = rates
        self._clock = clock
        self._callers = _buckets(rates.requests_per_minute)
        self._pages = _buckets(rates.requests_per_minute)
        self._attempts = _buckets(rates.attempts_per_minute)

    def check_attempts(self, address: str) -> None:
        """Refuse an address that has failed too often. Raises RateLimited, as all do."""
        self._refuse_attempts(address, self._attempts.wait_s(network(address), now=self._clock()))

    def count_attempt(self, address: str) -> None:
        """Count a failure, or a form that may be one: nobody is signed in to blame."""
        self._refuse_attempts(address, self._attempts.take(network(address), now=self._clock()))

    def count_page(self, address: str) -> None:
        wait_s = self._pages.take(network(address), now=self._clock())
        if wait_s > 0:
            _refuse(f"{self._rates.requests_per_minute} requests a minute from {network(address)}", wait_s)

    def may_read(self, address: str) -> bool:
        """Say whether `count_page` would let an address pass."""
        return self._pages.wait_s(network(address), now=self._clock()) == 0

    def count_request(self, actor: Actor) -> None:
        wait_s = self._callers.take(f"{actor.kind} {actor.id}", now=self._clock())
        _refuse(
            f"{self._rates.requests_per_minute} requests a minute of this {_KINDS.get(actor.kind, 'caller')}", wait_s
        )

    def _refuse_attempts(self, address: str, wait_s: float) -> None:
        limit = self._rates.attempts_per_minute
        _refuse(f"{limit} failed or unproven attempts a minute from {network(address)}", wait_s)


_KINDS = {"access_token": "access token", "account_key": "API key"}


@lru_cache(maxsize=_NETWORKS)
def network(address: str) -> str:
    """Name what one client has to itself: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        found = ip_address(address)
    except ValueError:
        return address or "a local socket"
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found), _IPV6_PREFIX), strict=False))


def _buckets(per_minute: int) -> TokenBuckets:
    return TokenBuckets(per_minute=per_minute, burst=per_minute, most=_MOST_CALLERS)


def _refuse(limit: str, wait_s: float) -> None:
    if wait_s > 0:
        raise RateLimited(limit, retry_after_s=ceil(wait_s))

"""How often one may be wrong: ten times per account and network, then half an hour of silence (contracts 1.7)."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

FAILURE_LIMIT = 10
LOCKED_FOR = timedelta(minutes=30)
_IPV6_PREFIX = 64


def network_of(address: str) -> str:
    """Name the network that one guesser sits in: an IPv4 address, or the /64 that one IPv6 site hands out at will."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(ip_network((parsed, _IPV6_PREFIX), strict=False)) if mapped is None else str(mapped)
    return str(parsed)

"""Where a webhook may point: its URL as it is written, and the addresses that it may lead to.

The second rule is the one that protects (threat 20). It is asked of the very address a connection is about to be made
to, whatever name, redirect or spelling led there.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

from credenza.domain.errors import Code, Refusal

LONGEST_URL = 500
Network: TypeAlias = IPv4Network | IPv6Network

# IANA's special-purpose address registries (RFC 6890), and multicast. Written out, because what the standard library
# calls private has changed between releases of Python.
_NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
            # Teredo, ORCHID and other protocols; documentation; 6to4, which carries an IPv4 address.
            "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
        ),
    )
)  # fmt: skip
# All global unicast addresses are in here: loopback, mapped and translated (NAT64) IPv4, unique local, link-local,
# site-local and multicast ones are not.
_GLOBAL_UNICAST = IPv6Network("2000::/3")


def is_reachable(address: IPv4Address | IPv6Address, allowed: Iterable[Network]) -> bool:
    """Say whether a webhook may lead to this address: a public one, or one that the operator allows."""
    if any(address in network for network in allowed):
        return True
    if isinstance(address, IPv6Address) and (address not in _GLOBAL_UNICAST or address.scope_id):
        return False
    return not any(address in network for network in _NOT_PUBLIC)


def check_url(url: str, *, schemes: Iterable[str]) -> None:
    """Refuse a URL that could mean different things to different programs, or carries a secret in the open."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("It cannot be read.") from None
    if len(url) > LONGEST_URL:
        raise _refused(f"It has more than {LONGEST_URL} characters.")
    if not url.isascii() or not url.isprintable() or any(each in url for each in ' "<>\\^`{|}'):
        raise _refused("It has characters that do not belong into a URL.")
    if parts.scheme not in schemes:
        raise _refused("It must begin with https://.")
    if not parts.hostname or port == 0:
        raise _refused("It names no host.")
    if "@" in parts.netloc or "#" in url:
        raise _refused("It has a user name or a fragment.")


def _refused(reason: str) -> Refusal:
    return Refusal(Code.INVALID, f"This is no URL that a webhook can have. {reason}", field="url")

"""Connections to where a stranger says (threat 20): the address of every socket is judged before it connects.

After the name was resolved, so that no spelling, no rebinding and no second answer of a name server comes between.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any

import aiohttp

from credenza.domain.webhooks import Network, is_reachable


class NotPublic(OSError):  # noqa: N818 - says what happened
    """Nobody may be led to this address."""


def connector(context: SSLContext, allowed: Sequence[Network]) -> aiohttp.TCPConnector:
    """Connect to public addresses, and to `allowed` networks, and keep no connection."""

    def open_socket(found: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, place = found
        if not is_reachable(ip_address(place[0]), allowed):
            raise NotPublic(f"The address {place[0]} is not public. An operator can allow its network.")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    return aiohttp.TCPConnector(ssl=context, socket_factory=open_socket, happy_eyeballs_delay=None, force_close=True)


def cause_of(error: BaseException) -> BaseException:
    """What an error of the HTTP library was caused by."""
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error

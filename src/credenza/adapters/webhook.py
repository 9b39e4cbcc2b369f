"""Webhooks as Standard Webhooks has them: an HTTPS POST of JSON, signed with HMAC-SHA256.

The receiver is a stranger's choice (threat 20). The address of every socket is judged before it connects, after the
name was resolved: no spelling, no rebinding and no second answer of a name server comes between. Redirects are not
followed, proxies of the environment not used, answers not read beyond their status, and no call takes longer than its
deadline.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any

import aiohttp
from yarl import URL

from credenza.adapters.undelivered import Away, Gone, Undelivered
from credenza.domain.webhooks import Network, is_reachable

LONGEST_ANSWER_BYTES = 64 * 1024
_LONGEST_LINE_BYTES = 8 * 1024
_OVERLOADED = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class _Refused(OSError):  # noqa: N818 - says what happened
    """No webhook may lead to this address."""


@dataclass(frozen=True, slots=True)
class WebhookPoster:
    """`schemes` is https, and http where the operator allows it; `allowed` are networks that would be refused."""

    schemes: frozenset[str]
    allowed: Sequence[Network]
    timeout_s: float
    context: SSLContext = field(repr=False)

    async def post(self, identity: str, url: str, *, secret: bytes, body: bytes, now: datetime) -> None:
        """Post once. Raises Undelivered; Away when there is no receiver, Gone when it wants no more (410)."""
        try:
            if URL(url).scheme not in self.schemes:
                raise Away("The URL does not begin with https://.")
            async with asyncio.timeout(self.timeout_s):
                status = await self._post(url, body, _headers(identity, secret, body, now))
        except TimeoutError as error:
            raise Away(f"The receiver did not answer within {self.timeout_s:g} s.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Away(_words(error)) from error
        _check_status(status)

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        connector = aiohttp.TCPConnector(
            ssl=self.context, socket_factory=self._socket, happy_eyeballs_delay=None, force_close=True
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=LONGEST_ANSWER_BYTES // 4,
                max_line_size=_LONGEST_LINE_BYTES,
                max_field_size=_LONGEST_LINE_BYTES,
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status  # and hang up: what else it says is nobody's business

    def _socket(self, found: tuple[Any, ...]) -> socket.socket:
        """Make the socket for one resolved address, if that may be."""
        family, kind, protocol, _, place = found
        if not is_reachable(ip_address(place[0]), self.allowed):
            raise _Refused(f"The address {place[0]} is not public. An operator can allow its network.")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


def signature(identity: str, secret: bytes, body: bytes, now: datetime) -> str:
    """Sign as Standard Webhooks has it: id, whole seconds and body, joined by full stops."""
    signed = b".".join((identity.encode(), str(int(now.timestamp())).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def _headers(identity: str, secret: bytes, body: bytes, now: datetime) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": "Credenza",
        "webhook-id": identity,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature(identity, secret, body, now),
    }


def _check_status(status: int) -> None:
    if 200 <= status < 300:
        return
    said = f"The receiver answered {status}."
    if status == HTTPStatus.GONE:
        raise Gone(f"{said} The webhook is removed.")
    if status in _OVERLOADED:
        raise Away(said)
    raise Undelivered(said)


def _words(error: BaseException) -> str:
    """Say why there was no answer, as far as it is the organization's business."""
    cause: BaseException = error
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    if isinstance(cause, _Refused):
        return str(cause)
    return f"The receiver cannot be reached: {type(cause).__name__}"

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
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from ssl import SSLContext

import aiohttp
from yarl import URL

from credenza.adapters import guarded_connection
from credenza.adapters.guarded_connection import NotPublic
from credenza.adapters.undelivered import Away, Gone, Undelivered
from credenza.domain.webhooks import Network

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
        async with (
            aiohttp.ClientSession(
                connector=guarded_connection.connector(self.context, self.allowed),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=LONGEST_ANSWER_BYTES // 4,
                max_line_size=_LONGEST_LINE_BYTES,
                max_field_size=_LONGEST_LINE_BYTES,
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status  # and hang up: what else it says is nobody's business


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
    cause = guarded_connection.cause_of(error)
    if isinstance(cause, NotPublic):
        return str(cause)
    return f"The receiver cannot be reached: {type(cause).__name__}"

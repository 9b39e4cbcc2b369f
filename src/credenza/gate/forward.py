"""The way from an admitted call to its upstream and back: a reverse proxy that adds who calls and keeps the rest.

The target goes on byte for byte, the body only after it has been read and hashed (settled 16). What belongs to one
connection ends here, in both directions (RFC 9110 7.6.1), and so does everything by which a client could pretend to be
the gate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeAlias

import aiohttp
from yarl import URL

from credenza.gate.arrival import Headers
from credenza.gate.body import Body
from credenza.wire.decisions import folded, is_ours

Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

_CONNECT_S = 5.0
# Below the 5 s after which many servers close an idle connection: a request sent into a closing one is lost.
_KEEP_ALIVE_S = 4.0
_CHUNK_BYTES = 65_536

_OF_ONE_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"}
    | {b"trailer", b"transfer-encoding", b"upgrade"}
)
# `proxy` becomes HTTP_PROXY in CGI programs; the others would let a client name another target, method, address or TLS
# certificate than its own. All of X-Forwarded-... ends here too: `passed_on`.
_ENDS_HERE = frozenset(
    {b"authorization", b"host", b"content-length", b"expect", b"forwarded", b"proxy", b"x-real-ip"}
    | {b"x-client-ip", b"x-cluster-client-ip", b"true-client-ip", b"cf-connecting-ip"}
    | {b"client-cert", b"client-cert-chain", b"x-client-cert", b"x-ssl-client-cert"}
    | {b"x-original-host", b"x-original-method", b"x-original-uri", b"x-original-url", b"x-rewrite-url"}
    | {b"x-http-method", b"x-http-method-override", b"x-method-override"}
)
_FORWARDED = b"x-forwarded-"


class UpstreamUnreachable(Exception):  # noqa: N818 - what the caller is told
    """The upstream did not take the call, or hung up before it answered."""


class UpstreamTimeout(Exception):  # noqa: N818 - likewise
    """The upstream did not begin to answer in time."""


class Forwarder:
    """Connections to all upstreams, kept alive between calls. Open it on the event loop that uses it."""

    def __init__(self, *, timeout: timedelta) -> None:
        # No total: an answer may stream for as long as it keeps coming.
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=timeout.total_seconds())
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),
            timeout=self._timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            max_line_size=_CHUNK_BYTES,
            max_field_size=_CHUNK_BYTES,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def exchange(
        self, method: str, url: str, headers: list[tuple[str, str]], body: Body | None, send: Send
    ) -> None:
        """Send a call to its upstream and its answer to `send`.

        Raises UpstreamUnreachable and UpstreamTimeout before an answer has begun. One that breaks off later is left
        incomplete, which makes the server close the connection: the client must not take it for whole.
        """
        assert self._session is not None, "open the forwarder before you use it"
        began = False
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=None if body is None else body.content,
                allow_redirects=False,
            ) as response:
                await send(
                    {
                        "type": "http.response.start",
                        "status": response.status,
                        "headers": passed_back(response.raw_headers),
                    }
                )
                began = True
                async for chunk in response.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError as error:
            if not began:
                raise UpstreamTimeout from error
        except (aiohttp.ClientError, OSError) as error:
            if not began:
                raise UpstreamUnreachable from error


def passed_on(headers: Headers) -> list[tuple[str, str]]:
    """Leave out what ends here, in every spelling that some server takes for it."""
    left_out = _OF_ONE_CONNECTION | _ENDS_HERE | _named_by_connection(headers)
    return [
        (name.decode("latin-1"), _text(value))
        for name, value in headers
        if (plain := folded(name)) not in left_out and not plain.startswith(_FORWARDED) and not is_ours(name)
    ]


def passed_back(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Leave out what ends here, and Date, which our own server writes."""
    kept = [(name.lower(), value) for name, value in headers]
    named = _named_by_connection(kept)
    return [
        (name, value)
        for name, value in kept
        if name not in _OF_ONE_CONNECTION and name not in named and name != b"date"
    ]


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    return frozenset(
        folded(option.strip()) for name, value in headers if name == b"connection" for option in value.split(b",")
    )


def _text(value: bytes) -> str:
    # aiohttp writes UTF-8; what is not is an old spelling of Latin-1 (RFC 9110 5.5) and leaves in the new one.
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")

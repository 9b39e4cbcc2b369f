"""The way from an admitted call to its upstream and back: a reverse proxy that adds who calls and keeps the rest.

The target goes on byte for byte, the body only after it has been read and hashed (settled 16). What belongs to one
connection ends here, in both directions (RFC 9110 7.6.1), and so does everything by which a client could pretend to be
the gate.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias
from urllib.parse import urlsplit

from credenza.gate.arrival import Headers
from credenza.gate.body import Body
from credenza.gate.upstream import BrokenOff, UpstreamConnection
from credenza.wire.decisions import folded, is_ours

Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

_CONNECT_S = 5.0
# Below the 5 s after which many servers close an idle connection: a request sent into a closing one is lost.
_KEEP_ALIVE_S = 4.0

_OF_ONE_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"}
    | {b"trailer", b"transfer-encoding", b"upgrade"}
)
# `proxy` becomes HTTP_PROXY in CGI programs; the others would let a client name another target, method, address or TLS
# certificate than its own. All of X-Forwarded-... ends here too: `passed_on`.
_ENDS_HERE = frozenset(
    {b"authorization", b"dpop", b"host", b"content-length", b"expect", b"forwarded", b"proxy", b"x-real-ip"}
    | {b"x-client-ip", b"x-cluster-client-ip", b"true-client-ip", b"cf-connecting-ip"}
    | {b"client-cert", b"client-cert-chain", b"x-client-cert", b"x-client-cert-chain", b"x-client-dn"}
    | {b"client-certificate", b"x-client-certificate", b"x-ssl-client-certificate", b"clientcert", b"x-clientcert"}
    | {b"ssl-client-cert", b"ssl-client-verify", b"ssl-client-subject-dn", b"ssl-client-issuer-dn", b"x-ssl-cert"}
    | {b"x-ssl-client-cert", b"x-ssl-client-verify", b"x-ssl-client-dn", b"x-ssl-client-s-dn", b"x-ssl-client-cn"}
    | {b"x-arr-clientcert", b"x-amzn-mtls-clientcert", b"x-amzn-mtls-clientcert-leaf", b"x-tls-client-cert"}
    | {b"x-original-host", b"x-original-method", b"x-original-uri", b"x-original-url", b"x-rewrite-url"}
    | {b"x-http-method", b"x-http-method-override", b"x-method-override"}
)
_FORWARDED = b"x-forwarded-"
_NOT_PASSED_BACK = _OF_ONE_CONNECTION | {b"date"}
_NOTHING: frozenset[bytes] = frozenset()


class UpstreamUnreachable(Exception):  # noqa: N818 - what the caller is told
    """The upstream did not take the call, or hung up before it answered."""


class UpstreamTimeout(Exception):  # noqa: N818 - likewise
    """The upstream did not begin to answer in time."""


class _Place(NamedTuple):
    """Where an upstream is, as its URL says. `before` goes before every path."""

    secure: bool
    host: str
    port: int
    authority: bytes
    before: bytes


class Forwarder:
    """Connections to all upstreams, kept alive between calls. Open it on the event loop that uses it."""

    def __init__(self, *, timeout: timedelta) -> None:
        self._patience_s = timeout.total_seconds()
        self._tls: ssl.SSLContext | None = None
        self._idle: defaultdict[tuple[bool, str, int], deque[_Idle]] = defaultdict(deque)
        self._sweeping: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        for idle in self._idle.values():
            while idle:
                idle.pop().connection.close()

    async def exchange(
        self, method: str, upstream: str, target: str, headers: Headers, body: Body | None, send: Send
    ) -> None:
        """Send a call to its upstream and its answer to `send`. `target` is the path and query that were signed.

        Raises UpstreamUnreachable and UpstreamTimeout before an answer has begun. One that breaks off later is left
        incomplete, which makes the server close the connection: the client must not take it for whole. A call is sent
        once: who has lost an answer cannot know what the upstream has done (RFC 9110 9.2.2).
        """
        place = _place(upstream)
        head = _request_head(method, place, target, headers)
        began = False
        try:
            connection = self._take_idle(place) or await self._connect(place)
            try:
                await connection.send(head, b"" if body is None else body.content, to_head=method == "HEAD")
                await connection.answered()
                began = True
                await _pass_back(connection, send)
            finally:
                self._put_back(place, connection)
        except TimeoutError as error:
            if not began:
                raise UpstreamTimeout from error
        except (BrokenOff, OSError) as error:
            if not began:
                raise UpstreamUnreachable from error

    async def _connect(self, place: _Place) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_S):
            _, connection = await loop.create_connection(
                lambda: UpstreamConnection(loop, patience_s=self._patience_s),
                place.host,
                place.port,
                ssl=self._tls_context() if place.secure else None,
            )
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        """Made when it is first wanted: it holds every authority of this machine, and many gates have no use for it."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _take_idle(self, place: _Place) -> UpstreamConnection | None:
        """The connection that was used last: those left over grow old and are closed."""
        idle = self._idle[place[:3]]
        now = asyncio.get_running_loop().time()
        while idle:
            found = idle.pop()
            if found.connection.is_open and now - found.since < _KEEP_ALIVE_S:
                return found.connection
            found.connection.close()
        return None

    def _put_back(self, place: _Place, connection: UpstreamConnection) -> None:
        if not connection.end():
            return
        loop = asyncio.get_running_loop()
        self._idle[place[:3]].append(_Idle(connection, loop.time()))
        if self._sweeping is None:
            self._sweeping = loop.call_later(_KEEP_ALIVE_S, self._sweep)

    def _sweep(self) -> None:
        """Close what has grown old; look again as long as there is something left."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - _KEEP_ALIVE_S
        for idle in self._idle.values():
            while idle and (idle[0].since <= oldest or not idle[0].connection.is_open):
                idle.popleft().connection.close()
        left = any(self._idle.values())
        self._sweeping = loop.call_later(_KEEP_ALIVE_S / 2, self._sweep) if left else None


class _Idle(NamedTuple):
    connection: UpstreamConnection
    since: float


async def _pass_back(connection: UpstreamConnection, send: Send) -> None:
    headers = passed_back(connection.headers)
    await send({"type": "http.response.start", "status": connection.status, "headers": headers})
    while not connection.is_over:
        chunk = connection.take()
        if chunk:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await connection.more()
    await send({"type": "http.response.body", "body": connection.take()})


@lru_cache(maxsize=1024)
def _place(upstream: str) -> _Place:
    url = urlsplit(upstream)
    secure = url.scheme == "https"
    assert url.hostname is not None, "an upstream was read when its service was made"
    port = url.port or (443 if secure else 80)
    authority = url.netloc.rpartition("@")[2].encode("idna" if not url.netloc.isascii() else "ascii")
    return _Place(secure, url.hostname, port, authority, url.path.rstrip("/").encode("ascii"))


def _request_head(method: str, place: _Place, target: str, headers: Headers) -> bytes:
    """Write the head of a request. Everything in it was read from one that llhttp took apart, or is ours."""
    first = b"%b %b%b HTTP/1.1\r\nhost: %b\r\n" % (method.encode(), place.before, target.encode(), place.authority)
    head = b"".join([first, *[b"%b: %b\r\n" % header for header in headers], b"\r\n"])
    # What would end a line, or the head, would write a request of its own (RFC 9112 11.1).
    if head.count(b"\n") != len(headers) + 3 or head.count(b"\r") != len(headers) + 3 or b"\0" in head:
        raise UpstreamUnreachable("a header has a line end in it")
    return head


def passed_on(headers: Headers) -> Headers:
    """Leave out what ends here, in every spelling that some server takes for it."""
    named = _named_by_connection(headers)
    if named:
        headers = [(name, value) for name, value in headers if folded(name) not in named]
    return [(name, value) for name, value in headers if not _ends_here(name)]


@lru_cache(maxsize=1024)  # calls have few names between them, and a made-up one costs what it cost before
def _ends_here(name: bytes) -> bool:
    plain = folded(name)
    return plain in _OF_ONE_CONNECTION or plain in _ENDS_HERE or plain.startswith(_FORWARDED) or is_ours(name)


def passed_back(headers: Headers) -> Headers:
    """Leave out what ends here, and Date, which our own server writes. The names are in lower case."""
    ends_here = _NOT_PASSED_BACK | _named_by_connection(headers)
    return [each for each in headers if each[0] not in ends_here]


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    sent = [value for name, value in headers if name == b"connection"]
    return frozenset([folded(option.strip()) for option in b",".join(sent).split(b",")]) if sent else _NOTHING

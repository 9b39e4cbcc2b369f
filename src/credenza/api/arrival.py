"""Every request of the manage origin passes here first and its answer last: plain ASGI around the whole application.

On the way in: an id, the time (read once), the client's address, whether it has asked too often, the body (bounded,
before anything looks into it) and, below `/api` and `/developer`, proof of who asks, so that no route can forget it. On
the way out: headers that browsers and caches need, and one envelope for whatever went wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from time import perf_counter
from typing import TypeAlias

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from credenza.api import errors
from credenza.api.metrics import Metrics
from credenza.api.rate_limits import RateLimits
from credenza.domain.errors import Refusal
from credenza.domain.model import Actor
from credenza.gate.arrival import Networks, client_address
from credenza.gate.ids import ids

log = structlog.get_logger()

LARGEST_BODY_BYTES = 1024 * 1024
PROTECTED = ("/api/", "/developer/")
# Load balancers and Prometheus ask these as often as they are told to, from one address.
_UNCOUNTED = ("/health", "/metrics")
_SAFE = ("GET", "HEAD", "OPTIONS")
# Whoever posts there proves nothing: it is how OCSP asks.
_STATUS = "/pki/ocsp"
_SCOPE_KEY = "credenza.arrival"

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of a request before any route sees it. `actor` is None outside the protected paths."""

    id: str
    now: datetime
    body: bytes
    actor: Actor | None = None


Authenticate: TypeAlias = Callable[[Scope, Arrival], Awaitable[Actor]]
Show: TypeAlias = Callable[[Scope, Response], Response]
"""Puts something in the place of an error document where a person and no program reads it."""


def as_it_is(_scope: Scope, response: Response) -> Response:
    return response


def arrival_of(request: Request) -> Arrival:
    return arrival_in(request.scope)


def arrival_in(scope: Scope) -> Arrival:
    found: Arrival = scope[_SCOPE_KEY]
    return found


class Door:
    """`outages` are the exceptions that mean: something this server stands on is away, try again. `trusted_proxies` are
    believed about where a request comes from; the application sees the client's address, not theirs."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        clock: Callable[[], datetime],
        authenticate: Authenticate,
        outages: tuple[type[Exception], ...],
        metrics: Metrics,
        limits: RateLimits,
        trusted_proxies: Networks = (),
        show: Show = as_it_is,
    ) -> None:
        self._app = app
        self._clock = clock
        self._authenticate = authenticate
        self._outages = outages
        self._metrics = metrics
        self._limits = limits
        self._trusted_proxies = trusted_proxies
        self._show = show
        self._ids = ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        now = self._clock()
        answer = _Answer(send, scope, request_id(now, next(self._ids)))
        started = perf_counter()
        try:
            await self._admit(scope, receive, answer, now)
        except _Gone:
            return  # nobody is left to answer
        except Exception as error:
            if answer.status:  # half an answer is out: let the server cut the connection
                raise
            await self._refuse(error, scope, receive, answer)
        finally:
            self._metrics.count(_operation(scope), answer.status, perf_counter() - started)

    async def _admit(self, scope: Scope, receive: Receive, answer: _Answer, now: datetime) -> None:
        headers = Headers(scope=scope)
        address = client_address(scope.get("client"), _forwarded_for(scope), self._trusted_proxies)
        scope["client"] = (address, scope["client"][1]) if scope.get("client") else None
        if scope["path"].startswith(PROTECTED):
            self._limits.check_attempts(address)
            arrival = Arrival(answer.request_id, now, await _read_body(headers, receive))
            arrival = replace(arrival, actor=await self._prove(scope, arrival, address))
        else:
            self._count_page(scope, address)
            arrival = Arrival(answer.request_id, now, await _read_body(headers, receive))
        scope[_SCOPE_KEY] = arrival
        await self._app(scope, _replay(arrival.body, receive), answer)

    async def _prove(self, scope: Scope, arrival: Arrival, address: str) -> Actor:
        try:
            actor = await self._authenticate(scope, arrival)
        except (Refusal, errors.CallRefused) as refused:
            if errors.answer(refused).status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                self._limits.count_attempt(address)
            raise
        self._limits.count_request(actor)
        return actor

    def _count_page(self, scope: Scope, address: str) -> None:
        """Whoever sends a form may be guessing; the door cannot tell who is signed in, so all forms count alike."""
        if scope["method"] not in _SAFE and scope["path"] != _STATUS:
            self._limits.count_attempt(address)
        elif scope["path"] not in _UNCOUNTED:
            self._limits.count_page(address)

    async def _refuse(self, error: Exception, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if isinstance(error, self._outages):
            log.warning("api.unavailable", request_id=answer.request_id, error=type(error).__name__)
            error = errors.Unavailable()
        response = errors.answer(error)
        if response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("api.failed", request_id=answer.request_id, exc_info=error)
        await self._show(scope, response)(scope, receive, answer)


class _Gone(Exception):  # noqa: N818 - nothing went wrong on our side
    """The client hung up before its body was complete."""


class _Answer:
    """A `send` that adds the headers every answer has, and remembers the status."""

    def __init__(self, send: Send, scope: Scope, request_id: str) -> None:
        self._send = send
        self._secure = scope["scheme"] == "https"
        self.request_id = request_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if self._secure:
                headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
            headers["Credenza-Request-Id"] = self.request_id
        await self._send(message)


async def _read_body(headers: Headers, receive: Receive) -> bytes:
    """Read the whole body, or refuse with 413 as soon as it is known to be too large."""
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > LARGEST_BODY_BYTES:
        raise HTTPException(413)
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY_BYTES:
            raise HTTPException(413)
        more = message.get("more_body", False)
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the application the body that was read, and then what the connection says."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _forwarded_for(scope: Scope) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == b"x-forwarded-for"]


def request_id(now: datetime, digits: str) -> str:
    """Name a request by the time and by 32 random hexadecimal digits."""
    # The form of the original's trace ids (contracts 1.5), a UUID of version 4 behind: it sorts by time and is unique.
    random = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
    return f"{int(now.timestamp() * 1000)}-{random}"


def _operation(scope: Scope) -> str:
    """Name the route for the metrics; what matched none shares one name, or strangers could make up labels."""
    return getattr(scope.get("route"), "operation_id", None) or "none"

"""Status answers from memory, given before a request is made of what has come (row P10).

Proxies and libraries ask for the same certificates again and again, and all that a request goes through takes ten times
as long as the answer. Whatever is not at hand goes on to the door and the routes, which know how to ask, and refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from time import perf_counter
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from credenza.actions.certificate_status import REMEMBERED, Answer, CertificateStatus
from credenza.api.arrival import HEADERS, STRICT_TRANSPORT, arrival_in, request_id
from credenza.api.metrics import Metrics
from credenza.api.rate_limits import RateLimits
from credenza.gate.answers import Reply, encoded, fields
from credenza.gate.arrival import Headers, Networks, client_address
from credenza.gate.ids import ids
from credenza.protocol import ocsp
from credenza.protocol.errors import Malformed

PATH: Final = "/pki/ocsp"
_IN_PATH: Final = b"/pki/ocsp/"
_LONGEST_TARGET: Final = len(_IN_PATH) + 3 * ocsp.LONGEST_PATH
_TARGETS: Final = 4_096  # whose requests are kept: to decode one takes longer than to answer it
_TYPE: Final = ("content-type", "application/ocsp-response")
_KEPT: Final = ("cache-control", f"public, max-age={int(REMEMBERED.total_seconds())}")


class _Operation(NamedTuple):
    """Stands for the route in the metrics."""

    operation_id: str


_GET, _POST = _Operation("getCertificateStatus"), _Operation("askCertificateStatus")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request without a scope."""

    encoded: bytes
    headers: Headers
    scheme: str
    client: tuple[str, int] | None


class StatusAtOnce:
    """The application, for connections that can answer at once: `forms` are the targets of what is posted."""

    forms: Final = frozenset({PATH.encode()})

    def __init__(
        self,
        app: ASGIApp,
        responder: CertificateStatus,
        *,
        clock: Callable[[], datetime],
        outages: tuple[type[Exception], ...],
        metrics: Metrics,
        limits: RateLimits,
        trusted_proxies: Networks,
    ) -> None:
        self._app = app
        self._responder = responder
        self._clock = clock
        self._outages = outages
        self._metrics = metrics
        self._limits = limits
        self._trusted_proxies = trusted_proxies
        self._ids = ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def form_at_once(
        self, _target: bytes, headers: Headers, form: bytes, scheme: str, client: tuple[str, int] | None
    ) -> Reply | None:
        return self._reply(_POST, _Asked(form, headers, scheme, client))

    def get_at_once(self, target: bytes, headers: Headers, scheme: str, client: tuple[str, int] | None) -> Reply | None:
        if not target.startswith(_IN_PATH) or len(target) > _LONGEST_TARGET:
            return None
        return self._reply(_GET, _Asked(_in_path(target), headers, scheme, client))

    def _reply(self, operation: _Operation, asked: _Asked) -> Reply | None:
        started, now = perf_counter(), self._clock()
        answer = self._answer(asked, now)
        if answer is None:
            return None
        plain, secure = _FIELDS[operation, bool(answer.kept_for)]
        own = (secure if asked.scheme == "https" else plain) % (
            request_id(now, next(self._ids)).encode(),
            len(answer.der),
        )
        self._metrics.count(operation.operation_id, 200, perf_counter() - started)
        return Reply(200, own, answer.der)

    def _answer(self, asked: _Asked, now: datetime) -> Answer | None:
        """Count only what is answered here: the rest is counted at the door, which says why it refuses."""
        address = self._address(asked)
        if not self._limits.may_read(address):
            return None
        try:
            answer = self._responder.at_once(asked.encoded, now=now)
        except self._outages:
            return None
        if answer is not None:
            self._limits.count_page(address)
        return answer

    def _address(self, asked: _Asked) -> str:
        proxies = self._trusted_proxies
        forwarded_for = [value for name, value in asked.headers if name == b"x-forwarded-for"] if proxies else ()
        return client_address(asked.client, forwarded_for, proxies)


class RememberedAnswers:
    """The same for what came another way: behind the door, and before any route is looked for."""

    def __init__(self, app: ASGIApp, *, responder: CertificateStatus) -> None:
        self._app = app
        self._responder = responder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PATH):
            await self._app(scope, receive, send)
            return
        arrival = arrival_in(scope)
        answer = self._responder.at_once(_request(scope, arrival.body), now=arrival.now)
        if answer is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = operation = _GET if scope["method"] == "GET" else _POST
        length = ("content-length", str(len(answer.der)))
        headers = encoded([_TYPE, length, *([_KEPT] if operation is _GET and answer.kept_for else [])])
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer.der})


def _request(scope: Scope, body: bytes) -> bytes:
    """The request as it came; nothing for what is none: only what was once answered is remembered."""
    if scope["method"] == "POST":
        return body if scope["path"] == PATH else b""
    raw: bytes = scope["raw_path"]
    return _in_path(raw) if scope["method"] == "GET" and raw.startswith(_IN_PATH) else b""


@lru_cache(maxsize=_TARGETS)
def _in_path(target: bytes) -> bytes:
    try:
        return ocsp.parse_path(unquote_to_bytes(target[len(_IN_PATH) :]).decode("latin-1"))
    except Malformed:
        return b""


def _template(more: tuple[tuple[str, str], ...]) -> bytes:
    """Spell what the door would add and the answer has; its id and its length are still to come."""
    always = {name.lower(): value for name, value in (*HEADERS.items(), _TYPE, *more)}
    assert not any("%" in value for value in always.values()), "no header of ours has one"
    return fields(encoded(always.items())) + b"credenza-request-id: %b\r\ncontent-length: %d\r\n"


_STRICT: Final = ("strict-transport-security", STRICT_TRANSPORT)
# RFC 5019 6.2: caches may keep what was read by GET. By operation and whether an answer may be kept: http and https.
_FIELDS: Final = {
    (operation, may_keep): (_template(kept), _template((*kept, _STRICT)))
    for operation in (_GET, _POST)
    for may_keep in (False, True)
    for kept in ((_KEPT,) if may_keep and operation is _GET else (),)
}

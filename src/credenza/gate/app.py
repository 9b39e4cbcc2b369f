"""The gate as a reverse proxy: one origin of one environment, in front of every upstream of its services.

Plain ASGI, no framework. A call is read, decided, and only then sent on; see `gate.oauth1` for the decision and
`gate.forward` for the way to the upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

from credenza.domain.model import EnvironmentName
from credenza.gate import arrival
from credenza.gate.answers import Reply, Send, encoded, headers_of, reply, send_refusal
from credenza.gate.arrival import Arrival, BadRequest, Headers, Networks
from credenza.gate.begun import begin
from credenza.gate.body import NO_BODY, Body, ClientGone, TooLarge, read_body
from credenza.gate.decision import Admitted, Call, Code, Refused, envelope
from credenza.gate.desk import Desk
from credenza.gate.forward import Forwarder, UpstreamTimeout, UpstreamUnreachable, passed_on
from credenza.gate.ids import ids
from credenza.gate.payload import DESCRIPTIONS
from credenza.gate.payload_exchange import AnswerTooLong, Opened, PayloadExchange
from credenza.gate.terminators import NOBODY, Terminators
from credenza.gate.token_app import TokenApp
from credenza.protocol.oauth1 import Request
from credenza.wire.decisions import REQUEST_ID, SIGNED_IDENTITY, Identity

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]

_REQUEST_ID = REQUEST_ID.lower().encode("ascii")
_SIGNED_IDENTITY = SIGNED_IDENTITY.lower().encode("ascii")
# RFC 9110 8.6: these say so when they have none.
_WITH_CONTENT = ("POST", "PUT", "PATCH")
_WATCH_AFTER_S = 0.05
# A body up to this long is read before anything is checked; a longer one only for a caller who has proven something.
_SHORT_BODY_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Origin:
    """How the outside reaches an environment. Without an authority calls are verified against the Host they carry."""

    environment: EnvironmentName
    scheme: str | None = None
    authority: str | None = None

    @classmethod
    def parse(cls, environment: EnvironmentName, url: str) -> Origin:
        scheme, _, authority = url.partition("://")
        return cls(environment, scheme, authority.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Limits:
    body_bytes: int = 10 * 1024 * 1024
    body_memory_bytes: int = 256 * 1024
    body_deadline_s: float = 60.0


class Corner(Protocol):
    """A place of the origin that is another application's. Like the gate's own it is told what has arrived."""

    def serves(self, path: str) -> bool: ...
    async def __call__(self, call_id: str, arrived: Arrival, receive: Receive, send: Send) -> None: ...


class GateApp:
    """Owns nothing that it is given; open the forwarder before the first call."""

    def __init__(
        self,
        origin: Origin,
        desk: Desk,
        forwarder: Forwarder,
        *,
        limits: Limits | None = None,
        trusted_proxies: Networks = (),
        terminators: Terminators = NOBODY,
        tokens: TokenApp | None = None,
        compat: TokenApp | None = None,
        corners: Sequence[Corner] = (),
        payloads: PayloadExchange | None = None,
    ) -> None:
        self._payloads = payloads
        issuers = [each for each in (tokens, compat) if each is not None]
        self._forms = {target: each for each in issuers for target in each.forms}
        self._corners: tuple[Corner, ...] = (*issuers, *corners)
        self._origin = origin
        self._desk = desk
        self._forwarder = forwarder
        self._limits = limits or Limits()
        self._trusted_proxies = trusted_proxies
        self._terminators = terminators
        self._ids = ids()

    @property
    def forms(self) -> frozenset[bytes]:
        """Targets whose forms `form_at_once` answers."""
        return frozenset(self._forms)

    def form_at_once(
        self, target: bytes, headers: Headers, form: bytes, scheme: str, client: tuple[str, int] | None
    ) -> Reply | Coroutine[None, None, Reply]:
        """Answer a form that has come whole, without a task and without messages, or say what to await."""
        scope: Scope = {"method": "POST", "raw_path": target, "query_string": b"", "headers": headers}
        scope |= {"scheme": scheme, "client": client}
        call_id = next(self._ids)
        try:
            arrived = arrival.read(scope, self._trusted_proxies, self._terminators)
        except BadRequest as bad:
            refused = Refused(call_id, Code.BAD_REQUEST, str(bad))
            self._desk.note(refused, self._origin.environment)
            return reply(refused.status, headers_of(refused), envelope(refused))
        return begin(self._forms[target].reply(call_id, arrived, form))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"a gate serves http, not {scope['type']}")
        call_id = next(self._ids)
        try:
            arrived = arrival.read(scope, self._trusted_proxies, self._terminators)
            self._check_origin(arrived, scope)
        except BadRequest as bad:
            await self._refuse(send, Refused(call_id, Code.BAD_REQUEST, str(bad)), unread_body=True)
            return
        try:
            await self._serve(call_id, arrived, scope, receive, send)
        except ClientGone:
            return  # nobody is left to answer

    def _check_origin(self, arrived: Arrival, scope: Scope) -> None:
        # RFC 9112 3.2.2: the host of an absolute target stands above Host. What is verified and forwarded is ours, so a
        # request for another origin, which some program on the way may have routed by that name, is not served.
        if not arrived.origin:
            return
        scheme, authority = self._origin.scheme or scope["scheme"], self._origin.authority or arrived.host
        if arrived.origin != arrival.origin_of(scheme, authority):
            raise BadRequest("The target names another origin than the one it came to.")

    async def _serve(self, call_id: str, arrived: Arrival, scope: Scope, receive: Receive, send: Send) -> None:
        for corner in self._corners:
            if corner.serves(arrived.path):
                await corner(call_id, arrived, receive, send)
                return
        body = await self._body(call_id, arrived, scope, receive)
        if isinstance(body, Refused):
            await self._refuse(send, body, unread_body=True)
            return
        try:
            call = self._call(call_id, arrived, scope, body)
            decision = await self._desk.decide_unopened(call)
            if isinstance(decision, Refused):
                await send_refusal(send, decision)
            else:
                await self._pass_on(call, decision, arrived, body, receive, send)
        finally:
            body.close()

    async def _body(self, call_id: str, arrived: Arrival, scope: Scope, receive: Receive) -> Body | Refused:
        """Read the body, or refuse it unread: for its length, or because no body could save this call."""
        length = arrived.content_length
        if length == 0:
            return NO_BODY
        if length is not None and length > self._limits.body_bytes:
            return self._too_large(call_id)
        if length is None or length > _SHORT_BODY_BYTES:
            refused = self._desk.screen(self._call(call_id, arrived, scope, None))
            if refused is not None:
                return refused
        try:
            return await self._read(receive)
        except TooLarge:
            return self._too_large(call_id)
        except TimeoutError:
            return Refused(call_id, Code.BODY_TIMEOUT, "The body did not arrive in time.")

    async def _read(self, receive: Receive) -> Body:
        limits = self._limits
        body = begin(read_body(receive, limit_bytes=limits.body_bytes, memory_bytes=limits.body_memory_bytes))
        if isinstance(body, Body):
            return body  # it came with the headers, as nearly every one does
        async with asyncio.timeout(limits.body_deadline_s):
            return await body

    def _too_large(self, call_id: str) -> Refused:
        return Refused(call_id, Code.BODY_TOO_LARGE, f"A body may have {self._limits.body_bytes} bytes at most.")

    def _call(self, call_id: str, arrived: Arrival, scope: Scope, body: Body | None) -> Call:
        """`body` is None while it has not been read."""
        form = body.in_memory if body is not None and arrived.is_form else None
        return Call(
            id=call_id,
            request=Request(
                arrived.method,
                self._origin.scheme or scope["scheme"],
                self._origin.authority or arrived.host,
                arrived.path,
                arrived.query,
                form,
            ),
            authorization=arrived.authorization,
            environment=self._origin.environment,
            body_sha256=None if body is None else body.sha256,
            announces_body=arrived.has_body,
            proofs=arrived.proofs,
            certificate=arrived.certificate,
            address=arrived.address,
            user_agent=arrived.user_agent,
        )

    async def _pass_on(
        self, call: Call, admitted: Admitted, arrived: Arrival, body: Body, receive: Receive, send: Send
    ) -> None:
        assert admitted.route is not None, "a call to an environment is admitted with its route"
        if admitted.headers:
            send = _adding(encoded(admitted.headers), send)
        if admitted.route.payload_rules is None:
            sent = body if arrived.has_body else None
            await self._forward(call, admitted, arrived.headers, sent, receive, send, send)
            return
        if self._payloads is None:
            await self._refuse(send, Refused(call.id, Code.PAYLOAD_UNAVAILABLE, DESCRIPTIONS[Code.PAYLOAD_UNAVAILABLE]))
            return
        opened = await self._payloads.open(call, admitted, arrived, body)
        if isinstance(opened, Refused):
            await send_refusal(send, opened)
        else:
            await self._protected(self._payloads, opened, receive, send)

    async def _protected(self, payloads: PayloadExchange, opened: Opened, receive: Receive, send: Send) -> None:
        call, held = opened.call, payloads.held()
        body = Body(opened.body, b"", len(opened.body)) if opened.body else None
        try:
            if not await self._forward(call, opened.admitted, opened.headers, body, receive, held, send):
                return
        except AnswerTooLong:
            await send_refusal(send, payloads.too_long(opened))
            return
        if not held.is_whole:
            await self._refuse(send, Refused(call.id, Code.UPSTREAM_UNREACHABLE, "The API's answer broke off."))
            return
        answer = await payloads.protect(opened, held)
        if isinstance(answer, Refused):
            await send_refusal(send, answer)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _forward(
        self,
        call: Call,
        admitted: Admitted,
        sent: Headers,
        body: Body | None,
        receive: Receive,
        answer: Send,
        send: Send,
    ) -> bool:
        """Send the call to its upstream, and what that answers to `answer`. When it does not answer, refuse to `send`.
        Say whether there is an answer, and somebody left to have it."""
        assert admitted.route is not None, "a call to an environment is admitted with its route"
        headers = [*passed_on(sent), *added(call, admitted)]
        request = call.request
        if body is not None or request.method in _WITH_CONTENT:
            headers.append((b"content-length", b"%d" % (0 if body is None else body.length)))
        target = f"{request.path}?{request.query}" if request.query else request.path
        exchange = self._forwarder.exchange(request.method, admitted.route.upstream, target, headers, body, answer)
        try:
            return await _unless_gone(exchange, receive)
        except UpstreamTimeout:
            await self._refuse(send, Refused(call.id, Code.UPSTREAM_TIMEOUT, "The API did not answer in time."))
        except UpstreamUnreachable:
            await self._refuse(send, Refused(call.id, Code.UPSTREAM_UNREACHABLE, "The API cannot be reached."))
        return False

    async def _refuse(self, send: Send, refused: Refused, *, unread_body: bool = False) -> None:
        if refused.evidence is None:  # the desk has noted what it has decided
            self._desk.note(refused, self._origin.environment)
        await send_refusal(send, refused, unread_body=unread_body)


def added(call: Call, admitted: Admitted) -> Headers:
    """What the upstream learns from the gate, and from nobody else."""
    return [
        *_identified(admitted.identity),
        *([(_SIGNED_IDENTITY, admitted.signed.encode("ascii"))] if admitted.signed else ()),
        (_REQUEST_ID, call.id.encode("ascii")),
        (b"x-forwarded-for", call.address.encode("ascii")),
        (b"x-forwarded-proto", call.request.scheme.encode("ascii")),
        (b"x-forwarded-host", call.request.authority.encode("latin-1")),
    ]


# A key's calls have the same identity.
@lru_cache(maxsize=4096)
def _identified(identity: Identity) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(encoded(identity.headers()))


def _adding(headers: Headers, send: Send) -> Send:
    """Add headers to whatever is answered, in place of the upstream's own: it has seen no proof to ask one for."""
    names = {name for name, _ in headers}

    async def adding(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [each for each in message["headers"] if each[0] not in names]
            message = {**message, "headers": [*kept, *headers]}
        await send(message)

    return adding


async def _unless_gone(exchange: Awaitable[None], receive: Receive) -> bool:
    """Await the exchange, but end it when the client hangs up: the upstream need not work for nobody. Say whether it
    went on to its end."""
    watch = _Watch(receive)
    try:
        await exchange
    except asyncio.CancelledError:
        if not watch.was_it():
            raise
        return False
    finally:
        watch.stop()
    return True


class _Watch:
    """Cancels the task that made it when the client hangs up. It begins after a moment: to watch takes a task, and
    nearly every call is answered sooner."""

    def __init__(self, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task is not None, "a call is served by a task"
        self._task = task
        self._receive = receive
        self._cancelling = task.cancelling()
        self._watching: asyncio.Task[None] | None = None
        self._is_gone = False
        self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER_S, self._begin)

    def was_it(self) -> bool:
        """Whether nobody else has cancelled the task as well."""
        return self._is_gone and self._task.uncancel() <= self._cancelling

    def stop(self) -> None:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self._is_gone = True
        self._task.cancel()

"""The gate as an adviser: it decides calls that somebody else holds. Internal; never reachable from outside.

- `/check/SANDBOX`, `/check/PRODUCTION`: sub-requests of nginx (`auth_request`) and Caddy (`forward_auth`). They carry
  no body, so the answer is header-only: the body hash is claimed, not proven. nginx makes 500 of every answer but 2xx,
  401 and 403, therefore the true status travels in a header (settled 18), from which the recipes restore it.
- `/decide/SANDBOX`, `/decide/PRODUCTION`: questions of the ASGI middleware, which has hashed the body.
- `/health` and `/metrics`.

A proxy names the call in X-Original-Method and X-Original-URI and overwrites both; no other spelling is read, so that
none can be slipped past a proxy that sets another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Coroutine, Mapping
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest

import msgspec

from credenza.domain.model import EnvironmentName
from credenza.gate import arrival, payload
from credenza.gate.answers import (
    JSON,
    Reply,
    Send,
    encoded,
    fields,
    headers_of,
    reply,
    send_answer,
    send_encoded,
    send_refusal,
)
from credenza.gate.app import Origin, Receive, Scope
from credenza.gate.arrival import BadRequest
from credenza.gate.body import ClientGone, TooLarge, read_body
from credenza.gate.decision import Admitted, Call, Code, Decision, Refused, envelope
from credenza.gate.desk import Desk, Pending
from credenza.gate.ids import ids
from credenza.gate.keyring import GateClosed
from credenza.gate.terminators import CLIENT_CERT, NOBODY, PROXY_SECRET, Terminators
from credenza.protocol.oauth1 import Request
from credenza.wire import decisions
from credenza.wire.decisions import Answer, Identity, Question

_LONGEST_QUESTION_BYTES = 1024 * 1024
_PLAIN = "text/plain; charset=utf-8"
_UNCHECKED = "unchecked"
# A client certificate covers no body: TLS has, as far as the proxy.
_UNSIGNED = "unsigned"
# Empty rather than absent, as in `_reply`.
_ABSENT = dict.fromkeys(
    (decisions.CERTIFICATE_SHA256, decisions.PERMISSION, decisions.ACCOUNT_ID, decisions.WORKSPACE_ID), ""
)
_TARGET = re.compile(r"/[!\"$-~]{0,8191}")


class DecisionApp:
    """`secret`, when set, must come with every question, in Credenza-Gate-Secret. `terminators` are the proxies whose
    sub-requests are believed about client certificates."""

    def __init__(
        self,
        origins: Mapping[EnvironmentName, Origin],
        desk: Desk,
        *,
        secret: str | None = None,
        terminators: Terminators = NOBODY,
    ) -> None:
        self._terminators = terminators
        self._origins = origins
        self._desk = desk
        self._secret = secret.encode() if secret else None
        self._ids = ids()
        self._checked = {f"/check/{environment}".encode(): origin for environment, origin in origins.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"a gate serves http, not {scope['type']}")
        verb, *rest = scope["path"].removeprefix("/").split("/")
        if not rest and verb == "health":
            await self._health(send)
        elif not rest and verb == "metrics":
            await send_answer(send, 200, [("Content-Type", _PLAIN)], self._desk.metrics.exposed())
        elif len(rest) == 1 and rest[0] in self._origins and verb in ("check", "decide"):
            await self._decide(verb, self._origins[EnvironmentName(rest[0])], scope, receive, send)
        else:
            await send_answer(send, 404, [("Content-Type", _PLAIN)], b"There is nothing here.\n")

    async def _health(self, send: Send) -> None:
        """503 while calls are refused for want of knowledge: a load balancer shall send them elsewhere."""
        try:
            self._desk.look()
        except GateClosed:
            await send_answer(send, 503, [("Content-Type", _PLAIN), ("Retry-After", "1")], b"closed\n")
        else:
            await send_answer(send, 200, [("Content-Type", _PLAIN)], b"ok\n")

    async def _decide(self, verb: str, origin: Origin, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _Asked(scope["headers"])
        if self._secret is not None and not compare_digest(asked.last(b"credenza-gate-secret"), self._secret):
            await send_answer(send, 403, [("Content-Type", _PLAIN)], b"Credenza-Gate-Secret is missing or wrong.\n")
            return
        call_id = next(self._ids)
        if verb == "check":
            await self._check(call_id, origin, asked, scope, send)
        else:
            await self._answer(call_id, origin, receive, send)

    async def _check(self, call_id: str, origin: Origin, asked: _Asked, scope: Scope, send: Send) -> None:
        call = self._sub_request(call_id, origin, asked, scope["scheme"])
        decision = call if isinstance(call, Refused) else await self._desk.decide(call)
        if isinstance(decision, Refused):
            await send_answer(send, *_refused(decision))
        else:
            await send_encoded(send, 200, _admitted(call_id, decision), b"")

    def at_once(
        self, target: bytes, headers: arrival.Headers, scheme: str
    ) -> Reply | Coroutine[None, None, Reply] | None:
        """Answer a sub-request without a task and without messages, or say what to await; None for all else."""
        origin = self._checked.get(target)
        if origin is None:
            return None
        asked = _Asked(headers)
        if self._secret is not None and not compare_digest(asked.last(b"credenza-gate-secret"), self._secret):
            return None
        call = self._sub_request(next(self._ids), origin, asked, scheme)
        if not isinstance(call, Call):  # what nearly always is the case is asked for: to ask for the rest takes longer
            return reply(*_refused(call))
        decision = self._desk.decide_now(call)
        if isinstance(decision, Admitted):
            return _welcomed(call.id, decision)
        return self._later(call, decision) if isinstance(decision, Pending) else reply(*_refused(decision))

    async def _later(self, call: Call, pending: Pending) -> Reply:
        return _reply(call.id, await self._desk.finish(call, pending))

    def _sub_request(self, call_id: str, origin: Origin, asked: _Asked, scheme: str) -> Call | Refused:
        try:
            return _call_of_proxy(call_id, origin, asked, scheme, self._certificate(asked))
        except BadRequest as bad:
            refused = Refused(call_id, Code.BAD_REQUEST, str(bad))
            self._desk.note(refused, origin.environment)
            return refused

    def _certificate(self, asked: _Asked) -> bytes:
        # In no handshake of ours: a proxy that asks has no certificate to be mistaken for its client's.
        if self._terminators is NOBODY:
            return b""
        found = {name: [value.encode("latin-1") for value in asked.all(name)] for name in (CLIENT_CERT, PROXY_SECRET)}
        return arrival.certificate(found, b"", self._terminators)

    async def _answer(self, call_id: str, origin: Origin, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, limit_bytes=_LONGEST_QUESTION_BYTES, memory_bytes=_LONGEST_QUESTION_BYTES)
            question = msgspec.json.decode(body.in_memory or b"", type=Question)
            call = _call_of_middleware(call_id, origin, question)
        except ClientGone:
            return
        except (TooLarge, BadRequest, msgspec.MsgspecError) as error:
            await send_refusal(send, Refused(call_id, Code.BAD_REQUEST, f"The question cannot be read: {error}"))
            return
        decision = await self._desk.decide(call)
        answer = _told(decision) if isinstance(decision, Refused) else _welcome(call.id, decision)
        await send_answer(send, 200, [("Content-Type", JSON)], msgspec.json.encode(answer))


class _Asked:
    """The headers of a sub-request: the caller's own, and over them those of the proxy."""

    __slots__ = ("_headers", "_last", "_repeats")

    def __init__(self, headers: arrival.Headers) -> None:
        self._headers = headers
        self._last = dict(headers)
        self._repeats = len(self._last) != len(headers)

    def all(self, name: bytes) -> tuple[str, ...]:
        last = self._last.get(name)
        if last is None:
            return ()
        if not self._repeats:
            return (last.decode("latin-1"),)
        return tuple([value.decode("latin-1") for each, value in self._headers if each == name])

    def last(self, name: bytes) -> bytes:
        return self._last.get(name, b"")

    def only(self, name: bytes) -> str:
        """Read what the proxy overwrites. Twice would mean that it does not."""
        last = self._last.get(name)
        if last is None or (self._repeats and len(self.all(name)) != 1):
            raise BadRequest(f"The proxy has to set {name.decode()} to one value; see the recipes.")
        return last.decode("latin-1")


def _call_of_proxy(call_id: str, origin: Origin, asked: _Asked, scheme: str, certificate: bytes) -> Call:
    target = asked.only(b"x-original-uri")
    _check_target(target)
    path, _, query = target.partition("?")
    length = asked.last(b"x-original-content-length")
    return Call(
        id=call_id,
        request=Request(
            asked.only(b"x-original-method"),
            origin.scheme or asked.last(b"x-forwarded-proto").decode("latin-1") or scheme,
            origin.authority or asked.only(b"host"),
            path,
            query,
        ),
        authorization=asked.all(b"authorization"),
        proofs=asked.all(b"dpop"),
        certificate=certificate,
        environment=origin.environment,
        body_sha256=None,
        announces_body=length not in (b"", b"0") or asked.last(b"x-original-transfer-encoding") != b"",
        # The proxy next to us has appended the address that it saw.
        address=asked.last(b"x-forwarded-for").rpartition(b",")[2].strip().decode("latin-1"),
        user_agent=asked.last(b"user-agent").decode("latin-1"),
    )


def _call_of_middleware(call_id: str, origin: Origin, question: Question) -> Call:
    _check_target(f"{question.path}?{question.query}")
    if len(question.body_sha256) != sha256().digest_size:
        raise BadRequest("bodySha256 is not a SHA-256 digest.")
    return Call(
        id=call_id,
        request=Request(
            question.method,
            origin.scheme or question.scheme,
            origin.authority or question.authority,
            question.path,
            question.query,
            question.form,
        ),
        authorization=question.authorization,
        proofs=question.proofs,
        certificate=question.certificate,
        environment=origin.environment,
        body_sha256=question.body_sha256,
        address=question.address,
        user_agent=question.user_agent,
    )


def _check_target(target: str) -> None:
    # `#` ends a target for some programs and not for others; an absolute target names a host of its own.
    if _TARGET.fullmatch(target) is None:
        raise BadRequest("The target is not a path and query in visible ASCII characters.")


def _reply(call_id: str, decision: Decision) -> Reply:
    return _welcomed(call_id, decision) if isinstance(decision, Admitted) else reply(*_refused(decision))


def _welcomed(call_id: str, admitted: Admitted) -> Reply:
    claimed = admitted.claimed_body_hash or ""
    # No value can end a line: an id is made here, a hash is base64, and so are the parts of a JWT.
    own = f"{decisions.REQUEST_ID}: {call_id}\r\n{decisions.CLAIMED_BODY_HASH}: {claimed}\r\ncontent-length: 0\r\n"
    # Empty rather than absent: Caddy would hand on the name of a header that did not come.
    own += f"{decisions.SIGNED_IDENTITY}: {admitted.signed}\r\n{decisions.PAYLOAD}: {' '.join(_steps(admitted))}\r\n"
    added = fields(encoded(admitted.headers)) if admitted.headers else b""
    return Reply(200, _known_fields(admitted.identity) + own.encode("ascii") + added, b"")


def _admitted(call_id: str, admitted: Admitted) -> list[tuple[bytes, bytes]]:
    claimed = admitted.claimed_body_hash or ""
    own = [(decisions.REQUEST_ID, call_id), (decisions.CLAIMED_BODY_HASH, claimed)]
    own += [(decisions.SIGNED_IDENTITY, admitted.signed), (decisions.PAYLOAD, " ".join(_steps(admitted)))]
    return [*_known_headers(admitted.identity), *encoded([*own, *admitted.headers])]


# A key's calls have the same identity, and spelling it out costs as much as a third of the check.
@lru_cache(maxsize=4096)
def _known_headers(identity: Identity) -> tuple[tuple[bytes, bytes], ...]:
    known = dict(identity.headers())
    body = _UNSIGNED if identity.certificate_sha256 else _UNCHECKED
    return tuple(encoded({**_ABSENT, **known, decisions.BODY: body}.items()))


@lru_cache(maxsize=4096)
def _known_fields(identity: Identity) -> bytes:
    return fields(_known_headers(identity))


def _refused(refused: Refused) -> tuple[int, list[tuple[str, str]], bytes]:
    # The description is written as in a JSON string: a recipe puts it between quotes, and no header breaks.
    description = json.dumps(refused.description)[1:-1]
    headers = [
        *headers_of(refused),
        (decisions.STATUS, str(refused.status)),
        (decisions.REASON_CODE, refused.reason_code),
        (decisions.DESCRIPTION, description),
    ]
    return (401 if refused.status == 401 else 403), headers, envelope(refused)


def _welcome(call_id: str, admitted: Admitted) -> Answer:
    return Answer(
        request_id=call_id,
        identity=admitted.identity,
        signed_identity=admitted.signed,
        headers=admitted.headers,
        payload=_steps(admitted),
    )


def _steps(admitted: Admitted) -> tuple[str, ...]:
    route = admitted.route
    return () if route is None or route.payload_rules is None else payload.steps(route.payload_rules)


def _told(refused: Refused) -> Answer:
    return Answer(
        request_id=refused.id,
        status=refused.status,
        headers=tuple(headers_of(refused)),
        body=envelope(refused).decode(),
    )

"""ASGI middleware: nobody calls the application unless a gate has admitted the call, its body included (settled 17).

    app = CredenzaMiddleware(app, gate="http://127.0.0.1:8082", environment="SANDBOX")

It hashes the body itself and asks the gate's decision listener over HTTP or a unix socket; it knows no database. Then
`scope["credenza"]` is the `Identity` of the caller, and the headers X-Credenza-… say the same; what a client sends
under such names never arrives. An application behind nginx or Caddy, whose sub-request has decided already, takes
`ClaimedBodyMiddleware` instead, which checks the one thing that a sub-request cannot: the body.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from hmac import compare_digest

import httpx
import msgspec

from credenza.client import asgi, payload_call
from credenza.client.asgi import App, Receive, Scope, Send, again, values
from credenza.client.payload_api import PayloadApi
from credenza.wire.decisions import (
    BODY,
    CLAIMED_BODY_HASH,
    GATE_SECRET,
    REQUEST_ID,
    SIGNED_IDENTITY,
    Answer,
    Question,
    is_form,
)
from credenza.wire.errors import ReasonCode

BODY_LIMIT_BYTES = 10 * 1024 * 1024
_FORM_LIMIT_BYTES = 64 * 1024
_DEADLINE_S = 5.0
_CLAIMED, _BODY = (name.lower().encode("ascii") for name in (CLAIMED_BODY_HASH, BODY))


class _Gone(Exception):  # noqa: N818 - nobody's error
    """The client hung up before its body was complete, and nobody is left to answer."""


class CredenzaMiddleware:
    """`gate`: the URL of the decision listener, or `unix:/path/to/socket`. `secret`: the listener's, when it has one.

    The middleware answers 503 while the gate cannot be asked. Bodies up to `body_limit_bytes` are held in memory.
    `payloads` opens requests and protects answers where the rules of the service say that they are encrypted or signed;
    without it such calls are answered 503.
    """

    def __init__(
        self,
        app: App,
        *,
        gate: str = "http://127.0.0.1:8082",
        environment: str,
        secret: str | None = None,
        body_limit_bytes: int = BODY_LIMIT_BYTES,
        payloads: PayloadApi | None = None,
    ) -> None:
        self._app = app
        self._payloads = payloads
        self._path = f"/decide/{environment}"
        self._body_limit_bytes = body_limit_bytes
        socket = gate.removeprefix("unix:") if gate.startswith("unix:") else None
        self._gate = httpx.AsyncClient(
            base_url="http://gate" if socket else gate,
            transport=httpx.AsyncHTTPTransport(uds=socket),
            headers={GATE_SECRET: secret} if secret else None,
            timeout=_DEADLINE_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await asgi.close_websocket(send)
        elif scope["type"] == "http":
            with suppress(_Gone):
                await self._decide(scope, receive, send)
        else:
            await self._live(scope, receive, send)

    async def aclose(self) -> None:
        """Close the connections to the gate; the end of the application's lifespan does it too."""
        await self._gate.aclose()
        if self._payloads is not None:
            await self._payloads.aclose()

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            await self.aclose()

    async def _decide(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive, self._body_limit_bytes)
        if body is None:
            await asgi.send_refusal(send, 413, ReasonCode.PAYLOAD_TOO_LARGE, "The body is too large.")
            return
        try:
            answer = await self._ask(_question(scope, body))
        except (httpx.HTTPError, msgspec.MsgspecError):
            await asgi.send_refusal(
                send, 503, ReasonCode.SERVICE_UNAVAILABLE, "The gate does not answer. Try again shortly."
            )
            return
        if answer.identity is None:
            await asgi.send_answer(send, answer.status, answer.headers, answer.body.encode())
            return
        told = [*answer.identity.headers(), (REQUEST_ID, answer.request_id)]
        told += [(SIGNED_IDENTITY, answer.signed_identity)] if answer.signed_identity else []
        to_caller = asgi.adding(answer.headers, send) if answer.headers else send
        entered = asgi.admitted(scope, answer.identity, told)
        if not answer.payload:
            await self._app(entered, again(body, receive), to_caller)
            return
        sent = values(scope, b"authorization")
        await payload_call.serve(
            self._app,
            self._payloads,
            answer.payload,
            answer.identity,
            entered,
            body,
            receive,
            to_caller,
            scheme=sent[0].partition(b" ")[0].decode("latin-1") if sent else "",
        )

    async def _ask(self, question: Question) -> Answer:
        response = await self._gate.post(self._path, content=msgspec.json.encode(question))
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=Answer)


class ClaimedBodyMiddleware:
    """For an application that only its proxy can reach: checks the body against the hash that the sub-request proved.

    The proxy sets X-Credenza-Claimed-Body-Hash and X-Credenza-Body on every request that it lets through, whatever the
    client sent. A call by client certificate has no hash, and its body is taken as it is.
    """

    def __init__(self, app: App, *, body_limit_bytes: int = BODY_LIMIT_BYTES) -> None:
        self._app = app
        self._body_limit_bytes = body_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with suppress(_Gone):
            await self._check(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive, self._body_limit_bytes)
        if body is None:
            await asgi.send_refusal(send, 413, ReasonCode.PAYLOAD_TOO_LARGE, "The body is too large.")
        elif not _is_claimed(body, scope["headers"]):
            text = "The body is not the one that oauth_body_hash was made for."
            await asgi.send_refusal(send, 403, ReasonCode.AUTHENTICATION_FAILED, text)
        else:
            await self._app(scope, again(body, receive), send)


def _is_claimed(body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    told = [(name, value) for name, value in headers if name in (_CLAIMED, _BODY)]
    claimed = [value for name, value in told if name == _CLAIMED]
    if not claimed:
        return not body or told == [(_BODY, b"unsigned")]
    return len(claimed) == 1 and compare_digest(claimed[0], b64encode(sha256(body).digest()))


def _question(scope: Scope, body: bytes) -> Question:
    authorization = tuple(value.decode("latin-1") for value in values(scope, b"authorization"))
    covered = any("oauth_body_hash" in value for value in authorization)
    hosts = values(scope, b"host")
    return Question(
        method=scope["method"],
        scheme=scope["scheme"],
        # Two Host headers name no authority; the gate refuses an empty one.
        authority=hosts[0].decode("latin-1") if len(hosts) == 1 else "",
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        authorization=authorization,
        body_sha256=sha256(body).digest(),
        form=body
        if not covered and len(body) <= _FORM_LIMIT_BYTES and is_form(values(scope, b"content-type"))
        else None,
        proofs=tuple(value.decode("latin-1") for value in values(scope, b"dpop")),
        certificate=asgi.certificate(scope),
        address=scope["client"][0] if scope.get("client") else "",
        user_agent=b" ".join(values(scope, b"user-agent")).decode("latin-1"),
    )


async def _read_body(receive: Receive, limit_bytes: int) -> bytes | None:
    """Read the whole body; None when it is longer than the limit."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        body += message.get("body", b"")
        if len(body) > limit_bytes:
            return None
        more = message.get("more_body", False)
    return bytes(body)

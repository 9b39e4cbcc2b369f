"""A call whose payloads have rules, on its way through the middleware: opened for the application, and its answer
protected, by the payload API. What cannot be protected is an error, never a plain answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from http import HTTPStatus
from typing import Any

from credenza.client import asgi
from credenza.client.asgi import App, Receive, Scope, Send
from credenza.client.payload_api import PayloadApi, PayloadRefused, PayloadsUnavailable
from credenza.wire.decisions import REFUSAL_ID, Identity, folded
from credenza.wire.errors import ReasonCode
from credenza.wire.payloads import DECRYPT, ENCRYPT, SIGN, VERIFY, Done, Task

_JSON = (b"content-type", b"application/json")
_ERROR = (("content-type", "application/json"), ("cache-control", "no-store"))
_DIGESTS = frozenset({b"content-digest", b"repr-digest", b"digest", b"content-md5"})
_OF_BYTES = _DIGESTS | frozenset(
    {b"content-type", b"content-length", b"content-encoding", b"transfer-encoding", b"content-range"}
    | {b"etag", b"accept-ranges", b"last-modified"}
)
# What is encrypted or signed is a whole, and uncoded: nothing else may be asked for.
_OF_CHOICE = frozenset({b"accept-encoding", b"range", b"if-range"})
_WITHOUT_CONTENT = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class _Held:
    """An answer of the application, kept back until it is whole."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.is_whole = False

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.lower(), value) for name, value in message.get("headers", ())]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            self.is_whole = not message.get("more_body", False)


async def serve(
    app: App,
    payloads: PayloadApi | None,
    steps: Collection[str],
    identity: Identity,
    scope: Scope,
    body: bytes,
    receive: Receive,
    send: Send,
    *,
    scheme: str,
) -> None:
    """Call the application with the request in plain, and answer what the rules make of its answer. `scheme` is the one
    of the call's Authorization, for whoever explains a refusal."""
    if payloads is None or identity.project_id is None or identity.service_id is None:
        text = "Payloads of this API are encrypted or signed, and its application is not prepared for that."
        await asgi.send_refusal(send, 503, ReasonCode.SERVICE_UNAVAILABLE, text)
        return
    call = _Call(payloads, steps, identity.project_id, identity.service_id, identity.key_id, scheme, scope)
    try:
        entered, plain = await call.opened(body)
        held = _Held()
        await app(entered, asgi.again(plain, receive), held)
        headers, content = await call.protected(held)
    except PayloadRefused as refused:
        await asgi.send_answer(send, refused.status, (*_ERROR, (REFUSAL_ID, refused.refusal_id)), refused.body)
    except PayloadsUnavailable as error:
        await asgi.send_refusal(send, 503, ReasonCode.SERVICE_UNAVAILABLE, str(error))
    else:
        await send({"type": "http.response.start", "status": held.status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class _Call:
    def __init__(
        self,
        payloads: PayloadApi,
        steps: Collection[str],
        project_id: str,
        service_id: int,
        key_id: str,
        scheme: str,
        scope: Scope,
    ) -> None:
        self._payloads = payloads
        self._steps = steps
        self._project_id = project_id
        self._service_id = service_id
        self._key_id = key_id
        self._scheme = scheme
        self._scope = scope
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1")
        self._target = f"{path}?{query}" if query else path

    async def opened(self, body: bytes) -> tuple[Scope, bytes]:
        """Verify and decrypt the request, as far as the rules say; the headers that spoke of it end here."""
        headers = [header for header in self._scope["headers"] if folded(header[0]) not in _OF_CHOICE]
        sent = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in self._scope["headers"])
        removed: set[bytes] = set()
        plain = body
        for step in (VERIFY, DECRYPT):
            if step in self._steps:
                done = await self._take(step, plain, headers=sent)
                plain, removed = done.payload, removed | _folded(done.removed)
        headers = _without(headers, removed)
        if plain != body:
            headers = [*_without(headers, _OF_BYTES), _JSON, (b"content-length", b"%d" % len(plain))]
        return {**self._scope, "headers": headers}, plain

    async def protected(self, held: _Held) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Encrypt and sign the answer, as far as the rules say."""
        if not held.is_whole:
            raise PayloadsUnavailable("The application's answer broke off.")
        headers, body = held.headers, bytes(held.body)
        if not body or held.status in _WITHOUT_CONTENT or self._scope["method"] == "HEAD":
            return await self._signed([*_without(headers, _OF_BYTES)], b"", held.status)
        if ENCRYPT in self._steps:
            if any(name == b"content-encoding" for name, _ in headers):
                raise PayloadsUnavailable("The application's answer has a Content-Encoding.")
            done = await self._take(ENCRYPT, body, status=held.status)
            body = done.payload
            headers = [*_without(headers, _OF_BYTES | _folded(done.removed)), _JSON, *_octets(done.headers)]
        return await self._signed(headers, body, held.status)

    async def _signed(
        self, headers: list[tuple[bytes, bytes]], body: bytes, status: int
    ) -> tuple[list[tuple[bytes, bytes]], bytes]:
        if SIGN in self._steps:
            done = await self._take(SIGN, body, status=status)
            gone = _folded(done.removed) | (_DIGESTS if done.payload != body else frozenset())
            headers, body = [*_without(headers, gone), *_octets(done.headers)], done.payload
        headers = _without(headers, {b"content-length", b"transfer-encoding"})
        if status not in _WITHOUT_CONTENT and self._scope["method"] != "HEAD":
            headers.append((b"content-length", b"%d" % len(body)))
        return headers, body

    async def _take(
        self, step: str, body: bytes, *, headers: tuple[tuple[str, str], ...] = (), status: int = 200
    ) -> Done:
        task = Task(
            project_id=self._project_id,
            service_id=self._service_id,
            payload=body,
            headers=headers,
            target=self._target,
            status=status,
            key_id=self._key_id,
            method=self._scope["method"],
            scheme=self._scheme,
        )
        return await self._payloads.take(step, task)


def _without(headers: Iterable[tuple[bytes, bytes]], names: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    return [header for header in headers if folded(header[0]) not in names]


def _folded(names: Iterable[str]) -> set[bytes]:
    return {folded(name.encode("ascii")) for name in names}


def _octets(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers]

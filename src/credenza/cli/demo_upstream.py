"""The demo's APIs behind the gate: three that keep things (`demo_apis`), and for every other path one that answers with
what it was told about the caller."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from credenza.cli.demo_apis import Answer, Apis


class Upstream:
    """A plain ASGI application without any authentication of its own: that is the gate's business."""

    def __init__(self, apis: Apis) -> None:
        self._apis = apis

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await _body(receive)
        path = scope["raw_path"].decode("latin-1")
        status, content = self._apis.answer(scope["method"], path, body) or _greeting(scope, path, body)
        text = json.dumps(content, indent=2).encode() + b"\n"
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": status.value, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else text})


async def _body(receive: Any) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def _greeting(scope: Any, path: str, body: bytes) -> Answer:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return HTTPStatus.OK, {
        "message": f"Hello, {headers.get('x-credenza-client-id', 'stranger')}.",
        "method": scope["method"],
        "path": path,
        "query": scope["query_string"].decode("latin-1"),
        "bodyBytes": len(body),
        "caller": {name: value for name, value in headers.items() if name.startswith("x-credenza-")},
    }

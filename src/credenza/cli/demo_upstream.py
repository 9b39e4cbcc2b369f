"""The demo's API behind the gate: it answers with what it was told about the caller."""

from __future__ import annotations

import json
from typing import Any


async def app(scope: Any, receive: Any, send: Any) -> None:
    """A plain ASGI application without any authentication of its own: that is the gate's business."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    caller = headers.get("x-credenza-client-id", "stranger")
    answer = {
        "message": f"Hello, {caller}.",
        "method": scope["method"],
        "path": scope["raw_path"].decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "bodyBytes": len(body),
        "caller": {name: value for name, value in headers.items() if name.startswith("x-credenza-")},
    }
    content = json.dumps(answer, indent=2).encode() + b"\n"
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

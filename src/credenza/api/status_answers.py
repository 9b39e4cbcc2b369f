"""Status answers that were given before, given again before any route is looked for (row P10).

Proxies and libraries ask for the same certificate again and again, and finding the route of a request costs ten times
what the answer does. Whatever is not remembered goes on to the routes, which know how to ask.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from credenza.actions.certificate_status import CertificateStatus
from credenza.api.arrival import arrival_in

PATH: Final = "/pki/ocsp"
_IN_PATH: Final = b"/pki/ocsp/"
_TYPE: Final = (b"content-type", b"application/ocsp-response")


@dataclass(frozen=True, slots=True)
class _Operation:
    """Stands for the route in the metrics."""

    operation_id: str


_GET, _POST = _Operation("getCertificateStatus"), _Operation("askCertificateStatus")


class RememberedAnswers:
    def __init__(self, app: ASGIApp, *, responder: CertificateStatus) -> None:
        self._app = app
        self._responder = responder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PATH):
            await self._app(scope, receive, send)
            return
        arrival = arrival_in(scope)
        answer = self._responder.remembered(_request(scope, arrival.body), now=arrival.now)
        if answer is None:
            await self._app(scope, receive, send)
            return
        headers = [_TYPE, (b"content-length", str(len(answer.der)).encode())]
        if scope["method"] == "GET":
            scope["route"] = _GET
            kept = int(answer.kept_for.total_seconds())
            headers.append((b"cache-control", f"public, max-age={kept}".encode()))
        else:
            scope["route"] = _POST
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer.der})


def _request(scope: Scope, body: bytes) -> bytes:
    """The request as it came; nothing for what is none: only what was once answered is remembered."""
    if scope["method"] == "POST":
        return body if scope["path"] == PATH else b""
    raw: bytes = scope["raw_path"]
    if scope["method"] != "GET" or not raw.startswith(_IN_PATH):
        return b""
    try:
        return b64decode(unquote_to_bytes(raw[len(_IN_PATH) :]), validate=True)
    except ValueError:
        return b""
